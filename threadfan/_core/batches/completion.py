"""How what is waited for together comes to its end: by itself, at its deadline, at a first failure, or interrupted.

Guarantees: every input that was taken has an outcome.  Whatever ends a batch early, its report is not lost: the error
that is raised carries it as its attribute ``report``, and is raised when all calls of the batch have ended.
"""

from __future__ import annotations

import weakref

from ..base.errors import CallCancelled
from ..base.generic import TYPE_CHECKING, Generic
from ..base.outcome import CANCELLED, PAYLOAD
from ..base.static import is_a
from . import loop_here
from .figures import parts
from .lifetime import enlist, tell_end
from .report import Report, put_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from ..base.clock import Gate
    from ..calls.batch import Batch
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .task_group import TaskGroup

    B = TypeVar("B", bound="Batch | TaskGroup")
    MadeReport = TypeVar("MadeReport", bound="Report[Any]")
else:
    B = MadeReport = None

FAILED_FAST = "another call of the batch had failed (fail_fast)"
PAST_DEADLINE = "the batch's deadline of"
"""How the reason begins for which calls are cancelled when their batch has run out of time."""


class Completion(Generic[B, MadeReport]):
    """One wait for a batch or a group of tasks, by a thread or by a coroutine.

    Args:
        wake: wakes whoever waits: called when the batch is done, and at the first failure if that ends it.
        deadline: seconds from the start of the batch to its end at the latest.
        make: makes the report, of outcomes and figures.
        go: called once the batch is enlisted, for what has calls to hand in by itself.
    """

    def __init__(
        self,
        batch: B,
        wake: Callable[[], object],
        *,
        fail_fast: bool = False,
        deadline: float | None = None,
        make: Callable[..., MadeReport] = Report,  # type: ignore[assignment]
        go: Callable[[], object] | None = None,
    ) -> None:
        self.batch = batch
        self.scheduler: Scheduler = batch.scheduler
        self._wake = wake
        self._fail_fast = fail_fast
        self._deadline = deadline
        self._make = make
        self._go = go
        self._early: str | None = None  # why it was ended here
        self.cut_off: bool = False  # there are inputs, for all that is known, that nobody has taken
        self._report: Callable[[], MadeReport | None] = lambda: None  # a weak reference, or there would be a cycle
        if fail_fast:
            batch.collector.on_first_failure.append(wake)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.batch.done

    def begin(self) -> None:
        """Let threads at the batch, unless that was done."""
        if not self.batch.enlisted:
            self._enlist([self._wake])
            if self._go is not None:
                self._go()

    def _enlist(self, listeners: Actions) -> None:
        enlist(self.batch, listeners)

    # -- waiting, in a thread ----------------------------------------------------------------------------------------

    def wait(self, gate: Gate) -> MadeReport:
        """Wait in this thread, starting threads as they are needed and lending the slot if this is a call.

        Args:
            gate: which ``wake`` opens.
        """
        # What may loop stands in a function of its own: compilers leave jumps back uncovered by a ``try`` around them,
        # and there a signal's exception may strike.
        try:
            loop_here.check(self.scheduler)
            return self._wait(gate)
        except BaseException as error:
            if not _has_report(error):
                self._interrupted(error, gate, running=True)
            raise

    def feed_and_wait(self, gate: Gate, inputs: Iterator[object]) -> MadeReport:
        """The same, while inputs still come."""
        try:
            loop_here.check(self.scheduler)
            self.begin()
            self._feed(inputs, gate)
            self.batch.close()
            return self._wait(gate)
        except BaseException as error:
            # The calls that run are paid for: unless the user wants out, let them finish.
            if not _has_report(error):
                self._interrupted(error, gate, running=not is_a(error, Exception))
            raise

    def _feed(self, inputs: Iterator[object], gate: Gate) -> None:
        """Hand in what inputs there are."""
        raise NotImplementedError

    def _wait(self, gate: Gate) -> MadeReport:
        self.begin()
        self.scheduler.crew.recruit(self.batch)
        loan = self.scheduler.lending.lend_to(self.batch)
        try:
            self._wait_until_over(gate)
        finally:
            if loan is not None:
                self.scheduler.lending.take_back(loan)
        return self.report()

    def _wait_until_over(self, gate: Gate) -> None:
        while not self.over:
            self.scheduler.clock.wait_until(gate, self.look())

    def _interrupted(self, error: BaseException, gate: Gate, *, running: bool) -> None:
        if not self.batch.enlisted:  # it was refused, or this struck before any call could start
            return
        self.cut(error, running=running)
        try:
            while not self.batch.done:
                self.scheduler.clock.wait(gate)
        except BaseException as again:
            self._interrupted(again, gate, running=True)
            raise
        self.put_report_on(error)

    # -- ending it ---------------------------------------------------------------------------------------------------

    def look(self) -> float | None:
        """End the batch if it is time to; when to look next."""
        batch = self.batch
        due = None if self._deadline is None else batch.since + self._deadline
        message = None
        if self._fail_fast and batch.collector.first_failure is not None:
            message = FAILED_FAST
        elif due is not None and self.scheduler.clock.monotonic() >= due:
            message = self._at_deadline()
        if message is not None:
            self.end_early(message)
        return None if self._early else due

    def end_early(self, message: str, *, running: bool = True) -> None:
        """Cancel what is queued, and what runs too if ``running``; the first reason is kept."""
        if self._early is None:
            self._early = message
            self.scheduler.timer.cancel(self.batch, None, message, running=running)

    def _at_deadline(self) -> str | None:
        """Why calls are cancelled now that the time is up; None if they are not."""
        return f"{PAST_DEADLINE} {self._deadline:g} s had passed"

    def _why_unfinished(self) -> str | None:
        """Why calls were left out of a batch that came to its end before anybody looked; None if none was."""
        collector = self.batch.collector
        if self._fail_fast and collector.first_failure is not None and CANCELLED in collector.failures:
            return FAILED_FAST
        return None

    def cut(self, error: BaseException, *, running: bool) -> None:
        """End the batch because of ``error``, with the calls that run if ``running``."""
        self.scheduler.timer.cancel(self.batch, None, f"the batch was ended by {type(error).__name__}", running=running)

    # -- its report --------------------------------------------------------------------------------------------------

    def report(self) -> MadeReport:
        """The report of a batch that is done.

        Raises:
            BaseException: what ended the batch early, with the report as its attribute ``report``.
        """
        error, report = self.ending()
        if error is not None:
            try:
                raise error
            finally:
                del error, report  # the traceback holds this frame: leave no cycle
        return report

    def ending(self) -> tuple[BaseException | None, MadeReport]:
        """What ended a batch that is done early, if anything is to be raised, with its report; and that."""
        batch = self.batch
        error = batch.reason
        if batch.outer is not None and batch.outer.cancelled:
            error = CallCancelled("the call that ran this batch was cancelled or its time is up")
        if error is None and self._fail_fast and batch.collector.first_failure is not None:
            error = batch.collector.first_failure[PAYLOAD]
        report = self._made()
        if error is not None:
            put_on(error, report)
        return error, report

    def put_report_on(self, error: BaseException) -> None:
        """Let the error that ends the batch carry what was done."""
        put_on(error, self._summarise())

    def _made(self) -> MadeReport:
        return self._summarise()

    def _summarise(self) -> MadeReport:
        batch = self.batch
        # A signal's exception that strikes here keeps the report in the frame that it came out of.
        report = self._report()
        if report is None:
            wall = self.scheduler.clock.monotonic() - batch.since
            tell_end(batch, wall)
            raws = batch.in_order()  # first: a graph gives its calls their names as it puts them in order
            found = parts(batch, wall)
            stopped = self._early or self._why_unfinished()
            if stopped is not None:
                found["stopped"] = stopped
            report = self._make(raws, **found)
            self._report = weakref.ref(report)
        batch.forget()
        return report


def _has_report(error: BaseException) -> bool:
    try:
        return hasattr(error, "report")
    except Exception:  # the class is the user's
        return False
