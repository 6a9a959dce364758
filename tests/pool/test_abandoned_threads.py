"""Threads that are stuck in calls that are over: replaced up to a cap, and named at the end."""

import re
import threading
import warnings

import pytest

from support.controlled import PATIENCE, Gate, aside, meet, until, within_patience
from threadfan import Fan, TaskTimeout


def close_and_list_warnings(fan):
    """Leave the fan; gives what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        within_patience(fan.shutdown)
    return [str(warning.message) for warning in caught]


def review(gate):
    """A call with a name to look for."""
    gate()


@pytest.mark.parametrize("way", ["submit", "run"])
def test_stuck_threads_are_named_at_close(clock, way):
    """The warning says which function, for how long, and where it stands."""
    fan = Fan(1, timeout=2, name="legal")
    with Gate() as gate:
        result = fan.submit(review, gate) if way == "submit" else aside(fan.run, review, [gate])
        gate.wait_for(1)
        clock.wait_for_sleepers(until=2)
        clock.advance(2)
        result.exception(PATIENCE)
        clock.advance(40)
        (message,) = close_and_list_warnings(fan)
    assert re.search(r"^legal: .* stuck in review, 42\.0 s .* at .*controlled\.py:\d+; .*clients\.threading$", message)


def test_thread_that_came_back_is_not_named(clock):
    """A late thread is a thread again: nothing is said of it at close."""
    fan = Fan(1, timeout=2)
    with Gate() as gate:
        future = fan.submit(review, gate)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=2)
        clock.advance(2)
        future.exception(PATIENCE)
    until(lambda: fan.snapshot()["abandoned"] == 0)
    assert close_and_list_warnings(fan) == []


def test_cap_on_abandoned_threads(clock, recwarn):
    """At the cap outcomes are still final at once, slots come back only with their threads, and one warning says so."""
    with Gate() as gate, Fan(2, timeout=1, max_abandoned=3) as fan:
        futures = [fan.submit(gate, number) for number in range(8)]
        for second, started in enumerate((2, 4, 5), start=1):  # the third slot to be lost is the last to be replaced
            gate.wait_for(started)
            clock.wait_for_sleepers(until=second)
            clock.advance(1)
            for number in range(started):
                assert isinstance(futures[number].exception(PATIENCE), TaskTimeout)
        assert fan.snapshot()["abandoned"] == 3
        assert not any(future.done() for future in futures[5:])
        assert sorted(gate.started) == list(range(5))
        gate.open()
        assert [future.result(PATIENCE) for future in futures[5:]] == [5, 6, 7]
        meet(fan, 2)
    (message,) = [str(warning.message) for warning in recwarn if "max_abandoned" in str(warning.message)]
    assert "(3)" in message


@pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")
def test_ten_thousand_hung_calls():
    """All that start are over at their timeout, the cap holds, and everything ends once the calls do."""
    go = threading.Event()
    with Fan(8, timeout=0.01, max_abandoned=16) as fan:
        report = aside(fan.run, lambda item: go.wait(60), range(10_000))
        until(lambda: fan.snapshot()["abandoned"] == 16 and fan.snapshot()["failed"] == 24)
        assert len(fan._threads) == 8
        assert not report.done()
        go.set()
        report = report.result(60)
        meet(fan.with_options(timeout=None), 8)
    assert report.stats.timed_out >= 24
    assert report.stats.timed_out + report.stats.succeeded == 10_000


def test_call_that_is_over_may_still_wait_for_calls(clock):
    """One that has timed out, at the cap, and then waits for a call of its own does not keep the last slot for ever."""
    warnings.simplefilter("ignore")
    with Gate() as gate, Gate() as hold, Fan(1, timeout=1, max_abandoned=1) as fan:

        def outer():
            gate()
            return fan.submit(abs, -1).result()

        first = fan.submit(hold)
        hold.wait_for(1)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        first.exception(PATIENCE)
        second = fan.submit(outer)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=2)
        clock.advance(1)
        second.exception(PATIENCE)
        gate.open()
        try:
            assert fan.submit(abs, -3).result(PATIENCE) == 3
        finally:
            hold.open()
