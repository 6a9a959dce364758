"""Pipelines for coroutines: ``Pipeline.arun`` and ``Pipeline.astream``."""

from __future__ import annotations

import asyncio

from ...batches import metering
from ...batches.lifetime import at_end
from ...pipeline import completion, stream
from ...pool.leaving import refuses
from .completion import Feeder, wait_for
from .items import items_of
from .loops import LoopGate
from .streams import outcomes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
    from typing import Any

    from ...base.outcome import Outcome
    from ...batches.journaled_functions import JournaledFunctions
    from ...batches.metering import Shown
    from ...batches.report import Report
    from ...calls.options import Options
    from ...pipeline.pipeline_run import PipelineRun, PlannedStages
    from ...pool.scheduler import Scheduler

    Items = Iterable[object] | AsyncIterable[object]


async def arun(
    scheduler: Scheduler,
    options: Options,
    planned: PlannedStages,
    items: Items,
    *,
    fail_fast: bool,
    deadline: float | None,
    progress: Shown = False,
) -> Report[Any]:
    """See ``Pipeline.arun``."""
    gate = LoopGate(asyncio.get_running_loop())
    ending = completion.begin(scheduler, options, planned, items, gate.put, fail_fast=fail_fast, deadline=deadline)
    run = ending.batch
    feeder = None if run.inputs.at_hand else Feeder(_feed(run, items, ending.look), gate)
    with metering.shown(run, progress):
        return await wait_for(ending, gate, feeder)


def astream(
    scheduler: Scheduler,
    options: Options,
    planned: PlannedStages,
    items: Items,
    *,
    ordered: bool,
    window: int,
    owner: object,
    kept: JournaledFunctions | None = None,
    progress: Shown = False,
) -> AsyncGenerator[Outcome[Any], None]:
    """See ``Pipeline.astream``.  ``owner`` is kept alive until the stream ends."""
    made = stream.make_stream(
        scheduler, options, planned, items, ordered=ordered, window=window, fed_by_owner=True, kept=kept
    )
    run = made.batch
    return outcomes_of(made, None if run.inputs.at_hand else lambda _: _feed(run, items), owner, progress)


async def _feed(run: PipelineRun, given: Items, look: Callable[[], object] | None = None) -> None:
    """Feed a pipeline as there is room in front of its first stage.

    Args:
        look: ends the run if it is time to.
    """
    gate = LoopGate(asyncio.get_running_loop())
    at_end(run, gate.put)
    async for item in items_of((given,), strict=True):
        run.feed(item)  # first: what was taken has an outcome
        if run.scheduler.closing or refuses(run.scheduler.broken, run.depth):
            if not run.cancel_at_close:
                run.scheduler.check_open()
            return  # as with any stream, whoever closes the fan ends it
        if look is not None:
            look()
        while run.full():
            if run.watchers.watch(gate.put, run.full):
                await gate.wait()
        if run.closed or run.ended:
            return
    run.close()
