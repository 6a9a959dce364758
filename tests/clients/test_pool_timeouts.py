"""How long a call waits for a connection when all are taken: as long as the plain client's would."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from support.controlled import PATIENCE, until
from support.scoped import call
from threadfan import Scope
from threadfan.clients.httpx import attach


def client_of(library, seconds):
    """A client with one connection, for which its calls wait so long."""
    timeout = library.Timeout(60, pool=seconds)
    return library.Client(limits=library.Limits(max_connections=1), timeout=timeout, trust_env=False)


def opened(client, url):
    """A response that is open, and so has the connection."""
    return client.send(client.build_request("GET", url), stream=True)


def test_whom_a_connection_that_comes_back_wakes_in_the_plain_client(library, server, monkeypatch):
    """With httpcore it is all who wait, and those who do not get it wait anew; with httpcore2 it is one of them."""
    pools = importlib.import_module(library.__name__.replace("httpx", "httpcore") + "._sync.connection_pool")
    waits, woken = [], []

    class Watched(pools.Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            super().wait(timeout)

        def set(self):
            woken.append(self)
            super().set()

    monkeypatch.setattr(pools, "Event", Watched)
    with client_of(library, PATIENCE) as client, ThreadPoolExecutor(2) as pool:
        first = opened(client, server.url())
        woken.clear()
        calls = [pool.submit(client.get, server.url()) for _ in range(2)]
        until(lambda: len(waits) == 2)
        first.read()
        assert len(woken) == (2 if library.__name__ == "httpx" else 1)
        assert [each.result(PATIENCE).status_code for each in calls] == [200, 200]


def test_the_time_to_wait_counts_as_in_the_plain_client(library, server, clock):
    """With httpcore it begins anew whenever a connection is given back; with httpcore2 it does not."""
    with attach(client_of(library, 2)) as client, ExitStack() as responses:
        first = opened(client, server.url())
        second = call(Scope(), opened, client, server.url())
        clock.wait_for_sleepers(until=2)
        third = call(Scope(), opened, client, server.url())
        clock.wait_for_sleepers(2, until=2)
        clock.advance(1.5)
        first.close()
        responses.callback(second.result(PATIENCE).close)
        clock.advance(1.5)
        if library.__name__ == "httpx":
            clock.wait_for_sleepers(until=3.5)
            assert not third.done()
            clock.advance(0.5)
        with pytest.raises(library.PoolTimeout):
            third.result(PATIENCE)


def test_who_waits_on_gets_the_connection(library, server, clock):
    """A call that has waited longer than its timeout in all, since connections came back, is answered."""
    with attach(client_of(library, 2)) as client:
        held, done = opened(client, server.url()), []
        waiting = [call(Scope(), opened, client, server.url())]
        clock.wait_for_sleepers(until=2)
        waiting.append(call(Scope(), opened, client, server.url()))
        clock.wait_for_sleepers(2, until=2)
        for each in waiting if library.__name__ == "httpx" else waiting[:1]:
            clock.advance(1.5)
            held.close()
            held = each.result(PATIENCE)
            done.append(held.status_code)
        held.close()
        assert set(done) == {200}
        assert waiting[1].result(PATIENCE).status_code == 200
        waiting[1].result().close()
