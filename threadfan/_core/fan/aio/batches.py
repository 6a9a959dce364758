"""Batches to await: ``arun``, ``agather``, ``ajoin``."""

from __future__ import annotations

import asyncio

from ...base.generic import TYPE_CHECKING, T
from ...batches import metering
from ...batches.completion import Completion
from ...batches.halting import stops
from ...batches.joining import Joining, begin
from ...batches.making import task_batch
from ...batches.run import RunCompletion, begin_run
from .completion import Feeder, wait_for
from .coroutines import taker
from .items import check, items_of
from .loops import LoopGate, running_loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...batches.asked_journal import Asked
    from ...batches.halting import Stops
    from ...batches.joiners import Joiner, R
    from ...batches.metering import Shown
    from ...batches.report import Report
    from ...calls.options import Options
    from ...calls.task_batch import TaskBatch
    from ...pool.scheduler import Scheduler
    from .items import Given

    Functions = tuple[Callable[[], object], ...]
    Named = dict[str, Callable[[], object]]


async def arun(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    given: Given,
    *,
    fail_fast: bool,
    deadline: float | None,
    late: str | None,
    star: bool,
    progress: Shown = False,
    halt: str | Stops | None = None,
) -> Report[T]:
    """See ``Fan.arun``."""
    loop = running_loop("fan.arun")
    fn, asked = taker(loop)("fan.arun", fn), fn
    check("fan.arun", asked, given, star=star)
    progress = metering.wanted(progress, options)
    gate = LoopGate(loop)
    completion = begin_run(
        scheduler, options, fn, given, gate.put, fail_fast=fail_fast, deadline=deadline, late=late, star=star, halt=halt
    )
    feeder = Feeder(_feed(completion, given), gate) if completion.fed else None
    if progress is False:
        return await wait_for(completion, gate, feeder)
    with metering.shown(completion.batch, progress):
        return await wait_for(completion, gate, feeder)


async def arun_journaled(
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
    """See ``Fan.arun``, with a journal: the file is read in a thread before the first call."""
    from ...batches import journaled
    from ...batches.asked_journal import journal_of

    loop = running_loop("fan.arun")
    fn, said = taker(loop)("fan.arun", fn), fn
    check("fan.arun", said, given, star=star)
    progress = metering.wanted(progress, options)
    journal, halting = journal_of(said, asked, late), stops(halt)
    gate = LoopGate(loop)
    items = [item async for item in items_of(given, strict=True)]
    try:
        plan = await asyncio.to_thread(journaled.planned, journal, items, asked)
        completion = journaled.begin_run(
            journal, plan, scheduler, options, fn, items, given, gate.put, fail_fast=fail_fast, deadline=deadline,
            star=star, halt=halting,
        )  # fmt: skip
        with metering.shown(completion.batch, progress):
            return await wait_for(completion, gate)
    finally:
        journal.file.close()
        del journal  # an error's traceback holds this frame: leave no cycle


async def _feed(completion: RunCompletion[T], given: Given) -> None:
    batch, scheduler = completion.batch, completion.scheduler
    async for item in items_of(given, strict=True):
        completion.feed(item, scheduler.clock.monotonic())  # in any case: what was taken has an outcome
        completion.look()
        if completion.over or batch.closed:
            return
        scheduler.check_open()
    completion.cut_off = False
    batch.close()


async def agather(scheduler: Scheduler, options: Options, tasks: Functions, named: Named) -> Report[Any]:
    """See ``Fan.agather``."""
    loop = running_loop("fan.agather")
    gate = LoopGate(loop)
    batch = task_batch(scheduler, options, tasks, named, taker(loop), "fan.agather")
    completion: Completion[TaskBatch, Report[Any]] = Completion(batch, gate.put)
    with metering.shown(batch, options.progress):
        return await wait_for(completion, gate)


async def ajoin(scheduler: Scheduler, options: Options, policy: Joiner[T, R], tasks: Functions, named: Named) -> R:
    """See ``Fan.ajoin``."""
    loop = running_loop("fan.ajoin")
    gate = LoopGate(loop)
    begin("fan.ajoin", policy, tasks, named)
    batch = task_batch(scheduler, options, tasks, named, taker(loop), "fan.ajoin")
    joining = Joining(batch, gate.put, policy)
    with metering.shown(batch, options.progress):
        found = [await wait_for(joining, gate)]
    return joining.result(found.pop())  # an error that it raises holds this frame: leave no cycle
