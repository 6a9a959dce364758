"""The attached client of the Anthropic SDK: calls that end with their scope, and what attaching keeps and refuses."""

import contextlib
import threading
from inspect import signature

import pytest

from support.controlled import PATIENCE
from support.faulty_server import FaultyServer, Proxy
from support.scope_ends import WAYS, by_cancel
from support.scoped import call
from threadfan import CallCancelled, Scope, fail_after
from threadfan.clients import httpcore as seam
from threadfan.clients.anthropic import attach

anthropic = pytest.importorskip("anthropic", exc_type=ImportError)

FAULTS = ["hang", "drip", "429", "reset"]


@pytest.fixture(autouse=True)
def _slow_drips(messages_server):
    """What drips does not end by itself, and a refusal asks for a long wait."""
    messages_server.configure(drip_interval=1.0, retry_after=30.0)


@contextlib.contextmanager
def attached(client, **options):
    """An attached copy of a client, closed at the end."""
    with client, attach(client, **options) as copied:
        yield copied


def ask(client, prompt):
    """One message."""
    messages = [{"role": "user", "content": prompt}]
    return client.messages.create(model="test-model", max_tokens=50, messages=messages)


def ask_streaming(client, prompt):
    """One message, by the SDK's stream helper."""
    messages = [{"role": "user", "content": prompt}]
    with client.messages.stream(model="test-model", max_tokens=50, messages=messages) as stream:
        return stream.get_final_message()


def ask_for_events(client, prompt):
    """One message, as raw events."""
    messages = [{"role": "user", "content": prompt}]
    return list(client.messages.create(model="test-model", max_tokens=50, messages=messages, stream=True))


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", [ask, ask_streaming, ask_for_events])
def test_a_call_that_hangs_ends_with_its_scope(messages_server, way, fault, end):
    """Plain or streamed, hung, dripping or waiting to try again: it ends, and the next hundred succeed."""
    with attached(messages_server.client(max_retries=1000)) as client:
        end(
            lambda: way(client, f"[fault:{fault}] anything"),
            lambda: messages_server.wait_for(requests=1),
        )
        assert messages_server.wait_for(open=0).open == 0
        for _ in range(100):
            ask(client, "hello")


def test_the_server_sees_the_client_go(messages_server):
    """A call that is ended is one less for the server to work on."""
    with attached(messages_server.client()) as client:
        by_cancel(lambda: ask(client, "[fault:hang]"), lambda: messages_server.wait_for(requests=1))
        messages_server.wait_for(disconnects=1, open=0)


@pytest.mark.parametrize("end", WAYS)
def test_tls(end, monkeypatch):
    """With TLS a call that hangs ends with its scope too."""
    with FaultyServer(tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", server.ca_file and str(server.ca_file))
        with attached(anthropic.Anthropic(api_key="test", base_url=server.url("/hang"))) as client:
            end(lambda: ask(client, "hello"), lambda: server.wait_for_requests(1))
            server.wait_until_closed()


def test_nothing_works_after_the_end(messages_server):
    """A scope that has ended lets neither a request nor another event through."""
    messages = [{"role": "user", "content": "hello"}]
    with attached(messages_server.client(max_retries=1000)) as client, fail_after(60) as scope:
        events = client.messages.create(model="test-model", max_tokens=50, messages=messages, stream=True)
        next(events)
        scope.cancel()
        with pytest.raises(CallCancelled):
            next(events)
        with pytest.raises(CallCancelled):
            ask(client, "hello")
    assert messages_server.stats().requests == 1


def test_the_retry_loop_ends_at_once(messages_server):
    """The SDK makes no attempt after the one that was cancelled."""
    with attached(messages_server.client(max_retries=1000)) as client:
        scope = Scope()
        future = call(scope, ask, client, "[fault:hang]")
        messages_server.wait_for(requests=1)
        scope.cancel()
        assert isinstance(future.exception(PATIENCE), CallCancelled)
        messages_server.wait_for(open=0)
        assert messages_server.stats().requests == 1


@pytest.mark.parametrize(("given", "attempts"), [({}, 3), ({"max_retries": 0}, 1), ({"max_retries": 1}, 2)])
def test_retries_are_the_callers_choice(messages_server, given, attempts):
    """By default the SDK's own stay as they were set."""
    messages_server.configure(retry_after=0.001)
    with attached(messages_server.client(max_retries=2), **given) as client:
        with pytest.raises(anthropic.RateLimitError):
            ask(client, "[fault:429]")
        assert messages_server.stats().requests == attempts


def test_the_users_timeout_holds_where_it_is_shorter(messages_server):
    """Then it is the SDK's own error, and the scope goes on."""
    with attached(messages_server.client(timeout=0.1)) as client, fail_after(60):
        with pytest.raises(anthropic.APITimeoutError):
            ask(client, "[fault:hang]")
        assert ask(client, "hello").role == "assistant"


def test_clients_made_from_it_are_attached_too(messages_server):
    """`with_options`, `copy` and a new http client lose nothing."""
    with attached(messages_server.client(max_retries=1000)) as client:
        http = anthropic.DefaultHttpxClient(mounts={"all://127.0.0.1": None})
        for made in (client.with_options(timeout=60), client.copy(), client.with_options(http_client=http).copy()):
            for fault in ("hang", "429"):
                before = messages_server.stats().requests
                scope = Scope()
                future = call(scope, ask, made, f"[fault:{fault}]")
                messages_server.wait_for(requests=before + 1)
                scope.cancel()
                assert isinstance(future.exception(PATIENCE), CallCancelled)
        http.close()


def test_what_the_user_has_set_stays():
    """The http client is the same one, with hooks, limits and timeouts, and the rest of the client is equal."""
    seen = []
    with FaultyServer() as server:
        http = anthropic.DefaultHttpxClient(
            trust_env=False, event_hooks={"request": [seen.append]}, headers={"x-mine": "yes"}
        )
        options = {"timeout": 17, "max_retries": 5, "default_headers": {"x-theirs": "yes"}}
        original = anthropic.Anthropic(api_key="key", base_url=server.url("/status/200"), http_client=http, **options)
        with attached(original) as client:
            ask(client, "hello")
            (request,) = seen
            assert type(client) is anthropic.Anthropic
            assert client._client is http
            assert (client.api_key, client.timeout, client.max_retries) == ("key", 17, 5)
            assert (request.headers["x-mine"], request.headers["x-theirs"]) == ("yes", "yes")
            assert request.extensions["timeout"]["read"] == 17


def test_the_environments_proxies_stay(monkeypatch):
    """The SDK's default http client goes through them, attached or not."""
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Proxy() as proxy, FaultyServer() as server:
        monkeypatch.setenv("http_proxy", proxy.url())
        with attached(anthropic.Anthropic(api_key="test", base_url=server.url("/hang"))) as client:
            by_cancel(lambda: ask(client, "hello"), lambda: server.wait_for_requests(1))
            proxy.wait_until_closed()
            assert proxy.seen == [f"POST {server.url('/hang/v1/messages')} HTTP/1.1"]


def test_the_original_may_go(messages_server):
    """Dropping the client it was made from, whose http client closes itself, closes nothing."""
    client = attach(anthropic.Anthropic(api_key="test", base_url=messages_server.url))
    with client:
        assert not client._client.is_closed
        assert isinstance(client._client._transport.wrapped._pool._network_backend, seam.Backend)
        ask(client, "hello")


def platform_clients():
    """Clients of other platforms, as far as they can be made here, with a base URL."""
    aws = {"api_key": "k", "aws_region": "us-east-1"}
    google = {"region": "us-east1", "project_id": "p", "access_token": "t"}
    clients = [(anthropic.AnthropicBedrock, aws), (anthropic.AnthropicVertex, google)]
    return [
        (kind, options) for kind, options in clients if options.keys() <= signature(kind.__init__).parameters.keys()
    ]


@pytest.mark.parametrize(("kind", "options"), platform_clients())
@pytest.mark.parametrize("end", WAYS)
def test_bedrock_and_vertex(kind, options, end):
    """They keep their type and their credentials, and end with their scope."""
    with FaultyServer() as server:
        http = anthropic.DefaultHttpxClient(trust_env=False)
        with attached(kind(base_url=server.url("/hang"), http_client=http, **options)) as client:
            assert type(client) is kind
            for name, value in options.items():
                assert getattr(client, name) == value
            end(lambda: ask(client, "hello"), lambda: server.wait_for_requests(1))
            server.wait_until_closed()


def test_a_subclass_that_takes_what_its_base_takes(messages_server):
    """It keeps its type."""

    class Mine(anthropic.Anthropic):
        pass

    http = anthropic.DefaultHttpxClient(trust_env=False)
    with attached(Mine(api_key="test", base_url=messages_server.url, http_client=http)) as client:
        assert type(client) is Mine
        ask(client, "hello")


def test_what_cannot_be_attached_says_so():
    """Async clients, classes that cannot be copied and other things are refused with the remedy."""

    class Picky(anthropic.Anthropic):
        def __init__(self, tenant):
            super().__init__(api_key=tenant)

    class Deaf(anthropic.Anthropic):
        def __init__(self, **_):
            super().__init__(api_key="test")

    for kind in (anthropic.AsyncAnthropic, anthropic.AsyncAnthropicVertex):
        client = object.__new__(kind)
        with pytest.raises(TypeError, match=f"an async client; right is {kind.__name__.removeprefix('Async')}, called"):
            attach(client)
    for client in (Picky("me"), Deaf()):
        with client, pytest.raises(TypeError, match=r"cannot be copied: .*right is to attach a plain client"):
            attach(client)
    for thing in (None, "client", anthropic, anthropic.Anthropic, threading.Lock()):
        with pytest.raises(
            TypeError, match=r"right is a client of the anthropic SDK, such as anthropic\.Anthropic\(\)"
        ):
            attach(thing)


def test_attaching_twice_is_harmless(messages_server):
    """The second time makes one more client of the same kind."""
    with attached(messages_server.client()) as once, attach(once) as twice:
        transport = twice._client._transport
        assert transport is once._client._transport
        assert not hasattr(transport.wrapped, "wrapped")
        ask(twice, "hello")


def test_the_seam_is_where_it_was(messages_server, monkeypatch):
    """The SDK calls what is put in its place, for plain and streamed answers and between attempts; if not, it moved."""
    messages_server.configure(retry_after=0.001)
    base = anthropic._base_client
    slept = []
    monkeypatch.setattr(base.time, "sleep", slept.append)
    for name in ("_process_response_data", "_sleep_for_retry", "_calculate_retry_timeout"):
        assert callable(getattr(base.SyncAPIClient, name))
    with attached(messages_server.client(max_retries=2)) as client:
        calls = []
        for name in ("_process_response_data", "_sleep_for_retry"):
            ours = vars(client)[name]
            note = lambda *args, name=name, ours=ours, **rest: (calls.append(name), ours(*args, **rest))[1]  # noqa: E731
            monkeypatch.setitem(vars(client), name, note)
        ask(client, "[fault:429 x1] hello")
        assert calls == ["_sleep_for_retry", "_process_response_data"]
        ask_for_events(client, "hello")
        assert calls.count("_process_response_data") > 3
    assert slept == []
