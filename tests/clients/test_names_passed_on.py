"""A module of `threadfan.clients` has all that the module has whose name it bears."""

import importlib
import inspect
import queue
import subprocess
import sys
import threading

import pytest

from support.controlled import run_program

NAMES = [
    "anthropic",
    "duckdb",
    "grpc",
    "httpx",
    "openai",
    "psycopg",
    "pymongo",
    "queue",
    "redis",
    "requests",
    "sqlite3",
    "subprocess",
    "threading",
    "urllib3",
]
names = pytest.mark.parametrize("name", NAMES)


def both(name):
    """The module here, and the library's."""
    library = pytest.importorskip(name)
    return importlib.import_module(f"threadfan.clients.{name}"), library


@names
def test_everything_is_found(name):
    """Each public name of the library's is the library's own, unless the module here has its own of that name."""
    ours, library = both(name)
    found = {each: getattr(ours, each) for each in dir(library) if not each.startswith("_")}
    assert [each for each, it in found.items() if it is not getattr(library, each)] == sorted(
        set(ours.__all__) & set(found) - {each for each in found if getattr(library, each) is found[each]}
    )
    assert set(dir(library)) | set(ours.__all__) <= set(dir(ours))


@names
def test_what_is_in_neither_is_missing(name):
    """The error names both, and carries the name for the suggestion that the interpreter makes."""
    ours, _ = both(name)
    with pytest.raises(
        AttributeError, match=f"module 'threadfan.clients.{name}' has no attribute 'gte', nor has {name}"
    ):
        ours.gte  # noqa: B018
    assert not hasattr(ours, "gte")
    with pytest.raises(ImportError, match="cannot import name 'gte'"):
        exec(f"from threadfan.clients.{name} import gte")  # noqa: S102


def test_what_users_write():
    """Import statements, classes to derive from, errors to catch."""
    from threadfan.clients import requests
    from threadfan.clients import subprocess as processes
    from threadfan.clients import threading as threads
    from threadfan.clients.queue import PriorityQueue
    from threadfan.clients.requests import exceptions, get

    assert requests.get is get
    assert requests.exceptions is exceptions
    assert issubclass(requests.HTTPError, requests.RequestException)
    assert processes.Popen is subprocess.Popen
    assert threads.Thread is threading.Thread
    assert threads.Lock is not threading.Lock
    assert PriorityQueue is queue.PriorityQueue


@names
def test_modules_are_no_packages(name):
    """What the import system and `inspect` ask a module for is not the library's."""
    ours, _ = both(name)
    assert not hasattr(ours, "__path__")
    assert inspect.unwrap(ours) is ours
    with pytest.raises(ModuleNotFoundError, match="is not a package"):
        importlib.import_module(f"threadfan.clients.{name}.exceptions")


def test_nothing_is_imported_before_it_is_asked_for():
    """The SDK, three seconds of importing, comes with the first name of it."""
    program = """
import sys
from support.controlled import run_program
from threadfan.clients import anthropic, httpx, subprocess, threading
assert not {"anthropic", "httpx", "httpx2", "requests"} & sys.modules.keys()
assert anthropic.Anthropic.__module__.startswith("anthropic")
"""
    assert run_program(program, timeout=60) == ("", "")


def test_without_the_library_the_error_says_so(monkeypatch):
    """A name that httpx might have, where neither generation is installed; what is here is found all the same."""
    from threadfan.clients import httpx as ours

    for library in ("httpx", "httpx2"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(AttributeError, match="'Client'; httpx and httpx2, which might have it, cannot be imported"):
        ours.Client  # noqa: B018
    assert {"Transport", "attach"} <= set(dir(ours))


def test_of_two_libraries_the_second_stands_in(monkeypatch):
    """Where only httpx2 is installed, its names pass."""
    httpx2 = pytest.importorskip("httpx2")
    from threadfan.clients import httpx as ours

    monkeypatch.setitem(sys.modules, "httpx", None)
    assert ours.Client is httpx2.Client
