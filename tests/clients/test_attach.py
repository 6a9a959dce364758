"""`threadfan.attach` finds the seam that a client needs by what the client is of."""

import importlib
import re

import pytest

import threadfan
from threadfan.clients.attaching import SEAMS


def make(package):
    """A client of a library."""
    library = pytest.importorskip(package, exc_type=ImportError)
    if package in ("anthropic", "openai"):
        name = "Anthropic" if package == "anthropic" else "OpenAI"
        return type("Mine", (getattr(library, name),), {})(api_key="test")
    if package == "requests":
        return type("Mine", (library.Session,), {})()
    if package.startswith("httpx"):
        return library.Client(trust_env=False)
    raise AssertionError(package)


@pytest.mark.parametrize("package", ["anthropic", "httpx", "httpx2", "openai", "requests"])
def test_the_right_seam_is_found(package, monkeypatch):
    """That of the client's library, which gets the client and the options; subclasses of the user's count too."""
    client = make(package)
    seam = importlib.import_module(f"threadfan.clients.{SEAMS[package]}")
    given = []
    monkeypatch.setattr(seam, "attach", lambda *args, some: given.append((args, some)) or "attached")
    assert threadfan.attach(client, some=5) == "attached"
    assert given == [((client,), 5)]
    client.close()


@pytest.mark.parametrize("package", ["anthropic", "httpx", "httpx2", "openai", "requests"])
def test_what_comes_back_is_attached(package):
    """It is of the same type."""
    client = make(package)
    attached = threadfan.attach(client)
    assert type(attached) is type(client)
    attached.close()


@pytest.mark.parametrize(
    ("package", "options", "right"),
    [
        ("anthropic", {"retries": 0}, "anthropic.attach takes no retries=0: it is called max_retries here"),
        ("openai", {"retry": 0}, "openai.attach takes no retry=0: it is called max_retries here"),
        ("openai", {"max_retry": 0}, "openai.attach takes no max_retry=0: did you mean max_retries?"),
        (
            "anthropic",
            {"timeout": 5},
            "anthropic.attach takes no timeout=5: for each call it is fan.with_options(timeout=5)",
        ),
        ("requests", {"poolsize": 9}, "requests.attach takes no poolsize=9: did you mean pool_size?"),
        ("httpx", {"pool_size": 9}, "httpx.attach takes no pool_size=9: it takes no options"),
    ],
)
def test_options_that_are_not_taken(package, options, right):
    """They are refused with what is right, by the seam's name."""
    with make(package) as client, pytest.raises(TypeError, match=f"^{re.escape(f'threadfan.clients.{right}')}$"):
        threadfan.attach(client, **options)


@pytest.mark.parametrize("package", sorted(SEAMS))
def test_every_seam_has_an_attach(package):
    """The table names modules that there are."""
    try:
        assert callable(importlib.import_module(f"threadfan.clients.{SEAMS[package]}").attach)
    except ImportError:
        pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("thing", [None, "client", object()], ids=["none", "text", "object"])
def test_what_is_not_known_is_said(thing):
    """With what is known."""
    with pytest.raises(TypeError, match=r"which it does not know; right is a client of anthropic, openai, "):
        threadfan.attach(thing)


def test_a_library_is_no_client():
    """What attaches all of its clients is named where there is such."""
    with pytest.raises(TypeError, match=r"attach got the module importlib: right is a client of a library$"):
        threadfan.attach(importlib)
    requests = pytest.importorskip("requests")
    with pytest.raises(TypeError, match=r"right is a client .*, or threadfan\.clients\.requests\.install\(\) for all"):
        threadfan.attach(requests)


def test_async_clients_are_refused():
    """By their seam, which says what is right."""
    httpx = pytest.importorskip("httpx")
    with pytest.raises(TypeError, match=r"an async client; right is httpx\.Client"):
        threadfan.attach(httpx.AsyncClient())
