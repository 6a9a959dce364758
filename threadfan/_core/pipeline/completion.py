"""How a run of a pipeline is waited for, and how its inputs are read meanwhile."""

from __future__ import annotations

from functools import partial
from queue import SimpleQueue

from ..batches import metering
from ..batches.reading import sleep
from ..batches.stopping import GroupCompletion
from .inputs import at_hand
from .pipeline_run import PipelineRun
from .progress import ItemTally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from ..base.clock import Gate
    from ..batches.halting import Stops
    from ..batches.metering import Shown
    from ..batches.report import Report
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .pipeline_run import PlannedStages


class PipelineCompletion(GroupCompletion["PipelineRun", "Report[Any]"]):
    """How a run of a pipeline ends; its inputs are read as there is room for them."""

    def _enlist(self, listeners: Actions) -> None:
        self.batch.enlist(listeners, self._look_after)

    def _feed(self, inputs: Iterator[object], gate: Gate) -> None:
        """Read in this thread, which lends its slot if it has to wait for room."""
        run, scheduler = self.batch, self.scheduler
        for item in inputs:
            run.feed(item)  # first: what was taken has an outcome
            scheduler.check_open()
            self._await_room(gate)
            if run.closed or run.ended:
                return
        self.cut_off = False

    def _await_room(self, gate: Gate) -> None:
        run, due = self.batch, self.look()
        while run.full():
            try:
                sleep(run, partial(run.watchers.watch, idle=run.full), run.full, gate, due)
            except TimeoutError:
                run.watchers.clear()
            due = self.look()


def run(
    scheduler: Scheduler,
    options: Options,
    planned: PlannedStages,
    given: Iterable[object],
    *,
    fail_fast: bool,
    deadline: float | None,
    progress: Shown = False,
    halt: Stops | None = None,
) -> Report[Any]:
    """See ``Pipeline.run``."""
    gate: Gate = SimpleQueue()
    wake = partial(gate.put, None)
    completion = begin(scheduler, options, planned, given, wake, fail_fast=fail_fast, deadline=deadline, halt=halt)
    wait = completion.wait if completion.batch.inputs.at_hand else partial(completion.feed_and_wait, inputs=iter(given))
    return metering.watched(completion.batch, progress, partial(wait, gate))


def begin(
    scheduler: Scheduler,
    options: Options,
    planned: PlannedStages,
    given: object,
    wake: Callable[[], object],
    *,
    fail_fast: bool,
    deadline: float | None,
    halt: Stops | None = None,
) -> PipelineCompletion:
    """A run that has begun, but for inputs that are not at hand; ``wake`` is called when it is done."""
    run = PipelineRun(scheduler, options, planned, at_hand(given), deadline=deadline)
    run.collector.fail_fast = fail_fast
    completion = PipelineCompletion(
        run, wake, fail_fast=fail_fast, deadline=deadline, make=run.progress.report, halt=halt,
        tally=ItemTally(run.progress),
    )  # fmt: skip
    completion.cut_off = not run.inputs.at_hand
    return completion
