"""Calls of which half are cancelled at random moments: the others never notice, and nothing is left.

``THREADFAN_HAMMER=10`` in the environment makes it ten times as many.
"""

import gc
import os
import random
import threading
import time

import pytest

from support.controlled import PATIENCE, until
from support.faulty_server import BODY, FaultyServer
from support.requests_sessions import session_for
from threadfan import CallCancelled, Fan, TaskTimeout, current_scope, move_on_after

CALLS = int(2_000 * float(os.environ.get("THREADFAN_HAMMER", "1")))
SLOTS = 8


class Snipers:
    """Threads that cancel the scopes they are handed, a random moment later."""

    def __init__(self, reach):
        self._reach = reach
        self._targets = []
        self._changed = threading.Condition()
        self._over = False

    def aim(self, scope):
        """Cancel this scope soon."""
        with self._changed:
            self._targets.append(scope)
            self._changed.notify()

    def _shoot(self, seed):
        generator = random.Random(seed)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._targets or self._over)
                if not self._targets:
                    return
                scope = self._targets.pop()
            time.sleep(generator.random() * self._reach)  # the moment is what varies, nothing waits for it
            scope.cancel()

    def __enter__(self):
        self._threads = [threading.Thread(target=self._shoot, args=(seed,)) for seed in range(4)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info):
        with self._changed:
            self._over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(PATIENCE)


@pytest.fixture(params=["plain", "tls"])
def server(request):
    """A server of both kinds."""
    with FaultyServer(tls=request.param == "tls") as server:
        yield server


PATHS = ["/ok", "/ok", "/ok", "/close", "/redirect/1", "/status/503"]


def ask(session, server, generator):
    """One healthy call, in one of several ways; checks that the answer is whole."""
    url = server.url(generator.choice(PATHS))
    if generator.random() < 0.5:
        assert session.post(url, data=b"x" * 100).content == BODY
    else:
        with session.get(url, stream=True) as response:
            assert b"".join(response.iter_content(5)) == BODY


def expect_nothing_left(server):
    """All connections are closed; those that were idle in a closed session are when their pool is collected."""
    gc.collect()
    server.wait_until_closed()


@pytest.mark.timeout(60 * max(1, CALLS // 2000))
def test_cancels_from_another_thread(server):
    """No call that is not cancelled fails, and what was cancelled is either whole or `CallCancelled`."""

    def call(number):
        generator = random.Random(number)
        doomed = number % 2
        try:
            if not doomed:
                ask(session, server, generator)
                return "ok"
            with move_on_after(PATIENCE) as block:
                snipers.aim(block)
                while True:  # it is shot while it asks, or between two questions
                    ask(session, server, generator)
        except CallCancelled:
            return "cancelled beyond its block"
        return "cancelled" if block.cancelled_caught else "ended by itself"

    with session_for(server) as session, Snipers(0.01) as snipers, Fan(SLOTS) as fan:
        values = fan.run(call, range(CALLS)).unwrap()
    assert values == ["ok", "cancelled"] * (CALLS // 2)
    expect_nothing_left(server)


@pytest.mark.timeout(60 * max(1, CALLS // 2000))
def test_timeouts_of_the_fan(server):
    """A call ends by the fan's timeout or it succeeds: nothing else, however tight the time is."""

    def call(number):
        ask(session, server, random.Random(number))
        return current_scope().cancelled

    with session_for(server) as session, Fan(SLOTS) as fan:
        hurried = [fan.with_options(timeout=seconds) for seconds in (0.005, 0.01, 0.02, 0.04, 0.1)]
        reports = [view.run(call, range(CALLS // 10)) for one in hurried for view in (one, fan)]
        until(lambda: fan.snapshot()["abandoned"] == 0)
    for report in reports[::2]:
        assert {type(outcome.error) for outcome in report.failed} <= {TaskTimeout}
    for report in reports[1::2]:
        assert not any(report.unwrap())
    expect_nothing_left(server)
