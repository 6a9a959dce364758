"""Time and waiting."""

import sys
from queue import Empty, SimpleQueue

import pytest

from support.controlled import within_patience
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


class Unlucky:
    """A gate as that of CPython 3.12, at which every thread loses the processor for longer than it wanted to wait.

    It does so after it has taken the queue's lock and before it counts how long it may still wait.
    """

    def __init__(self):
        self.lock_taken = False

    def get(self, block=True, timeout=None):
        """Nothing is ever put in."""
        if not self.lock_taken:
            self.lock_taken = True
            if block and timeout is not None:
                raise AssertionError("it would wait for ever")
        raise Empty


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="since 3.13 no time left means no waiting to a queue")
@pytest.mark.parametrize("seconds", [0.001, 1.0])
def test_who_is_kept_from_running_does_not_wait_for_ever(seconds):
    """A wait whose time is over before it has begun, as on a machine with much to do, ends all the same."""
    gate = Unlucky()
    with clocks.Asleep(gate) as asleep:
        assert asleep.receive(seconds) is clocks.NOTHING
    with pytest.raises(Empty):
        clocks.take_within(Unlucky(), seconds)


def test_thousands_of_the_shortest_waits_end():
    """Some of them lose the processor at the worst moment; gates are new, or have been opened before."""

    def waits():
        for number in range(3_000):
            gate = SimpleQueue()
            if number % 2:
                gate.put(None)
                assert clocks.Clock().wait(gate)
            assert not clocks.Clock().wait(gate, 1e-6)

    within_patience(waits)


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
