"""Answers that ask to wait for a long time, of which the user is told once."""

from __future__ import annotations

from ..base.clock import FOREVER
from ..events import log
from ..policies.retry_after import LONG, LONGEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..pool.scheduler import Scheduler


class LongWaits:
    """Of the calls of one queue.  Guarded by the scheduler's lock."""

    __slots__ = ("_scheduler", "_until")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._until = -FOREVER  # when the longest wait is over that has been said

    def told(self, function: str, seconds: float) -> None:
        """An answer to a call of a function asks to wait so long.  In a worker, without the lock."""
        if seconds < LONG:
            return
        until = self._scheduler.clock.monotonic() + seconds
        with self._scheduler.lock:
            news = until > self._until + LONG
            self._until = max(until, self._until)
        if news:
            log.told_to_wait(self._scheduler.name, function, seconds, LONGEST)
