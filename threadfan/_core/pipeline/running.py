"""How pipelines are run: waited for, or read from; and how their inputs are taken."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from queue import SimpleQueue

from ..batches import intake
from ..batches.iteration import Iteration
from ..batches.run import Ending
from ..batches.stream import PATIENCE, Stream, _outcomes, _sleep
from .pipeline_run import PipelineRun
from .report import PipelineOutcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Any

    from ..base.outcome import Raw
    from ..batches.report import Report
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .pipeline_run import Plan

_END: Any = object()


class FlowEnding(Ending):
    """How a run of a pipeline ends; its inputs are read as there is room for them."""

    def _enlist(self, listeners: Actions) -> None:
        self.batch.enlist(listeners)

    def _feed(self, inputs: Iterator[Any]) -> None:
        """Read in this thread, which lends its slot if it has to wait for room."""
        flow, scheduler = self.batch, self.scheduler
        for item in inputs:
            flow.feed(item)  # first: what was taken has an outcome
            scheduler.check_open()
            self._await_room()
            if flow.closed or flow.ended:
                break

    def _await_room(self) -> None:
        flow, now = self.batch, self.scheduler.clock.monotonic
        left = self.look()
        while self.full():
            end = None if left is None else now() + left
            with suppress(TimeoutError):
                _sleep(flow, lambda wake: flow.watch(wake, self.full), self.full, self._gate, end)
            left = self.look()

    def full(self) -> bool:
        """Whether there is nothing to do but to wait for room."""
        flow = self.batch
        return not (flow.closed or flow.ended or flow.thirsty())


class FlowStream(Stream):
    """The window between a pipeline's inputs and outcomes.

    Args:
        inputs: an iterator over items; None if they are at hand, or the owner feeds them.
    """

    batch: Any

    def __init__(self, flow: PipelineRun, inputs: Iterator[Any] | None, *, window: int, ordered: bool) -> None:
        super().__init__(flow, inputs, window=window, ordered=ordered, quick=False)  # type: ignore[arg-type]
        self.report = flow.report

    def enlist(self, listeners: Actions) -> None:
        """Let threads at it; the listeners are called when it is done."""
        self.batch.enlist(listeners)

    def after_yield(self) -> None:
        """One outcome was handed out."""
        self.yielded += 1
        self.batch.handed_out = self.yielded
        self.batch.stir()

    def fill(self) -> None:
        """Take inputs until there is no room, they end, or outcomes are ready that should not wait any longer."""
        flow, start = self.batch, self._clock()
        while self._inputs is not None and not flow.ended and flow.thirsty():
            if flow.scheduler.closing or flow.scheduler.broken:
                self._cut_short = True
                self._end_of_inputs()
            elif (item := next(self._inputs, _END)) is _END:
                self._end_of_inputs()
            else:
                flow.feed(item)
                if self._results and self._clock() - start > PATIENCE:
                    return

    def harvest(self) -> list[Raw]:
        """Take the outcomes that can be handed out now, the first of them last."""
        self.fill()
        return super().harvest()

    def left(self) -> list[Raw]:
        """The outcomes that were not taken, and those of items that were read and never started."""
        return [*super().left(), *self.batch.unstarted()]

    def idle(self) -> bool:
        """Whether there is nothing to hand out or to read although more may come: the consumer should wait."""
        if self._inputs is not None and not self.batch.ended and self.batch.thirsty():
            return False
        return super().idle()

    def wish(self, wake: Callable[[], object]) -> bool:
        """Have ``wake()`` called when it is not idle any more."""
        return bool(self.batch.watch(wake, self.idle))

    def outcome(self, raw: Raw) -> PipelineOutcome[Any]:
        """An outcome, as it is handed out."""
        index, collector = raw[0], self._collector
        usage, attempts = collector.usages.pop(index, None), collector.attempts.pop(index)
        return PipelineOutcome(raw, usage, attempts, self.batch.ends.pop(index, None))  # type: ignore[arg-type]


def run(
    scheduler: Scheduler, options: Options, plan: Plan, given: Iterable[Any], *, fail_fast: bool, deadline: float | None
) -> Report[Any]:
    """See ``Pipeline.run``."""
    gate: SimpleQueue[None] = SimpleQueue()
    flow, ending = begin(scheduler, options, plan, given, gate, fail_fast=fail_fast, deadline=deadline)
    return ending.wait() if flow.at_hand else ending.feed_and_wait(iter(given))


def begin(
    scheduler: Scheduler,
    options: Options,
    plan: Plan,
    given: Any,
    gate: Any,
    *,
    fail_fast: bool,
    deadline: float | None,
) -> tuple[PipelineRun, FlowEnding]:
    """A run that has begun, but for inputs that are not at hand; the gate is opened when it is done."""
    flow = PipelineRun(scheduler, options, plan, at_hand(given))
    flow.collector.fail_fast = fail_fast
    flow.begin_until(deadline)
    ending = FlowEnding(flow, gate, fail_fast=fail_fast, deadline=deadline, make=flow.report)
    return flow, ending


def at_hand(given: Any) -> list[Any] | None:
    """All inputs, if they can be taken at once."""
    return list(given) if intake.known((given,)) else None


def make_stream(
    scheduler: Scheduler,
    options: Options,
    plan: Plan,
    given: Any,
    *,
    ordered: bool,
    window: int,
    fed_by_owner: bool = False,
) -> FlowStream:
    """Check that calls may be handed in, and capture the context; work starts later."""
    with scheduler.lock:
        scheduler.check_open()
    items = at_hand(given)
    inputs = None if fed_by_owner or items is not None else iter(given)
    return FlowStream(
        PipelineRun(scheduler, options, plan, items, window=window), inputs, window=window, ordered=ordered
    )


def stream(
    scheduler: Scheduler,
    options: Options,
    plan: Plan,
    given: Iterable[Any],
    *,
    ordered: bool,
    window: int,
    owner: object,
) -> Generator[PipelineOutcome[Any], None, None]:
    """See ``Pipeline.stream``."""
    made = make_stream(scheduler, options, plan, given, ordered=ordered, window=window)
    return Iteration(_outcomes(made, owner), partial(made.cut, running=True))  # type: ignore[arg-type]
