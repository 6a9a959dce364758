"""Calls that do at each attempt what is written for it, and waits until they back off."""

import threading
from contextlib import contextmanager

import tenacity

from support.controlled import until
from threadfan import Fan
from threadfan._core.base import clock as clocks
from threadfan.testing import Probe


class Overload(Exception):
    """What a client raises for an answer that says "too many"."""

    def __init__(self, retry_after=None, status=429):
        super().__init__(status)
        self.status_code = status
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        self.response = type("Response", (), {"status_code": status, "headers": headers})()


class Script:
    """A function whose attempts for one item go through the same steps; the last step is repeated.

    A step that is an exception is raised, one that is a function is called with the item, and another is returned.
    """

    def __init__(self, *steps):
        self.steps = steps
        self.starts = []  # (moment, item), in order of start
        self._lock = threading.Lock()

    def __call__(self, item=0):
        """Make the next attempt for this item."""
        with self._lock:
            number = self.attempts(item)
            self.starts.append((clocks.current().monotonic(), item))
        step = self.steps[min(number, len(self.steps) - 1)]
        if isinstance(step, BaseException):
            raise step
        return step(item) if callable(step) else step

    def attempts(self, item=0):
        """How many attempts have started for the item."""
        return sum(started == item for _, started in self.starts)

    def moments(self, item=0):
        """When they started."""
        return [moment for moment, started in self.starts if started == item]


def every(seconds, attempts=3, **options):
    """A policy that makes so many attempts, so many seconds apart, and leaves the last error as it is."""
    return tenacity.Retrying(
        wait=tenacity.wait_fixed(seconds), stop=tenacity.stop_after_attempt(attempts), reraise=True, **options
    )


def at_once(attempts):
    """A policy that makes so many attempts, one right after another, and leaves the last error as it is."""
    return tenacity.Retrying(stop=tenacity.stop_after_attempt(attempts), reraise=True)


def rests(fan):
    """Whether nothing of it runs, or is about to: the time that a call reads is not that of a later one."""
    figures = fan.snapshot()
    return figures["running"] == 0 == figures["queued"]


def backing_off(fan, clock, count=1, due=float("inf")):
    """Wait until so many calls back off or wait for a limit, and the one that is due at ``due`` would be woken."""
    until(lambda: fan.snapshot()["waiting"] == count and fan.snapshot()["running"] == 0)
    clock.wait_for_sleepers(until=due)


@contextmanager
def opened(*args, **options):
    """A fan, closed at the end; after a failure of the test it does not wait for what backs off for ever."""
    with Fan(*args, **options) as fan:
        try:
            yield fan
        except BaseException:
            Probe(fan).interrupt()
            raise
