"""``run`` with a journal: what a run before, or another process, has done is not called again."""

from __future__ import annotations

import random
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from ..base import checks
from ..base.generic import T
from . import intake, metering
from .asked_journal import journal_of
from .halting import stops
from .journaled_calls import JournaledCollector, around
from .journaled_report import JournaledReport
from .making import new_batch
from .report import Report, put_on
from .stopping import StoppingCompletion

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.clock import Gate
    from ..base.outcome import Raw
    from ..calls.batch import Batch
    from ..calls.options import Options
    from ..journal.journal import Journal
    from ..journal.planning import Plan
    from ..pool.scheduler import Scheduler
    from .asked_journal import Asked
    from .halting import Stops
    from .intake import Given
    from .metering import Shown


def run(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    given: Given,
    *,
    fail_fast: bool,
    deadline: float | None,
    late: str | None,
    star: bool,
    progress: Shown,
    halt: str | Stops | None,
    asked: Asked,
) -> Report[T]:
    """See ``Fan.run``."""
    checks.function("fan.run", fn)
    progress = metering.wanted(progress, options)
    metering.warn_of_bars("fan.run", given)
    intake.check("fan.run", fn, given, star=star)
    journal, halting = journal_of(fn, asked, late), stops(halt)
    gate: Gate = SimpleQueue()
    items = intake.everything(given, strict=True)
    try:
        plan = planned(journal, items, asked)
        completion = begin_run(
            journal, plan, scheduler, options, fn, items, given, partial(gate.put, None), fail_fast=fail_fast,
            deadline=deadline, star=star, halt=halting,
        )  # fmt: skip
        if progress is False:
            return completion.wait(gate)
        with metering.shown(completion.batch, progress):
            return completion.wait(gate)
    finally:
        if not journal.file.over:
            journal.file.close()
        del journal  # an error's traceback holds this frame: leave no cycle


def planned(journal: Journal, items: list[object], asked: Asked) -> Plan:
    """Open the journal, and look up which inputs are to be called."""
    file = journal.file
    file.open()
    plan = journal.plan(items, unique=asked.unique)
    file.begin(journal.name, asked.text_of_version(), plan.keys, len(items))
    if file.shared:  # so that runs that go on at once seldom want the same item
        random.shuffle(plan.todo)
        plan.todo.sort(key=file.under_way)
    return plan


def begin_run(
    journal: Journal,
    plan: Plan,
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    items: list[object],
    given: Given,
    wake: Callable[[], object],
    *,
    fail_fast: bool,
    deadline: float | None,
    star: bool,
    halt: Stops | None,
) -> JournaledRun[T]:
    """The batch of a ``run``, not yet enlisted, and how it ends.

    Args:
        journal: which is open.
        plan: what is to be called.
        given: the iterables from which the items are.
    """
    fail_fast, deadline = checks.flag("fail_fast", fail_fast), checks.seconds("deadline", deadline)
    todo = [items[place] for place in plan.todo]
    counting = None if halt is None else halt.around()
    batch = new_batch(
        scheduler, options, fn, given, items=todo, star=star, numbers=plan.todo,
        around=partial(around, journal, counting=counting),
    )  # fmt: skip
    JournaledCollector(batch, journal.file)
    return JournaledRun(batch, wake, journal, plan, items, fail_fast=fail_fast, deadline=deadline, halt=halt)


class JournaledRun(StoppingCompletion[T]):
    """How a batch with a journal ends.

    Args:
        journal: where outcomes are.
        plan: which inputs are called.
        items: all inputs.
    """

    def __init__(
        self,
        batch: Batch,
        wake: Callable[[], object],
        journal: Journal,
        plan: Plan,
        items: list[object],
        *,
        fail_fast: bool,
        deadline: float | None,
        halt: Stops | None,
    ) -> None:
        batch.collector.fail_fast = fail_fast
        if deadline is not None:
            batch.until = batch.since + deadline
        make = partial(_report, journal, plan, items, batch.since)
        super().__init__(batch, wake, fail_fast=fail_fast, deadline=deadline, halt=halt, make=make)
        self._journal = journal

    def ending(self) -> tuple[BaseException | None, Report[T]]:
        """See ``Completion``; that the journal could not be written is raised too, when the calls have ended."""
        error, report = super().ending()
        broken = self._journal.file.broken  # first: a call that is over and returns now finds it closed
        self._journal.file.close()  # here, where an exception of a signal is given the report
        if error is None and broken is not None:
            error = broken
            put_on(error, report)
        return error, report


def _report(
    journal: Journal, plan: Plan, items: list[object], since: float, made: list[Raw], **figures: Any
) -> Report[Any]:
    facts = {"wall": figures["wall"], "slots": figures["slots"]}
    journal.file.note_end(made, figures["usages"], figures["attempts"], facts)
    figures["fn"] = figures["fn"].__wrapped__
    return JournaledReport(journal.raws(made, items, plan, since), **figures)
