"""Pipelines: each item enters its next stage the moment it is ready, whatever the others do.

Which item may start when is decided in ``stage_queue``.  Here is how items come in, go from stage to stage, and out.

Guarantees: every item that was read has exactly one outcome, with all attempts of all its stages.  Inputs that are at
hand are read by whatever thread starts one; others, whose reading may block or raise, only by whoever waits for the
results, and never further ahead than the buffer of the first stage.
"""

from __future__ import annotations

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, END, FAILED, PAYLOAD, STATUS, SUCCEEDED, WORKER
from ..batches.lifetime import enlist
from ..batches.task_group import TaskGroup, own_session
from ..pool.work_queue import why_ended
from .inputs import Inputs
from .progress import Progress
from .stage_queue import StageQueue
from .stage_state import PipelineItem, StageCall, StageState
from .watchers import Watchers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.attempt import Status
    from ..base.outcome import Raw
    from ..batches.task_group import Step
    from ..calls.call_queue import CallQueue
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .stages import Stage

    PlannedStages = list[tuple[str, Stage, Options, Callable[..., object]]]
    """Of each stage: its name, what the user said, its options, and the function to call."""


class PipelineRun(TaskGroup):
    """One run of a pipeline.

    Args:
        options: of the fan or view; the stages have their own.
        items: all inputs if they are at hand, else None, and they are fed.
        window: how many may be read and not handed out.
        deadline: seconds from the start beyond which no attempt is waited for.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        options: Options,
        planned: PlannedStages,
        items: list[object] | None,
        *,
        window: float = FOREVER,
        deadline: float | None = None,
    ) -> None:
        super().__init__(scheduler, options, f"pipeline({', '.join(name for name, *_ in planned)})")
        self.stages = [
            StageState(scheduler, place, name, one, fn, own) for place, (name, one, own, fn) in enumerate(planned)
        ]
        for stage, following in zip(self.stages, self.stages[1:], strict=False):
            stage.next = following
        self.queue = StageQueue(self, self.stages)
        self.inputs = Inputs(items, self.stages[0], window)
        self.progress = Progress(self.stages, self.inputs, scheduler.clock, self.since)
        self.collector = self.progress.collector
        self.watchers = Watchers()
        self.accepted = 0 if items is None else len(items)
        if deadline is not None:
            self.until = self.queue.until = self.since + deadline

    def enlist(self, listeners: Actions, begin: Callable[[], object]) -> None:
        """Begin; the listeners are called when it is done.

        Args:
            begin: called before any item is read.
        """
        enlist(self, [self._retire, *listeners])
        begin()
        self.queue.ended_by = self.ended_by
        with self.scheduler.lock:
            if not self.done:
                self.scheduler.queues.add(self.queue)
        self.stir()
        if self.inputs.items == []:
            self.close()

    def _retire(self) -> None:
        scheduler, queue = self.scheduler, self.queue
        with scheduler.lock:
            scheduler.forget(queue)

    # -- reading -----------------------------------------------------------------------------------------------------

    def should_read(self) -> bool:
        """Whether it is worth while to read more."""
        return self.inputs.should_read(self.accepted)

    def full(self) -> bool:
        """Whether whoever feeds it has nothing to do but to wait for room."""
        return not (self.closed or self.ended or self.should_read())

    def feed(self, value: object) -> None:
        """Add an input; only one thread may."""
        inputs = self.inputs
        item = PipelineItem(inputs.read, value, self.scheduler.clock.monotonic())
        with self.scheduler.lock:
            self.progress.under_way[inputs.read] = item
            inputs.read += 1
        calls = self._calls(item, self.stages[0], value)
        if calls:
            self.hand_in(calls, expected=0)
        else:
            self.stir()

    def stir(self) -> None:
        """An item has started, ended, or was handed out: read more if it is time to, and wake who waits for that."""
        inputs, items = self.inputs, self.inputs.items
        while items is not None and inputs.read < len(items) and not self.closed and self.should_read():
            self._read_more(items)
        self.watchers.tell()

    def _read_more(self, items: list[object]) -> None:
        with self.queue.lock:
            places = self.inputs.advance_locked(items, self.accepted)
        calls = [call for place in places for call in self._enter(place, items[place])]
        if len(calls) < len(places):
            with self.scheduler.lock:
                self.accepted -= 0 if self.ended else len(places) - len(calls)
        self.hand_in(calls)
        if not self.accepted:  # and not when the last is read: another thread may still be about to hand some in
            self.close()

    def _enter(self, place: int, value: object) -> list[StageCall]:
        item = self.progress.under_way[place] = PipelineItem(place, value, self.scheduler.clock.monotonic())
        return self._calls(item, self.stages[0], value)

    def _calls(self, item: PipelineItem, stage: StageState, value: object) -> list[StageCall]:
        """The call of a stage for an item; none if it failed before it could be made, which is the item's end."""
        try:
            return [StageCall(self, stage, item, value)]
        except Exception as error:  # of a user's estimate of costs
            self.progress.ends[item.index] = stage.name
            self._hand_out(item, item.end(FAILED, error, self.scheduler.clock.monotonic(), None))
            return []

    # -- from stage to stage -----------------------------------------------------------------------------------------

    def queue_for(self, step: Step) -> CallQueue:
        """All stages share one."""
        return self.queue

    def follow(self, step: Step, raw: Raw) -> None:
        """Send an item on to its next stage, or out."""
        call: StageCall = step  # type: ignore[assignment]  # it hands in no others
        item, stage = call.pipeline_item, call.stage
        item.note(call, raw)
        status, payload = raw[STATUS], raw[PAYLOAD]
        may_read = stage.place == 0 and call.policies is not None  # else there is room from when it has started
        if status is SUCCEEDED and stage.next is not None:
            calls = self._calls(item, stage.next, payload)
            if not calls or self.hand_in(calls, expected=0, ended=step):
                if may_read or not calls:
                    self.stir()
                return
            status, payload = CANCELLED, TaskCancelled(self.progress.why or why_ended(self))
            stage = stage.next
        if status is not SUCCEEDED:
            self.progress.ends[item.index] = stage.name
        self._hand_out(item, item.end(status, payload, raw[END], raw[WORKER]), own_session(step) is not None)
        if may_read:
            self.stir()
        else:
            self.watchers.tell()

    def _hand_out(self, item: PipelineItem, raw: Raw, looks: bool = False) -> None:
        """An item is through.

        Args:
            looks: whether this thread is about to look what may start.
        """
        after: Actions = []
        with self.queue.lock:
            self.progress.leave_locked(item, raw[STATUS])
            if not looks:
                self.queue.offer(after)
        if after:
            self.scheduler.perform(after)
        self.progress.note(item)
        self.record(raw)

    # -- as a queue --------------------------------------------------------------------------------------------------

    def waiting(self) -> int:
        """Those that were not read yet are queued."""
        return 0

    def unfinished(self) -> bool:
        """While items are to be read or on their way."""
        return self.active > 0 or self.accepted > 0

    def discard(self, reason: BaseException, after: Actions) -> None:
        """No call starts any more."""
        self.progress.why = str(reason)
        super().discard(reason, after)
        after.append(self.stir)

    def forget(self) -> None:
        """As every group; nobody waits any more."""
        self.watchers.clear()
        super().forget()

    def in_order(self) -> list[Raw]:
        """The outcomes in input order; those that never started were cancelled."""
        return self.progress.in_order()

    def total(self) -> int | None:
        """How many items there are; None as long as they still come."""
        return self.inputs.total() if self.inputs.at_hand or self.closed else None

    def counts(self) -> dict[Status, int]:
        """How many outcomes there are of each status."""
        return self.progress.counts()
