"""Pipelines for coroutines: ``Pipeline.arun`` and ``Pipeline.astream``."""

from __future__ import annotations

import asyncio
from functools import partial

from ...batches import metering
from ...batches.lifetime import at_end
from ...pipeline import completion, stream
from ...pipeline.streamed import AsyncItemStream
from ...pool.leaving import refuses
from .completion import Feeder, wait_for
from .items import items_of
from .loops import LoopGate
from .streams import outcomes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable
    from typing import Any

    from ...batches.halting import Stops
    from ...batches.journaled_functions import JournaledFunctions
    from ...batches.metering import Shown
    from ...batches.report import Report
    from ...calls.options import Options
    from ...pipeline.pipeline_run import PipelineRun, PlannedStages
    from ...pipeline.stream import PipelineStream
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
    halt: Stops | None = None,
) -> Report[Any]:
    """See ``Pipeline.arun``."""
    gate = LoopGate(asyncio.get_running_loop())
    ending = completion.begin(
        scheduler, options, planned, items, gate.put, fail_fast=fail_fast, deadline=deadline, halt=halt
    )
    run = ending.batch
    feeder = None if run.inputs.at_hand else Feeder(_feed_run(ending, items), gate)
    with metering.shown(run, progress):
        return await wait_for(ending, gate, feeder)


async def _feed_run(ending: completion.PipelineCompletion, items: Items) -> None:
    ending.cut_off = not await _feed(ending.batch, items, ending.look)


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
    halt: Stops | None = None,
) -> AsyncItemStream[Any]:
    """See ``Pipeline.astream``.  ``owner`` is kept alive until the stream ends."""
    made = stream.make_stream(
        scheduler, options, planned, items, ordered=ordered, window=window, fed_by_owner=True, kept=kept, halt=halt
    )
    run = made.batch
    feed = None if run.inputs.at_hand else partial(_feed_stream, made, items)
    return AsyncItemStream(outcomes_of(made, feed, owner, progress), made.early.stopped)  # type: ignore[arg-type]


async def _feed_stream(made: PipelineStream, items: Items, _: asyncio.Event) -> None:
    made.early.all_taken = await _feed(made.batch, items)


async def _feed(run: PipelineRun, given: Items, look: Callable[[], object] | None = None) -> bool:
    """Feed a pipeline as there is room in front of its first stage; whether all was taken.

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
            return False  # as with any stream, whoever closes the fan ends it
        if look is not None:
            look()
        while run.full():
            if run.watchers.watch(gate.put, run.full):
                await gate.wait()
        if run.closed or run.ended:
            return False
    run.close()
    return True
