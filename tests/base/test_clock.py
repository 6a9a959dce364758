"""Time and waiting."""

from queue import SimpleQueue

import pytest

from threadfan import Fan
from threadfan._core.base import clock as clocks


def test_an_open_gate_is_passed_at_once():
    """An opening that came before the wait is not lost."""
    gate = SimpleQueue()
    gate.put(None)
    assert clocks.Clock().wait(gate)


@pytest.mark.parametrize("seconds", [-5.0, 0.0])
def test_no_time_means_no_waiting(seconds):
    """A moment that has passed already is no error, only a closed gate."""
    assert not clocks.Clock().wait(SimpleQueue(), seconds)


@pytest.mark.parametrize("seconds", [float("inf"), 1e300])
def test_the_longest_wait_is_no_error(seconds):
    """A timeout beyond what the platform can count is waited for as long as it can."""
    gate = SimpleQueue()
    gate.put(None)
    assert clocks.Clock().wait(gate, seconds)


def test_fans_live_by_the_clock_installed_when_they_were_made():
    """A test's clock reaches the fans made under it, and is put back."""

    class Stopped(clocks.Clock):
        @staticmethod
        def monotonic():
            return 7.0

    previous = clocks.install(Stopped())
    try:
        with Fan(1) as fan:
            report = fan.run(str, [1])
    finally:
        clocks.install(previous)
    assert (report[0].waited_slot, report[0].duration, report.stats.wall) == (0.0, 0.0, 0.0)
    assert clocks.current() is previous
