"""SIGTERM as it is meant: what runs is finished, nothing more is begun, and then the program ends.

The handler says so to a thread, which tells all fans; so whoever waits for a batch gets its report, on the error that
ends the program, when the calls that ran have ended.  A main thread that waits for none is struck by that error where
it is, as by a Ctrl-C, when nothing runs any more.
"""

from __future__ import annotations

import _thread
import signal
import threading
import time
from typing import TYPE_CHECKING

from ..base import last
from ..base.errors import Terminated, TerminatedAtOnce
from ..base.locks import begin_bare
from ..pool.leaving import Leaving
from ..pool.shutdown import alive
from ..scope.signals import Handlers, checked
from .call_queue import CallQueue

if TYPE_CHECKING:
    from types import FrameType

    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, WorkQueue
    from .call_queue import Call

LOOK = 0.02
"""Seconds between looks whether calls still run.  Arbitrary: not felt, and no load."""
PATIENCE = 5.0
"""Seconds in which the main thread is to come to a batch that was ended, before it is struck where it is.  Arbitrary:
half of what service managers give at the least, and longer than most bodies of loops over a stream take."""


class Drain:
    """What is done at the first signal, and at the second."""

    def __init__(self) -> None:
        self._leaving: Leaving | None = None
        self._over = False  # nothing runs any more, and the main thread is to be struck
        self._sent = False  # signals come that are no other's

    def __call__(self, number: int, _: FrameType | None) -> None:
        """A signal has come.  In the main thread."""
        name = signal.Signals(number).name
        if self._leaving is None:
            self._leaving = Leaving(name, number)
            begin_bare(self._drain)
        elif self._over:
            self._over = False
            raise self._leaving.error()
        elif not self._sent:  # else one more of those by which the main thread is struck
            raise TerminatedAtOnce(f"{name} had told the program to end, and once more", number)

    def _drain(self) -> None:
        leaving = self._leaving
        assert leaving is not None  # noqa: S101 -- set before this begins
        schedulers = alive()
        reasons = [reason for scheduler in schedulers for reason in _leave(scheduler, leaving)]
        while any(map(_runs, schedulers)):
            time.sleep(LOOK)
        main, end = threading.main_thread(), time.monotonic() + PATIENCE
        while reasons and time.monotonic() < end and not last.exiting():
            if any(reason.told == main.ident for reason in reasons):
                return  # it is on its way out
            if all(reason.told is not None for reason in reasons):
                break
            time.sleep(LOOK)
        self._over = self._sent = True
        while self._over and not last.exiting():
            _strike(
                main, leaving.number
            )  # is lost if it comes in the moment before the main thread waits in the system
            time.sleep(LOOK)
        self._sent = False


def _leave(scheduler: Scheduler, leaving: Leaving) -> list[Terminated]:
    """Begin no call that nobody waits for who runs himself; what ends those who wait for the others."""
    reasons: list[Terminated] = []
    after: Actions = []
    with scheduler.lock:
        if scheduler.broken:
            return reasons
        scheduler.broken = leaving
        for queue in list(scheduler.queues):
            if not queue.depth:
                reasons += _stop(queue, leaving, after)
    scheduler.perform(after)
    return reasons


def _stop(queue: WorkQueue, leaving: Leaving, after: Actions) -> list[Terminated]:
    """Begin nothing more; what somebody gets who waits for all of it."""
    reason = leaving.error()
    if type(queue) is not CallQueue:  # what waits for a limit, or to be tried again, is not spared for running calls
        queue.discard(reason, after)
        return [] if isinstance(queue, CallQueue) else [reason]
    inner: list[Call] = []
    while (call := queue.take()) is not None:
        if call.outer is None:
            call.refuse(reason, after)
        else:
            inner.append(call)
    queue.entries.extend(inner)
    if inner:
        queue.scheduler.offer(queue, after)
    queue.left()
    return []


def _runs(scheduler: Scheduler) -> bool:
    with scheduler.lock:
        return not scheduler.quiet()


def _strike(main: threading.Thread, number: int) -> None:
    """Have the handler called in the main thread, even if that waits in the system."""
    if hasattr(signal, "pthread_kill") and main.ident is not None:
        signal.pthread_kill(main.ident, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


def drain_on_signals(*numbers: int) -> Handlers:
    """Let signals (``SIGTERM`` if none is named) end the program when what runs has ended.

    After the first signal no call begins, except those that running calls wait for.  When the running calls have ended,
    ``Terminated``, a ``SystemExit`` with the report in its attribute ``report``, is raised where a batch is waited for.
    A second signal cancels running calls, as a Ctrl-C does.  Call it in the main thread.  It takes effect for good, or
    for a ``with`` block.  Do not use it beside a server that has signal handlers of its own, such as uvicorn.

    Raises:
        RuntimeError: this is not the main thread.
    """
    return Handlers(checked("drain_on_signals", numbers), Drain())
