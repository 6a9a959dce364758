"""Whole batches: ``run`` and ``gather``."""

from __future__ import annotations

import weakref
from functools import partial
from queue import SimpleQueue

from ..base import checks
from ..base.errors import CallCancelled, describe
from ..base.static import is_a
from ..base.variables import capture, renewed
from ..calls.task_batch import TaskBatch, TaskCall
from ..scope.scope import scope_around
from . import intake
from .figures import figures, parts
from .late import Latecomers
from .report import Report, put_on
from .tasks import all_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..calls.batch import Batch
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .intake import Given
    from .task_group import TaskGroup
    from .tasks import Take

FAILED_FAST = "another call of the batch had failed (fail_fast)"


def run(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., Any],
    given: Given,
    *,
    fail_fast: bool,
    deadline: float | None,
    late: str | None,
    star: bool,
) -> Report[Any]:
    """See ``Fan.run``."""
    checks.function("fan.run", fn)
    intake.check("fan.run", fn, given, star=star)
    fail_fast, deadline = checks.flag("fail_fast", fail_fast), checks.seconds("deadline", deadline)
    checks.late(late, deadline)
    gate: SimpleQueue[None] = SimpleQueue()
    items = intake.everything(given, strict=True) if intake.known(given) else None
    batch = intake.new_batch(scheduler, options, fn, given, items=items, star=star)
    batch.collector.fail_fast = fail_fast
    if deadline is not None and late is None:
        batch.until = batch.since + deadline
    ending = Ending(batch, gate, fail_fast=fail_fast, deadline=deadline, kept=items or [] if late else None)
    if items is None:
        return ending.feed_and_wait(intake.one_by_one(given, strict=True))
    return ending.wait()


def task_batch(
    scheduler: Scheduler,
    options: Options,
    tasks: tuple[Any, ...],
    named: dict[str, Any],
    take: Take = checks.function,
    where: str = "fan.gather",
) -> TaskBatch:
    """A batch of different functions; not yet enlisted."""
    context, now = capture(), scheduler.clock.monotonic()
    calls = []
    for place, one in enumerate(all_tasks(where, tasks, named, take)):
        own = options.changed(one.changes)
        call = TaskCall(one, place, own.dressed(one.fn), one.args, one.kwargs, renewed(context), own.timeout, now)
        if own.policies is not None:
            call.policies, call.state = own.policies, own.policies.state(one.args, one.kwargs, now)
        calls.append(call)
    shared: dict[str, Any] = {"name": "gather", "context": context, "outer": scope_around()}
    batch: TaskBatch
    if any(call.policies is not None for call in calls):
        from ..calls.policy_queues import PolicyBatch

        waitlists = intake.waitlists_of(call.policies for call in calls)
        batch = PolicyBatch(
            scheduler, options.group, scheduler.depth(), describe, calls=calls, waitlists=waitlists, **shared
        )
    else:
        batch = TaskBatch(scheduler, options.group, scheduler.depth(), describe, items=calls, timeout=None, **shared)
    batch.collector.names = {len(tasks) + place: name for place, name in enumerate(named)}
    return batch


def gather(scheduler: Scheduler, options: Options, tasks: tuple[Any, ...], named: dict[str, Any]) -> Report[Any]:
    """See ``Fan.gather``."""
    gate: SimpleQueue[None] = SimpleQueue()
    batch = task_batch(scheduler, options, tasks, named)
    return Ending(batch, gate, fail_fast=False, deadline=None).wait()


class Ending:
    """How a batch ends: by itself, at its deadline, at the first failure, or because the caller was interrupted.

    Args:
        gate: opened when the batch is done; opened here at the first failure too, for ``fail_fast``.
        kept: the inputs, if what is unfinished at the deadline is to go on (``late="keep"``).
        make: makes the report.
        go: called once the batch is enlisted, for what has calls to hand in by itself.
    """

    def __init__(
        self,
        batch: Batch | TaskGroup,
        gate: Any,
        *,
        fail_fast: bool,
        deadline: float | None,
        kept: list[Any] | None = None,
        make: Callable[..., Report[Any]] = Report,
        go: Callable[[], object] | None = None,
    ) -> None:
        self.batch: Any = batch
        self._make = make
        self._go = go
        self.scheduler = batch.scheduler
        self._gate = gate
        self._fail_fast = fail_fast
        self._deadline = deadline
        self._early = False  # ended here
        self._report: Callable[[], Report[Any] | None] = lambda: None  # a weak reference, or there would be a cycle
        self._kept = kept
        self._left = False  # at the deadline, to go on by itself
        if fail_fast:
            batch.collector.alarms.append(lambda: gate.put(None))

    def begin(self) -> None:
        """Let threads at the batch, unless that was done."""
        if not self.batch.enlisted:
            self._enlist([partial(self._gate.put, None)])
            if self._go is not None:
                self._go()

    def _enlist(self, listeners: Actions) -> None:
        intake.enlist(self.batch, listeners)

    def wait(self) -> Report[Any]:
        """Wait in this thread, starting threads as they are needed and lending the slot if this is a call."""
        # What may loop stands in a function of its own: compilers leave jumps back uncovered by a ``try`` around them,
        # and there a signal's exception may strike.
        try:
            return self._wait()
        except BaseException as error:
            self._ended_by(error, running=True)
            raise

    def feed_and_wait(self, inputs: Iterator[Any]) -> Report[Any]:
        """The same, while inputs still come."""
        try:
            self.begin()
            self._feed(inputs)
            self.batch.close()
            return self._wait()
        except BaseException as error:
            # The calls that run are paid for: unless the user wants out, let them finish.
            self._ended_by(error, running=not is_a(error, Exception))
            raise

    def _wait(self) -> Report[Any]:
        self.begin()
        self.scheduler.crew.recruit(self.batch)
        loan = self.scheduler.lending.lend_to(self.batch)
        try:
            self._wait_until_over()
        finally:
            if loan is not None:
                self.scheduler.lending.take_back(loan)
        return self.report()

    def _wait_until_over(self) -> None:
        while not self.over:
            self.scheduler.clock.wait(self._gate, self.look())

    def _feed(self, inputs: Iterator[Any]) -> None:
        batch, now = self.batch, self.scheduler.clock.monotonic
        for item in inputs:
            self.feed(item, now())  # whatever has happened meanwhile: what was taken has an outcome
            self.look()  # before the next is asked for, which may take long, and would have to have one too
            if self._left or batch.closed:
                break
            self.scheduler.check_open()

    def _ended_by(self, error: BaseException, *, running: bool) -> None:
        try:
            told = hasattr(error, "report")
        except Exception:  # the class is the user's
            told = False
        if not told:
            self._interrupted(error, running=running)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self._left or self.batch.done

    def feed(self, item: Any, now: float) -> None:
        """Add an input."""
        if self._kept is not None:
            self._kept.append(item)
        self.batch.feed([item], now)

    def look(self) -> float | None:
        """End the batch if it is time to; seconds until the next look."""
        batch = self.batch
        left = None if self._deadline is None else batch.since + self._deadline - self.scheduler.clock.monotonic()
        message = None
        if self._fail_fast and batch.collector.first_failure is not None:
            message = FAILED_FAST
        elif left is not None and left <= 0 and self._kept is not None:
            self._left = True
        elif left is not None and left <= 0:
            message = f"the batch's deadline of {self._deadline:g} s had passed"
        if message is not None and not self._early:
            self._early = True
            self.scheduler.timer.cancel(batch, None, message)
        return None if self._early else left

    def report(self) -> Report[Any]:
        """The report of a batch that is done.

        Raises:
            BaseException: what ended the batch early, with the report as its attribute ``report``.
        """
        batch = self.batch
        error: Any = batch.reason
        if batch.outer is not None and batch.outer.cancelled:
            error = CallCancelled("the call that ran this batch was cancelled or its time is up")
        if error is None and self._fail_fast and batch.collector.first_failure is not None:
            error = batch.collector.first_failure[4]
        report = self._so_far() if self._left else self._summarise()
        if error is not None:
            put_on(error, report)
            try:
                raise error
            finally:
                del error, report  # the traceback holds this frame: leave no cycle
        return report

    def _so_far(self) -> Report[Any]:
        batch, now = self.batch, self.scheduler.clock.monotonic
        batch.close()  # its inputs may still be coming
        intake.at_end(batch, lambda: intake.tell_end(batch, now() - batch.since))
        return Latecomers(batch, list(self._kept or ())).report(self._deadline or 0.0, now() - batch.since)

    def _interrupted(self, error: BaseException, *, running: bool) -> None:
        if not self.batch.enlisted:  # it was refused, or this struck before any call could start
            return
        self.cut(error, running=running)
        try:
            while not self.batch.done:
                self.scheduler.clock.wait(self._gate)
        except BaseException as again:
            self._interrupted(again, running=True)
            raise
        self.put_report_on(error)

    def cut(self, error: BaseException, *, running: bool) -> None:
        """End the batch because of ``error``, with the calls that run if ``running``."""
        self.scheduler.timer.cancel(self.batch, None, f"the batch was ended by {type(error).__name__}", running=running)

    def put_report_on(self, error: BaseException) -> None:
        """Let the error that ends the batch carry what was done."""
        put_on(error, self._summarise())

    def _summarise(self) -> Report[Any]:
        batch = self.batch
        # A signal's exception that strikes here keeps the report in the frame that it came out of.
        report = self._report()
        if report is None:
            wall = self.scheduler.clock.monotonic() - batch.since
            intake.tell_end(batch, wall)
            report = self._make(batch.in_order(), **parts(batch.collector), **figures(batch, wall))
            self._report = weakref.ref(report)
        batch.forget()
        return report
