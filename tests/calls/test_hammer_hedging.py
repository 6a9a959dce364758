"""Thousands of hedged calls that end in every way at random moments: each has one outcome, and nothing is left over."""

import random
import threading
import time

import pytest
import tenacity

from support.controlled import PATIENCE, until
from threadfan import CallCancelled, Fan, Hedge, RateLimit, sleep
from threadfan.testing import Probe

CALLS = 1500
pytestmark = pytest.mark.usefixtures("eager_switching")


class Chance:
    """A function that takes long, fails, or heeds its cancel, as chance has it; it counts its starts."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.starts = 0

    def __call__(self, item):
        """One attempt."""
        with self._lock:
            self.starts += 1
            long, deaf, fail, cancel = (self._random.random() for _ in range(4))
        if long < 0.3:
            (time.sleep if deaf < 0.3 else sleep)(0.001 + 0.01 * long)
        if fail < 0.15:
            raise ConnectionError(item)
        if cancel < 0.02:
            raise CallCancelled
        return item


class Watch:
    """A thread that looks at a fan's figures all the time."""

    def __init__(self, fan, calls):
        self._fan, self._calls = fan, calls
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.impossible = []

    def _run(self):
        while not self._over.is_set():
            seen = self._fan.snapshot()
            if min(seen.values()) < 0 or seen["done"] > self._calls or seen["failed"] > self._calls:
                self.impossible.append(seen)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._over.set()
        self._thread.join()


def left_nothing(fan, calls, limit=None):
    """Every slot is free, no attempt is anywhere, and all calls count as done."""
    probe = Probe(fan)
    until(lambda: probe.free_slots == probe.slots and not probe.stuck and not probe.at_work)
    seen = fan.snapshot()
    assert (seen["done"], seen["queued"], seen["running"], seen["waiting"]) == (calls, 0, 0, 0)
    assert sum(queue.extra_attempts for queue in probe.queues) == 0
    assert limit is None or limit.in_flight == 0


RESULTS = tenacity.Retrying(
    retry=tenacity.retry_if_result(lambda value: value % 3 == 0) | tenacity.retry_if_exception_type(ConnectionError),
    stop=tenacity.stop_after_attempt(3),
)


@pytest.mark.parametrize(
    ("retry", "timeout", "limited"),
    [(None, None, False), (2, None, False), (None, 0.004, True), (2, 0.004, True), (RESULTS, None, True)],
    ids=["plain", "retried", "limited", "all", "results are judged"],
)
def test_exactly_one_outcome_each(retry, timeout, limited):
    """The figures agree at every moment, and the budget is kept to the last attempt."""
    hedge, fn = Hedge(after=0.002, budget=0.3), Chance(1)
    limit = RateLimit(6_000_000, burst=100) if limited else None
    with Fan(6, hedge=hedge, retry=retry, timeout=timeout, rate=limit) as fan, Watch(fan, CALLS) as watch:
        outcomes = list(fan.stream(fn, range(CALLS)))
        assert sorted(outcome.index for outcome in outcomes) == list(range(CALLS))
        assert all(outcome.value == outcome.item for outcome in outcomes if outcome.ok)
        left_nothing(fan, CALLS, limit)
    assert watch.impossible[:3] == []
    assert hedge.calls == CALLS
    assert 0 < hedge.extra <= 0.3 * CALLS
    if retry is None:
        # An attempt that was ended before it was begun is in the budget no more; one that has begun is in it.
        assert fn.starts <= CALLS + hedge.extra


def test_cancelled_at_random():
    """Futures that are cancelled in every state end all the same."""
    hedge, fn, chance = Hedge(after=0.002, budget=0.5), Chance(2), random.Random(3)
    with Fan(6, hedge=hedge, retry=1) as fan, Watch(fan, CALLS) as watch:
        futures = []
        for item in range(CALLS):
            futures.append(fan.submit(fn, item))
            if item % 2:
                time.sleep(0.001 * chance.random())
                futures[chance.randrange(max(0, item - 12), item + 1)].cancel()
        for future in futures:
            if not future.cancelled():
                future.exception(PATIENCE)
        probe = Probe(fan)
        until(lambda: probe.free_slots == probe.slots and not probe.stuck and not probe.at_work)
        assert sum(queue.extra_attempts for queue in probe.queues) == 0
    assert watch.impossible[:3] == []
    assert hedge.extra <= 0.5 * CALLS
