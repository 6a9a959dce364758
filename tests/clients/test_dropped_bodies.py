"""Responses of httpx that nobody closes: the collector finds them anywhere, and their connection comes back."""

import _thread
import gc
import threading

import pytest

from support.collector import without_collector
from support.controlled import PATIENCE, until
from support.scoped import call
from threadfan import Scope
from threadfan.clients import bodies
from threadfan.clients.httpx import attach


class WouldHang(Exception):
    """A lock that its own thread holds was waited for."""


class Collecting:
    """A lock in whose next acquisition the collector runs, and which raises where it would hang."""

    def __init__(self):
        self.armed = False
        self.would_hang = 0
        self._lock = threading.Lock()
        self._holder = None

    def __enter__(self):
        if self._holder == threading.get_ident():
            self.would_hang += 1
            raise WouldHang
        self._lock.acquire()
        self._holder = threading.get_ident()
        if self.armed:
            self.armed = False
            gc.collect()
        return self

    def __exit__(self, *exc_info):
        self._holder = None
        self._lock.release()


@pytest.fixture(autouse=True)
def _collector_off():
    """The test alone says when the collector runs."""
    with without_collector():
        yield
    until(lambda: not bodies._open)


def opened(client, url):
    """A response whose body has not been read."""
    return client.send(client.build_request("GET", url), stream=True)


def half_read(client, url):
    """Drop a response that was begun and not read to its end."""
    response = opened(client, url)
    response.kept = response.iter_raw()
    assert next(response.kept)


def by_an_sdk(client, url):
    """Drop what closes its response in a finalizer, as the streams of SDKs do."""

    def events(response):
        try:
            yield from response.iter_raw()
        finally:
            response.close()

    response = opened(client, url)
    response.kept = events(response)
    assert next(response.kept)


def unread(client, url):
    """Drop a response of which nothing was read."""
    opened(client, url)


WAYS = [half_read, by_an_sdk, unread]


def client_of(library, connections):
    """A client with so many connections, whose calls wait as long as anything here does."""
    limits = library.Limits(max_connections=connections)
    return library.Client(limits=limits, timeout=library.Timeout(PATIENCE), trust_env=False)


def collected_under_the_lock(client, pool, drop, url):
    """Drop a response, and have the collector find it while another request has the lock of the pool."""
    lock = pool._optional_thread_lock = Collecting()
    drop(client, url)
    lock.armed = True
    assert client.get(url.replace("/stall", "/ok")).status_code == 200
    assert not lock.armed
    return lock


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("drop", [half_read, by_an_sdk])
def test_the_plain_client_would_hang(library, server, drop):
    """What the collector closes takes the lock that its own thread holds: here it is seen, and hangs nobody."""
    with client_of(library, 2) as client:
        lock = collected_under_the_lock(client, client._transport._pool, drop, server.url("/stall"))
        assert lock.would_hang
        gc.collect()


@pytest.mark.parametrize("drop", WAYS)
def test_nothing_is_closed_under_the_lock_of_the_pool(library, server, drop):
    """An attached client has another thread close it, and the connection is closed."""
    with attach(client_of(library, 2)) as client:
        lock = collected_under_the_lock(client, client._transport.wrapped._pool, drop, server.url("/stall"))
        server.wait_until_closed(1)  # that of the other request stays
        until(lambda: client._transport._semaphore._free == 2)
        assert not lock.would_hang


@pytest.mark.parametrize("drop", WAYS)
def test_a_connection_that_was_dropped_comes_back(library, server, drop):
    """A client that has only one can go on."""
    with attach(client_of(library, 1)) as client:
        drop(client, server.url("/stall"))
        gc.collect()
        assert client.get(server.url("/ok")).status_code == 200


def test_a_loop_that_is_left_gives_its_connection_back(library, server):
    """As with the plain client, without a ``with`` and while the response is still held."""
    with attach(client_of(library, 1)) as client:
        response = opened(client, server.url("/stall"))
        for chunk in response.iter_raw():
            assert chunk
            break
        assert client.get(server.url("/ok")).status_code == 200


def test_at_the_end_of_the_block_it_is_closed(library, server):
    """A loop that is left has another thread close it, and the block waits for that."""
    with attach(client_of(library, 1)) as client:
        with client.stream("GET", server.url("/stall")) as response:
            for _ in response.iter_raw():
                break
        assert client._transport._semaphore._free == 1
        assert client._transport.wrapped._pool.connections == []


def test_where_no_thread_can_be_had_the_next_request_closes(library, server, monkeypatch):
    """Nothing is lost where the system gives no threads."""

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    with attach(client_of(library, 1)) as client:
        half_read(client, server.url("/stall"))
        monkeypatch.setattr(_thread, "start_new_thread", refuse)
        gc.collect()
        monkeypatch.undo()
        assert client.get(server.url("/ok")).status_code == 200


def test_a_body_that_is_read_needs_no_further_thread(library, server, monkeypatch):
    """What is read to its end, or closed, leaves nothing for a finalizer."""
    with attach(client_of(library, 1)) as client:
        monkeypatch.setattr(_thread, "start_new_thread", None)
        assert client.get(server.url("/ok")).status_code == 200
        opened(client, server.url("/stall")).close()
        with client.stream("GET", server.url("/ok")) as response:
            assert list(response.iter_lines())
        del response
        gc.collect()


def test_a_cancel_closes_what_it_ends(library, server):
    """A body whose scope ends is closed by the thread that read it, and its place is free."""
    scope = Scope()

    def read():
        with client.stream("GET", server.url("/stall")) as response:
            for _ in response.iter_raw():
                scope.cancel()

    with attach(client_of(library, 1)) as client:
        assert type(call(scope, read).exception(PATIENCE)).__name__ == "CallCancelled"
        assert client._transport._semaphore._free == 1
