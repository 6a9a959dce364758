"""Time that moves when told, for tests of deadlines."""

import pytest

from threadfan._core.base import clock as clocks


class ManualClock(clocks.Clock):
    """Stands still until told to move.  Whoever waits for a moment looks again every hundredth of a real second."""

    now = 0.0

    def monotonic(self):
        """Seconds, as told."""
        return self.now

    def wait(self, gate, timeout=None):
        """Wait for the gate; a wake-up for nothing counts as one, as waiters have to bear."""
        if timeout is None or timeout <= 0:
            return super().wait(gate, timeout)
        super().wait(gate, 0.01)
        return True

    def advance(self, seconds):
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def clock():
    """The clock of all fans made in the test."""
    manual = ManualClock()
    previous = clocks.install(manual)
    yield manual
    clocks.install(previous)
