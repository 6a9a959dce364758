"""Batches to await: ``arun``, ``agather``, ``ajoin``."""

from __future__ import annotations

from ...base import checks
from ...batches import intake
from ...batches.joining import Joining, begin
from ...batches.run import Ending, task_batch
from ...pool import shutdown as lifecycle
from .completion import Feeder, wait_for
from .coroutines import taker
from .items import check, items_of
from .loops import LoopGate, running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...batches.joiners import Joiner
    from ...batches.report import Report
    from ...calls.options import Options
    from ...pool.scheduler import Scheduler
    from .items import Given

    Functions = tuple[Callable[[], object], ...]
    Named = dict[str, Callable[[], object]]


async def arun(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., object],
    given: Given,
    *,
    fail_fast: bool,
    deadline: float | None,
    late: str | None,
    star: bool,
) -> Report[Any]:
    """See ``Fan.arun``."""
    loop = running_loop("fan.arun")
    fn, asked = taker(loop)("fan.arun", fn), fn
    check("fan.arun", asked, given, star=star)
    fail_fast, deadline = checks.flag("fail_fast", fail_fast), checks.seconds("deadline", deadline)
    checks.late(late, deadline)
    gate = LoopGate(loop)
    items = intake.everything(given, strict=True) if intake.known(given) else None
    batch = intake.new_batch(scheduler, options, fn, given, items=items, star=star)
    batch.collector.fail_fast = fail_fast
    if deadline is not None and late is None:
        batch.until = batch.since + deadline
    ending = Ending(batch, gate, fail_fast=fail_fast, deadline=deadline, kept=items or [] if late else None)
    if items is not None:
        return await wait_for(ending, gate)

    async def feed() -> None:
        async for item in items_of(given, strict=True):
            ending.feed(
                item, scheduler.clock.monotonic()
            )  # whatever has happened meanwhile: what was taken has an outcome
            ending.look()
            if ending.over or batch.closed:
                return
            if scheduler.closing or scheduler.broken:
                lifecycle.refuse(scheduler)
        batch.close()

    return await wait_for(ending, gate, Feeder(feed(), gate))


async def agather(scheduler: Scheduler, options: Options, tasks: Functions, named: Named) -> Report[Any]:
    """See ``Fan.agather``."""
    loop = running_loop("fan.agather")
    gate = LoopGate(loop)
    batch = task_batch(scheduler, options, tasks, named, taker(loop), "fan.agather")
    return await wait_for(Ending(batch, gate, fail_fast=False, deadline=None), gate)


async def ajoin(
    scheduler: Scheduler, options: Options, policy: Joiner[Any, Any], tasks: Functions, named: Named
) -> Any:
    """See ``Fan.ajoin``."""
    loop = running_loop("fan.ajoin")
    gate = LoopGate(loop)
    begin("fan.ajoin", policy, tasks, named)
    batch = task_batch(scheduler, options, tasks, named, taker(loop), "fan.ajoin")
    joining = Joining(batch, gate, policy)
    return joining.result(await wait_for(joining, gate))
