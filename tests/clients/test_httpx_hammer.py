"""A race hammer: calls that are cancelled at random moments do no harm to those that are not."""

import heapq
import importlib
import os
import random
import ssl
import threading
import time

import pytest

from support.controlled import PATIENCE
from support.faulty_server import FaultyServer
from support.scope_ends import LIBRARIES
from threadfan import CallCancelled, Fan, Scope
from threadfan._core.scope.scope import scope_var
from threadfan.clients.httpx import attach

CALLS = int(2000 * float(os.environ.get("THREADFAN_HAMMER", "1")))
SLOTS = 8
LONGEST = 0.004  # seconds; about what a call takes here, so that cancels come at every stage of one


class Canceller:
    """Cancels scopes at given moments, from a thread of its own."""

    def __init__(self):
        self._changed = threading.Condition()  # guards the two below
        self._agenda = []
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="canceller")

    def cancel_after(self, seconds, scope):
        """Have a scope cancelled."""
        with self._changed:
            heapq.heappush(self._agenda, (time.monotonic() + seconds, id(scope), scope))
            self._changed.notify_all()

    def _run(self):
        while True:
            with self._changed:
                if self._ended:
                    return
                left = self._agenda[0][0] - time.monotonic() if self._agenda else PATIENCE
                if left > 0:
                    self._changed.wait(left)
                    continue
                scope = heapq.heappop(self._agenda)[2]
            scope.cancel()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(PATIENCE)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("name", LIBRARIES)
def test_no_cancel_reaches_the_call_of_another(name, tls, eager_switching):
    """Half of the calls are cancelled somewhere between connect and return; every other one succeeds."""
    library = importlib.import_module(name)
    ends = []

    def call(index):
        dice = random.Random(index)
        scope, doomed = Scope(), dice.random() < 0.5
        token = scope_var.set(scope)
        try:
            if doomed:
                canceller.cancel_after(dice.random() * LONGEST, scope)
            path = dice.choice(["/ok", "/ok", "/drip", "/hang", "/stall"]) if doomed else "/ok"
            ends.append(client.get(server.url(path)).json() == {"ok": True})
        except CallCancelled:
            assert doomed, "a call was ended that nobody cancelled"
            ends.append(None)
        finally:
            scope_var.reset(token)

    with FaultyServer(tls=tls) as server, Canceller() as canceller:
        trusted = ssl.create_default_context(cafile=server.ca_file) if tls else True
        limits = library.Limits(max_connections=SLOTS - 2)  # some calls have to wait for one
        with attach(library.Client(verify=trusted, trust_env=False, timeout=60, limits=limits)) as client:
            with Fan(SLOTS) as fan:
                fan.run(call, range(CALLS)).unwrap()
            assert len(ends) == CALLS
            assert False not in ends
            assert 0 < ends.count(None) < CALLS
            assert client._transport._semaphore._free == SLOTS - 2
            for _ in range(100):
                assert client.get(server.url("/ok")).json() == {"ok": True}
        server.wait_until_closed()
