"""How a run of a pipeline is waited for, and how its inputs are read meanwhile."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from queue import SimpleQueue

from ..batches.run import Ending
from ..batches.stream import _sleep
from ..pool import shutdown as lifecycle
from .inputs import at_hand
from .pipeline_run import PipelineRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from ..batches.report import Report
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .pipeline_run import PlannedStages


class PipelineCompletion(Ending):
    """How a run of a pipeline ends; its inputs are read as there is room for them."""

    batch: PipelineRun

    def _enlist(self, listeners: Actions) -> None:
        self.batch.enlist(listeners)

    def _feed(self, inputs: Iterator[object]) -> None:
        """Read in this thread, which lends its slot if it has to wait for room."""
        run, scheduler = self.batch, self.scheduler
        for item in inputs:
            run.feed(item)  # first: what was taken has an outcome
            if scheduler.closing or scheduler.broken:
                lifecycle.refuse(scheduler)
            self._await_room()
            if run.closed or run.ended:
                break

    def _await_room(self) -> None:
        run, now = self.batch, self.scheduler.clock.monotonic
        left = self.look()
        while run.full():
            end = None if left is None else now() + left
            with suppress(TimeoutError):
                watch = partial(run.wish.watch, idle=run.full)
                _sleep(run, watch, run.full, self._gate, end)  # type: ignore[arg-type]  # it has what is asked for
            left = self.look()


def run(
    scheduler: Scheduler,
    options: Options,
    planned: PlannedStages,
    given: Iterable[Any],
    *,
    fail_fast: bool,
    deadline: float | None,
) -> Report[Any]:
    """See ``Pipeline.run``."""
    gate: SimpleQueue[None] = SimpleQueue()
    completion = begin(scheduler, options, planned, given, gate, fail_fast=fail_fast, deadline=deadline)
    return completion.wait() if completion.batch.inputs.at_hand else completion.feed_and_wait(iter(given))


def begin(
    scheduler: Scheduler,
    options: Options,
    planned: PlannedStages,
    given: object,
    gate: Any,
    *,
    fail_fast: bool,
    deadline: float | None,
) -> PipelineCompletion:
    """A run that has begun, but for inputs that are not at hand; the gate is opened when it is done."""
    run = PipelineRun(scheduler, options, planned, at_hand(given), deadline=deadline)
    run.collector.fail_fast = fail_fast
    return PipelineCompletion(run, gate, fail_fast=fail_fast, deadline=deadline, make=run.progress.report)
