"""Ending calls that do nothing: ``idle_timeout=``.

What a call does is told by its scope: ``touch`` notes the moment, which attached clients call when bytes have come.  An
alarm looks when the time could be up, and sets another one if there was a touch meanwhile; so a touch costs next to
nothing, and there is one alarm for each call however much it reads.

Guarantee: a call is ended so only while its own attempt runs, and as by its timeout; it may be tried again.
"""

from __future__ import annotations

from functools import update_wrapper

from ..base.clock import FOREVER
from ..base.errors import TaskTimeout
from ..base.outcome import TIMED_OUT
from ..scope.alarms import set_alarm
from ..scope.scope import current_scope
from .this_call import this_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    from ..pool.work_queue import Actions

    P = ParamSpec("P")
    R = TypeVar("R")


def watched(fn: Callable[P, R], seconds: float) -> Callable[P, R]:
    """``fn``, whose call is ended when it has done nothing for so long."""

    def watching(*args: P.args, **kwargs: P.kwargs) -> R:
        with _Watch(seconds):
            return fn(*args, **kwargs)

    return update_wrapper(watching, fn)


class _Watch:
    """A block in which a call is watched.  Guarded by the scheduler's lock: whether it is over, and the alarm."""

    __slots__ = ("_key", "_over", "_pulse", "_scheduler", "_scope", "_seconds", "_session", "_take_back")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over = False

    def __enter__(self) -> None:
        self._session, self._key = this_call()
        self._scheduler, self._scope = self._session.scheduler, current_scope()
        clock = self._scheduler.clock
        now = clock.monotonic()
        self._pulse = self._scope.pulse = [now]
        self._take_back = set_alarm(clock, now + self._seconds, self._look, quick=True)

    def __exit__(self, *exc_info: object) -> None:
        with self._scheduler.lock:
            self._over, take_back = True, self._take_back
            del self._session, self._key, self._scope  # leave no cycle: see ``call_queue``
        take_back()

    def _look(self) -> None:
        scheduler = self._scheduler
        after: Actions = []
        with scheduler.lock:
            if self._over or not self._scope.live:
                return
            now, last = scheduler.clock.monotonic(), self._pulse[0]
            if last == FOREVER or self._session.loan is not None:  # it waits for its limit, or for calls of its own
                last = now
            if last + self._seconds > now:
                self._take_back = set_alarm(scheduler.clock, last + self._seconds, self._look, quick=True)
            else:
                self._end_locked(after)
        scheduler.perform(after)

    def _end_locked(self, after: Actions) -> None:
        session, key = self._session, self._key
        error = TaskTimeout(
            f"{session.queue.function_of(key)} has read nothing and not touched its scope for {self._seconds:g} s, its "
            f"idle_timeout"
        )
        self._scheduler.timer.end(session, key, TIMED_OUT, error, after)
