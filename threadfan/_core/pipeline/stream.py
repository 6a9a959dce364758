"""Outcomes of a pipeline one by one: ``Pipeline.stream``."""

from __future__ import annotations

from functools import partial

from ..base.outcome import CANCELLED, INDEX
from ..batches.reading import outcomes
from ..batches.stream import Stream
from ..batches.window import PATIENCE
from ..pool.leaving import refuses
from .inputs import at_hand
from .outcome import PipelineOutcome
from .pipeline_run import PipelineRun
from .progress import ItemTally
from .streamed import ItemStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from ..base.outcome import Raw
    from ..batches.halting import Stops
    from ..batches.journaled_functions import JournaledFunctions
    from ..batches.metering import Shown
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .pipeline_run import PlannedStages

_END = object()


class PipelineStream(Stream["PipelineRun", "Any"]):
    """The window between a pipeline's inputs and outcomes.

    Args:
        inputs: an iterator over items; None if they are at hand, or the owner feeds them.
    """

    def __init__(self, run: PipelineRun, inputs: Iterator[object] | None, *, ordered: bool) -> None:
        super().__init__(run, inputs, ordered=ordered)
        self.make = run.progress.report

    def enlist(self, listeners: Actions) -> None:
        """Let threads at it; the listeners are called when it is done."""
        self.batch.enlist(listeners, self.early.begin)

    def handed_out(self, number: int) -> float:
        """So many outcomes are handed out; to be told of each."""
        self.yielded = self.batch.inputs.handed_out = number
        self.batch.stir()
        return 0

    def fill(self) -> None:
        """Take inputs until there is no room, they end, or outcomes are ready that should not wait any longer."""
        run, start = self.batch, self._clock()
        while self._inputs is not None and not run.ended and run.should_read():
            if run.scheduler.closing or refuses(run.scheduler.broken, run.depth):
                self._cut_short = True
                self._end_of_inputs()
            elif (item := next(self._inputs, _END)) is _END:
                self._end_of_inputs(all_taken=True)
            else:
                run.feed(item)
                if self._results and self._clock() - start > PATIENCE:
                    return

    def harvest(self, ready: deque[Raw]) -> None:
        """Add to ``ready`` the outcomes that can be handed out now."""
        self.fill()
        if self.batch.done and self.early.why() is not None:
            self._add_unstarted()
        super().harvest(ready)

    def _add_unstarted(self) -> None:
        """It was stopped: what was read and never came to be called has outcomes too."""
        progress, inputs = self.batch.progress, self.batch.inputs
        if inputs.items is not None:
            self.early.all_taken = inputs.read == len(inputs.items)
        for raw in progress.unstarted():
            del progress.under_way[raw[INDEX]]
            self._results[raw[INDEX]] = raw
            with self.batch.scheduler.lock:
                self._collector.count(CANCELLED)

    def maker(self) -> Callable[[Raw], PipelineOutcome[Any]]:
        """What makes outcomes: there is something noted of each."""
        return self.outcome

    def left(self) -> list[Raw]:
        """The outcomes that were not taken, and those of items that were read and never started."""
        return [*super().left(), *self.batch.progress.unstarted()]

    def idle(self) -> bool:
        """Whether there is nothing to hand out or to read although more may come: the consumer should wait."""
        if self._inputs is not None and not self.batch.ended and self.batch.should_read():
            return False
        return super().idle()

    def watch(self, wake: Callable[[], object]) -> bool:
        """Have ``wake()`` called when it is not idle any more."""
        return self.batch.watchers.watch(wake, self.idle)

    def stop_watching(self) -> None:
        """Nobody waits any more."""
        self.batch.watchers.clear()

    def outcome(self, raw: Raw) -> PipelineOutcome[Any]:
        """An outcome, as it is handed out."""
        index, collector = raw[INDEX], self._collector
        usage, attempts = collector.take_usage(index), collector.take_attempts(index)
        ends = self.batch.progress.ends
        return PipelineOutcome(raw, usage, attempts, ends.pop(index, None))  # type: ignore[arg-type]


def make_stream(
    scheduler: Scheduler,
    options: Options,
    planned: PlannedStages,
    given: Any,
    *,
    ordered: bool,
    window: int,
    fed_by_owner: bool = False,
    kept: JournaledFunctions | None = None,
    halt: Stops | None = None,
) -> PipelineStream:
    """Check that calls may be handed in, and capture the context; work starts later."""
    with scheduler.lock:
        scheduler.check_open()
    items = at_hand(given)
    inputs = None if fed_by_owner or items is not None else iter(given)
    run = PipelineRun(scheduler, options, planned, items, window=window)
    made = PipelineStream(run, inputs, ordered=ordered)
    made.early.stop_at(halt, ItemTally(run.progress))
    if kept is not None:
        made.prepare, made.finish = kept.open, kept.close
    return made


def stream(
    scheduler: Scheduler,
    options: Options,
    planned: PlannedStages,
    given: Iterable[object],
    *,
    ordered: bool,
    window: int,
    owner: object,
    kept: JournaledFunctions | None = None,
    progress: Shown = False,
    halt: Stops | None = None,
) -> ItemStream[Any]:
    """See ``Pipeline.stream``."""
    made = make_stream(scheduler, options, planned, given, ordered=ordered, window=window, kept=kept, halt=halt)
    return ItemStream(outcomes(made, owner, progress), partial(made.cut, running=True), made.early.stopped)  # type: ignore[arg-type]
