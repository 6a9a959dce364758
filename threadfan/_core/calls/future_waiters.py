"""How threads wait for futures.

At gates of their own; with the events of the standard library; or at the condition of futures that have ended.
"""

from __future__ import annotations

import threading
from functools import partial

from ..base import clock as clocks
from ..base.clock import FOREVER
from ..pool.work_queue import here
from ..scope.scope import current_scope
from .registry import promote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Loan
    from .call_queue import Call


class _Over(threading.Condition):
    """Stands in for the condition of every future that ended before anybody looked.

    Such a future does not change any more, so there is nothing to lock.  And there must not be: ``wait`` takes the
    conditions of its futures in the order of their addresses, and one lock at several places of that order would let
    two threads lock each other out.
    """

    def __init__(self) -> None:
        super().__init__(_NoLock())  # type: ignore[arg-type]


class _NoLock:
    def _is_owned(self) -> bool:
        return True

    def locked(self) -> bool:
        return False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        return True

    def release(self) -> None:
        pass

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *exc_info: object) -> None:
        pass


OVER = _Over()


class Listening:
    """A ``with`` block during which whoever ends a future calls ``told``."""

    __slots__ = ("_listeners", "_told")

    def __init__(self, listeners: list[Callable[[], object]], told: Callable[[], object]) -> None:
        self._listeners = listeners
        self._told = told

    def __enter__(self) -> None:
        self._listeners.append(self._told)

    def __exit__(self, *exc_info: object) -> None:
        self._listeners.remove(self._told)


class WaiterList:
    """The list of those that wait for a future, as a call sees it that is about to wait."""

    __slots__ = ("_call", "_list", "_scheduler", "remove")

    def __init__(self, scheduler: Scheduler, call: Call, waiters: list[Any]) -> None:
        self._scheduler = scheduler
        self._call = call
        self._list = waiters
        self.remove = waiters.remove

    def append(self, waiter: Any) -> None:
        session, scheduler = getattr(here, "session", None), self._scheduler
        if type(waiter.event) is threading.Event:
            waiter.event = CallEvent()
        if session is not None and session.scheduler is scheduler:
            promote(scheduler, self._call)
            if isinstance(waiter.event, CallEvent):
                waiter.event.scheduler = scheduler
        self._list.append(waiter)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._list)


class CallEvent(threading.Event):
    """An event whose ``wait`` heeds the scope of the call that waits, and lends its slot to its own fan."""

    scheduler: Scheduler | None = None  # if any of the futures is of the fan that runs the call
    _loan: Loan | None = None

    def wait(self, timeout: float | None = None) -> bool:
        if self.is_set():
            return True
        scope, scheduler = current_scope(), self.scheduler
        forget = scope.on_cancel(partial(threading.Event.set, self))
        loan = self._loan = None if scheduler is None else scheduler.lending.take_out()
        if scheduler is not None and loan is not None:
            scheduler.lending.lend(loan, unless=self.is_set)
        try:
            done = super().wait(timeout) if not clocks.chores else self._wait_with_chores(timeout)
        finally:
            forget()
            if scheduler is not None and loan is not None:
                scheduler.lending.take_back(loan)
        scope.check()
        return done

    def _wait_with_chores(self, timeout: float | None) -> bool:
        end = FOREVER if timeout is None else clocks.REAL.monotonic() + timeout
        while True:
            clocks.do_chores()
            left = end - clocks.REAL.monotonic()
            if super().wait(max(0.0, min(left, clocks.CHORES))):
                return True
            if left <= 0:
                return False

    def set(self) -> None:
        super().set()  # first: whoever lends looks whether it is set
        scheduler, loan = self.scheduler, self._loan
        if scheduler is not None and loan is not None:
            scheduler.lending.finish(loan)
