"""Answers of requests that are dropped half-read: the collector finds them anywhere, and hangs nobody."""

import gc
import queue
import threading

import pytest
import requests

from support.collector import without_collector
from support.controlled import PATIENCE, until
from support.faulty_server import FaultyServer
from support.scoped import call
from threadfan import Scope
from threadfan.clients.requests import Session, attach


class WouldHang(Exception):
    """A lock that its own thread holds was waited for."""


class Collecting:
    """A lock in whose next acquisition the collector runs, and which says where its thread would wait for itself."""

    def __init__(self, lock):
        self.armed = False
        self.would_hang = 0
        self._lock = lock
        self._holder = None

    def acquire(self, *args):
        """Take it."""
        if self._holder == threading.get_ident() and isinstance(self._lock, type(threading.Lock())):
            if not all(args):  # one that does not wait: `Condition` asks so whose it is
                return False
            self.would_hang += 1
            raise WouldHang
        taken = self._lock.acquire(*args)
        self._holder = threading.get_ident()
        if self.armed:
            self.armed = False
            gc.collect()
        return taken

    def release(self):
        """Let it go."""
        self._holder = None
        self._lock.release()

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *exc_info):
        self.release()


@pytest.fixture(autouse=True)
def _collector_off():
    """The test alone says when the collector runs."""
    with without_collector():
        yield


def half_read(session, url):
    """Drop an answer in chunks that was begun and not read to its end, in a cycle, as a kept exception makes one."""
    response = session.get(url, stream=True)
    response.kept = response.raw.stream(1)
    assert next(response.kept)
    response.raw.kept = response


MAKERS = {"plain": requests.Session, "attached": lambda: attach(requests.Session()), "Session": Session}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_nothing_waits_for_itself_in_the_collector(make):
    """What the collector finds while a thread puts its own connection back is put back too; the plain session hangs."""
    with FaultyServer() as server, make() as session:
        half_read(session, server.url("/drip"))
        (pool,) = session.get_adapter(server.url()).poolmanager.pools._container.values()
        lock = pool.pool.mutex = Collecting(pool.pool.mutex)
        for condition in (pool.pool.not_empty, pool.pool.not_full):
            condition._lock, condition.acquire, condition.release = lock, lock.acquire, lock.release
        lock.armed = True
        assert session.get(server.url("/ok")).ok
        assert not lock.armed
        assert bool(lock.would_hang) == (make is requests.Session)


def test_a_connection_that_is_put_back_while_another_waits_is_not_missed():
    """Wherever the collector puts one back in the midst of a wait, the waiter sees it."""
    with FaultyServer() as server:
        session = attach(requests.Session())
        for adapter in session.adapters.values():
            adapter.init_poolmanager(1, 1, block=True)
        with session:
            session.get(server.url("/ok"))
            (pool,) = session.get_adapter(server.url()).poolmanager.pools._container.values()
            idle = pool.pool
            connection = idle.get()

            class Late(type(idle._gates)):
                """Gives the connection back just after the waiter has registered, or has looked in vain."""

                given = 0

                def append(self, gate):
                    if not self.given:
                        self.given = 1
                        idle.put(connection, block=False)
                    super().append(gate)

            idle._gates = Late()
            assert call(Scope(), idle.get).result(PATIENCE) is connection
            idle.put(connection)


def test_who_is_told_and_leaves_tells_another():
    """A waiter whose scope ends just when it is told of a connection leaves it to the next."""
    idle = attach(requests.Session()).get_adapter("http://a").poolmanager.connection_from_url("http://a").pool
    while not idle.empty():
        idle.get(block=False)
    scope = Scope()
    gates = idle._gates
    leaving = call(scope, idle.get)
    until(lambda: len(gates) == 1)
    patient = call(Scope(), idle.get)
    until(lambda: len(gates) == 2)
    with idle.mutex:  # neither can look meanwhile
        scope.cancel()
        idle.put("connection", block=False)
    with pytest.raises(queue.Empty):
        leaving.result(PATIENCE)
    assert patient.result(PATIENCE) == "connection"
