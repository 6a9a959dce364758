"""Starts of workers that the system refuses.

Guarantees: calls run on the threads there are; a start that was refused is tried again while calls wait for it, each
time after a longer pause, by the deadline timer; one warning says so.  Calls fail only if for ``PATIENCE`` seconds
nothing of the fan has run that could ever make room for them: then, if calls wait for calls of their own, those that
the deepest of them wait for, so that the others find threads.
"""

from __future__ import annotations

from concurrent.futures._base import LOGGER
from functools import partial

from ..base import last
from ..base.clock import FOREVER
from ..base.errors import ThreadsExhausted
from ..base.logs import WARNING, say
from ..base.threads import Refusals, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .scheduler import Scheduler
    from .work_queue import Actions

PATIENCE = 3.0
"""Seconds.  Arbitrary: longer than the threads of others come in bursts, short enough to be waited for."""


class Starts:
    """Of one scheduler.

    Guarded by ``scheduler.lock``: everything; methods but ``warn`` are called with the lock held.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._refusals = Refusals()
        self._stalled: float | None = None  # since when nothing runs that could make room
        self._warned = False

    @property
    def failing(self) -> bool:
        """Whether the last start was refused."""
        return self._refusals.error is not None

    def allowed(self, after: Actions) -> bool:
        """Whether a start may be tried now; else the deadline timer will try."""
        if self._refusals.error is None or self._scheduler.clock.monotonic() >= self._refusals.again:
            return True
        self._scheduler.timer.mind(self._refusals.again, after)
        return False

    def granted(self) -> None:
        """A thread was started."""
        self._refusals.granted()
        self._stalled = None

    def refused(self, error: Exception, after: Actions) -> None:
        """The system has given no thread."""
        scheduler, now = self._scheduler, self._scheduler.clock.monotonic()
        self._refusals.refused(error, now)
        self._note_stall(now)
        if self._stalled is not None and last.exiting():  # at the interpreter's end there will never be one
            self._give_up(after)
            return
        scheduler.timer.mind(self._refusals.again, after)
        after.append(partial(self.warn, error))

    def look(self, now: float, after: Actions) -> float:
        """Try again if it is time to; when to look next."""
        scheduler = self._scheduler
        if self._refusals.error is None or scheduler.waking or scheduler.free <= 0 or not scheduler.has_work():
            return FOREVER
        if now < self._refusals.again:
            return self._refusals.again
        self._note_stall(now)
        if self._stalled is not None and now - self._stalled >= PATIENCE:
            self._give_up(after)
        scheduler.grant_if_needed(after)
        return FOREVER  # a start that is refused plans the next look

    def warn(self, error: Exception) -> None:
        """Say so, once for each fan.  Without the lock."""
        if self._warned or last.exiting():  # at the interpreter's end that is how it is
            return
        self._warned = True
        threads = len(self._scheduler.threads)
        say(LOGGER, WARNING, refusal(error, f"{self._scheduler.name} goes on with {threads}, and tries again"))

    def _note_stall(self, now: float) -> None:
        """Whether every call that runs waits for others, and no worker is on its way."""
        scheduler = self._scheduler
        if scheduler.waking or scheduler.idle or any(session.loan is None for session in scheduler.draining):
            self._stalled = None
        elif self._stalled is None:
            self._stalled = now

    def _give_up(self, after: Actions) -> None:
        """End what waits for a thread: all, or what the deepest call waits for, whose thread then goes on."""
        scheduler, error = self._scheduler, self._refusals.error
        self._stalled = None
        waiting = [queue for ring in scheduler.rings.values() for queue in ring if queue.ready()]
        deepest = max((queue.depth for queue in waiting), default=0)
        failing = [queue for queue in waiting if queue.depth == deepest][:1] if scheduler.draining else waiting
        reason = ThreadsExhausted(
            f"no thread could be started for this call ({error}), and none of the {len(scheduler.threads)} there are "
            f"would become free: allow the process more threads (ulimit -u, a container's limit of pids, memory for "
            f"their stacks), or have fewer calls wait for calls of their own (max_workers=…)"
        )
        for queue in failing:
            queue.discard(reason, after)
