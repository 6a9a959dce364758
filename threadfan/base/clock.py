"""Time: the only place that reads it or waits for it.

Everything that waits does so through ``Clock.wait`` on a *gate*, a ``queue.SimpleQueue`` used as a signal.  A gate
can be opened from any thread, from a signal handler and from a garbage-collection callback, more often than it is
waited for, and an opening is never lost.
"""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue

FOREVER = float("inf")
PULSE = 0.5  # seconds between looks of a main thread that waits; arbitrary: what a Ctrl-C may take at worst

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Gate = SimpleQueue[Any]


class Clock:
    """Real time."""

    monotonic = staticmethod(time.monotonic)
    """Seconds since some fixed moment; never goes back."""

    def wait(self, gate: Gate, timeout: float | None = None) -> bool:
        """Wait until ``gate`` is opened, at most ``timeout`` seconds; say whether it was."""
        if timeout is None and threading.current_thread() is threading.main_thread():
            while not self._wait(gate, PULSE):  # a signal that comes just before the wait does not interrupt it
                pass
            return True
        return self._wait(gate, None if timeout is None else min(max(timeout, 0.0), threading.TIMEOUT_MAX))

    def _wait(self, gate: Gate, timeout: float | None) -> bool:
        try:
            gate.get(timeout=timeout)
        except Empty:
            return False
        return True


_current = Clock()


def current() -> Clock:
    """The clock that fans made now will live by."""
    return _current


def install(clock: Clock) -> Clock:
    """Let fans made from now on live by ``clock``; gives back the clock it replaces (for tests)."""
    global _current
    previous, _current = _current, clock
    return previous
