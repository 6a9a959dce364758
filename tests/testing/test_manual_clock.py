"""Time that only a test moves, and fans that live by it."""

import math
import threading
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Fan, TaskTimeout
from threadfan._core.base import clock as clocks
from threadfan.testing import ManualClock


def test_time_stands_still_until_it_is_moved():
    """The clock says what it was set to, and later by as much as it was advanced."""
    clock = ManualClock(start=100)
    assert clock.monotonic() == 100
    clock.advance(2.5)
    assert clock.monotonic() == 102.5


def test_time_does_not_go_back():
    """A step back is refused with the number that was wrong."""
    with pytest.raises(ValueError, match="at least 0, not -1"):
        ManualClock().advance(-1)


def test_block_gives_the_old_clock_back():
    """Fans made after the block live by real time again."""
    before = clocks.current()
    with ManualClock() as clock:
        assert clocks.current() is clock
    assert clocks.current() is before


def test_opening_ends_a_wait():
    """A gate that is opened says True, however it falls with the timeout, and without one."""
    clock, gate = ManualClock(), SimpleQueue()
    for timeout in (None, 5, 0, -1):
        gate.put(None)
        assert clock.wait(gate, timeout)


def test_wait_that_is_over_at_once():
    """A gate that is closed says False to whoever has no time."""
    clock = ManualClock()
    assert not clock.wait(SimpleQueue(), 0)
    assert not clock.wait(SimpleQueue(), -3)


def test_a_moment_is_not_put_off_by_who_comes_late():
    """Whoever waits until a moment that has passed meanwhile does not wait."""
    clock, gate = ManualClock(), SimpleQueue()
    moment = clock.monotonic() + 5
    clock.advance(5)
    assert not clock.wait_until(gate, moment)
    gate.put(None)
    assert clock.wait_until(gate)


def test_advance_wakes_those_whose_time_has_come():
    """Of two threads that wait, only the one whose deadline is reached comes back, and it says False."""
    clock, early, late = ManualClock(), SimpleQueue(), SimpleQueue()
    first, second = aside(clock.wait, early, 1), aside(clock.wait, late, 2)
    clock.wait_for_sleepers(2, until=2)
    clock.advance(1)
    assert first.result(PATIENCE) is False
    clock.wait_for_sleepers(1, until=2)
    assert not second.done()
    clock.advance(1)
    assert second.result(PATIENCE) is False


def test_end_of_one_wait_says_nothing_to_the_next():
    """When a gate is opened as its time runs out, the next wait there still waits."""
    clock, gate = ManualClock(), SimpleQueue()
    waiting = aside(clock.wait, gate, 1)
    clock.wait_for_sleepers()
    with clock._changed:  # both come before the waiter can look
        clock.advance(1)
        gate.put(None)
    waiting.result(PATIENCE)
    gate.put(None)
    assert clock.wait(gate, math.inf)


def test_sleepers_that_are_missing_are_named(monkeypatch):
    """A test that waits for sleepers in vain learns who sleeps until when."""
    monkeypatch.setattr("threadfan.testing.clock._PATIENCE", 0)
    clock, gate = ManualClock(), SimpleQueue()
    waiting = aside(clock.wait, gate, 7)
    with pytest.raises(TimeoutError, match="0 threads sleep until 3 or less"):
        clock.wait_for_sleepers(until=3)
    gate.put(None)
    assert waiting.result(PATIENCE)


def test_many_threads_and_many_steps(eager_switching):
    """Threads that wait a second at a time all see every second."""
    clock, threads, steps = ManualClock(), 8, 100

    def count():
        return [clock.wait(SimpleQueue(), 1) for _ in range(steps)]

    results = [aside(count) for _ in range(threads)]
    for step in range(steps):
        clock.wait_for_sleepers(threads, until=step + 1)
        clock.advance(1)
    for result in results:
        assert result.result(PATIENCE) == [False] * steps


def test_a_fan_lives_by_the_clock_it_was_made_under():
    """Its timeouts come when the clock says so, and its figures are the clock's."""
    with ManualClock() as clock, Gate() as gate, Fan(1, timeout=30) as fan:
        future = fan.submit(gate)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=30)
        clock.advance(29)
        assert not future.done()
        clock.wait_for_sleepers(until=30)
        clock.advance(1)
        with pytest.raises(TaskTimeout):
            future.result(PATIENCE)
        gate.open()
        until(lambda: fan.snapshot()["abandoned"] == 0)  # the late thread is back
        fan.submit(threading.get_ident).result(PATIENCE)
