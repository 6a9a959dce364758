"""The end of the time that a closed fan has for what it was handed: ``shutdown(timeout=…)``.

Guarantee: from that moment on nothing of the fan's goes on but threads that are stuck.  What a thread was just about to
start then, or what follows from a call, is found by the next look; there is one after another until nothing is left.
"""

from __future__ import annotations

from ..base.clock import FOREVER
from ..base.errors import FanClosed
from ..scope.alarms import set_alarm
from .work_queue import GRACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .scheduler import Scheduler
    from .work_queue import Actions


def bound(scheduler: Scheduler, seconds: float) -> None:
    """Give a scheduler that was closed so many seconds."""
    due = scheduler.clock.monotonic() + seconds
    if due < FOREVER:
        _Expiry(scheduler, f"the fan was shut down with timeout={seconds:g}, which is over").plan(due)


class _Expiry:
    """One such end; a gate too, which is opened when nothing is left to do, and then nothing is due any more."""

    __slots__ = ("_scheduler", "_take_back", "_why")

    def __init__(self, scheduler: Scheduler, why: str) -> None:
        self._scheduler = scheduler
        self._why = why
        self._take_back: Callable[[], None] | None = None

    def plan(self, due: float) -> None:
        """Begin."""
        scheduler = self._scheduler
        with scheduler.lock:
            if not scheduler.dismissed:
                scheduler.quiet_gates.append(self)
                self._set(due)

    def put(self, _: None, /) -> None:
        """Nothing is left to do."""
        take_back, self._take_back = self._take_back, None
        if take_back is not None:
            take_back()

    def _set(self, due: float) -> None:
        self._take_back = set_alarm(self._scheduler.clock, due, self._look, quick=True)

    def _look(self) -> None:
        """Cancel whatever is there, and look again."""
        with self._scheduler.timer.looking:  # whoever closes the fan waits until all of this is done
            self._cancel()

    def _cancel(self) -> None:
        scheduler = self._scheduler
        after: Actions = []
        with scheduler.lock:
            if scheduler.dismissed:
                return
            if scheduler.decisions.torn:
                scheduler.mend(after)
            for queue in list(scheduler.queues):
                queue.discard(FanClosed(self._why), after)
            scheduler.timer.cancel_running(list(scheduler.at_work), self._why, after)
            scheduler.dismiss_if_quiet(after)
            if not scheduler.dismissed:
                self._set(scheduler.clock.monotonic() + GRACE)
        scheduler.perform(after)
