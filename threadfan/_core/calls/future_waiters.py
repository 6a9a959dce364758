"""How calls wait for futures: they heed their own scopes, and lend their slots."""

from __future__ import annotations

import threading
from functools import partial
from queue import SimpleQueue

from ..base import clock as clocks
from ..base.clock import FOREVER
from ..base.threads import check_depth
from ..pool.work_queue import here
from ..scope.scope import current_scope
from .registry import promote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Loan
    from ..scope.scope import ScopeSource
    from .call_queue import Call


def wait_in_call(
    scheduler: Scheduler,
    call: Call,
    waits: ScopeSource,
    listening: Callable[[Callable[[], object]], AbstractContextManager[None]],
    done: Callable[[], bool],
    timeout: float | None,
) -> None:
    """In a call that waits for another, ``call`` of ``scheduler``: heed the own scope, and lend the slot meanwhile.

    Args:
        waits: knows the scope of the call that waits.
        listening: a ``with`` block during which what it is given is called when ``call`` has ended.
        done: whether it has.
        timeout: real seconds to wait at most.
    """
    check_depth()  # before anything is lent
    from ..scope.waiting import wait_in  # on first use: imports are dear to programs that nest nothing

    gate = SimpleQueue[None]()
    promote(scheduler, call)
    loan = scheduler.lending.take_out()

    def told() -> None:
        if loan is not None:
            scheduler.lending.finish(loan)
        gate.put(None)

    with listening(told):
        if loan is not None:
            scheduler.lending.lend(loan, unless=done)
        try:
            if not done():
                scope = waits.scope()
                wait_in(scope, gate, None if timeout is None else scope.clock.monotonic() + timeout)
        finally:
            if loan is not None:
                scheduler.lending.take_back(loan)


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
