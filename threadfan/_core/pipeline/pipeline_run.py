"""Pipelines: each item enters its next stage the moment it is ready, whatever the others do.

Which item may start when is decided in ``stage_queue``.  Here is how items come in, go from stage to stage, and out.

Guarantees: every item that was read has exactly one outcome, with all attempts of all its stages.  Inputs that are at
hand are read by whatever thread starts one; others, whose reading may block or raise, only by whoever waits for the
results, and never further ahead than the buffer of the first stage.
"""

from __future__ import annotations

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, FAILED, SUCCEEDED
from ..batches import intake
from ..batches.task_group import TaskGroup
from ..calls.collector import Collector
from .report import PipelineReport, StageAttempt, retries_in
from .stage_queue import Row, StageCall, StageQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..base.outcome import Raw, Status
    from ..base.usage import Usage
    from ..batches.report import Report
    from ..batches.task_group import Step
    from ..calls.call_queue import CallQueue
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .stages import Stage

    Plan = list[tuple[str, Stage, Options, Callable[..., Any]]]
    """Of each stage: its name, what the user said, its options, and the function to call."""


class PipelineItem:
    """One item on its way through the stages."""

    __slots__ = ("attempts", "begun", "index", "item", "row", "since", "start", "usage")

    def __init__(self, index: int, item: Any, since: float) -> None:
        self.index = index
        self.item = item
        self.since = since
        self.start: float | None = None  # of its first call
        self.row: Row | None = None  # the stage that it waits for or is in
        self.begun = False  # there
        self.attempts: list[Any] = []
        self.usage: Usage | None = None

    def move(self, row: Row | None) -> None:
        """Leave its stage for another one, or for good.  With the scheduler's lock held."""
        if self.row is not None:
            self.row.crowd -= 1
            self.row.begun -= self.begun
        self.row, self.begun = row, False
        if row is not None:
            row.crowd += 1

    def note(self, call: StageCall, raw: Raw) -> None:
        """What its call in a stage has come to."""
        start = raw[5]
        if start is not None and self.start is None:
            self.start = start
        if call.usage is not None:
            self.usage = call.usage if self.usage is None else self.usage + call.usage
        self.attempts += StageAttempt.of(call, raw, call.since - self.since)

    def end(self, status: Status, payload: Any, end: float, worker: str | None) -> Raw:
        """Its outcome."""
        return (self.index, self.item, self.since, status, payload, self.start, end, worker)


class ItemCollector(Collector):
    """Outcomes of items, whose attempts are those of several stages: the first of each stage is no retry."""

    __slots__ = ("retried",)

    def __init__(self) -> None:
        super().__init__()
        self.retried = 0  # guarded by the scheduler's lock

    def retries(self) -> int:
        """How many attempts were not the first of their stage."""
        return self.retried


class PipelineRun(TaskGroup):
    """One run of a pipeline.

    Args:
        options: of the fan or view; the stages have their own.
        items: all inputs if they are at hand, else None, and they are fed.
        window: how many may be read and not handed out.
    """

    def __init__(
        self, scheduler: Scheduler, options: Options, plan: Plan, items: list[Any] | None, *, window: float = FOREVER
    ) -> None:
        super().__init__(scheduler, options, f"pipeline({', '.join(name for name, *_ in plan)})")
        self.collector: ItemCollector = ItemCollector()
        self.rows = [Row(scheduler, place, name, one, fn, own) for place, (name, one, own, fn) in enumerate(plan)]
        for row, following in zip(self.rows, self.rows[1:], strict=False):
            row.next = following
        self.queue = StageQueue(self, self.rows)
        self.wish: list[tuple[Callable[[], object], Callable[[], bool]]] = []  # who waits, and what for: see `watch`
        self.ends: dict[int, str] = {}  # where those without a value have ended, by index
        self.read = 0  # guarded by the scheduler's lock, as are the next four
        self.handed_out = 0
        self._window = window
        self._succeeded = 0
        self._going: dict[int, PipelineItem] = {}
        self._items = items
        self._why = "the batch had ended"
        self.accepted = 0 if items is None else len(items)

    def enlist(self, listeners: Actions) -> None:
        """Begin; the listeners are called when it is done."""
        intake.enlist(self, [self._retire, *listeners])
        with self.scheduler.lock:
            if not self.done:
                self.scheduler.queues.add(self.queue)
        self.stir()
        if self._items == []:
            self.close()

    def begin_until(self, deadline: float | None) -> None:
        """No attempt is waited for beyond so many seconds from the start."""
        if deadline is not None:
            self.until = self.queue.until = self.since + deadline

    def _retire(self) -> None:
        scheduler, queue = self.scheduler, self.queue
        with scheduler.lock:
            scheduler.forget(queue)

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def at_hand(self) -> bool:
        """Whether nobody needs to feed it."""
        return self._items is not None

    @property
    def room(self) -> int:
        """How many more items may be read."""
        first = self.rows[0]
        ahead = first.buffer - (first.crowd - first.begun)
        return int(min(min(ahead, first.room) - self._entering, self._window - (self.read - self.handed_out)))

    @property
    def _entering(self) -> int:
        """How many of the inputs at hand were read and do not wait in front of the first stage yet."""
        return 0 if self._items is None else max(0, self.read + self.accepted - len(self._items))

    def thirsty(self) -> bool:
        """Whether it is worth while to read: half of what may wait in front is missing, or nothing waits there."""
        room, first = self.room, self.rows[0]
        return room > 0 and (2 * room >= min(first.buffer, self._window) or first.crowd == first.begun)

    def feed(self, item: Any) -> None:
        """Add an item; only one thread may."""
        passage = PipelineItem(self.read, item, self.scheduler.clock.monotonic())
        with self.scheduler.lock:
            self._going[self.read] = passage
            self.read += 1
        calls = self._calls(passage, self.rows[0], item)
        if calls:
            self.hand_in(calls, expected=0)
        else:
            self.stir()

    def stir(self) -> None:
        """An item has started, ended, or was handed out: read more if it is time to, and wake who waits for that."""
        items = self._items
        while items is not None and self.read < len(items) and not self.closed and self.thirsty():
            self._read_more(items)
        for entry in list(self.wish):
            if not entry[1]() and self._unwatch(entry):
                entry[0]()

    def _read_more(self, items: list[Any]) -> None:
        with self.scheduler.lock:
            first = self.read
            last = self.read = max(first, min(len(items), first + self.room))
        calls = [call for place in range(first, last) for call in self._enter(place, items[place])]
        with self.scheduler.lock:
            self.accepted -= 0 if self.ended else last - first - len(calls)
        self.hand_in(calls)
        if not self.accepted:  # and not when the last is read: another thread may still be about to hand some in
            self.close()

    def _enter(self, place: int, item: Any) -> list[StageCall]:
        passage = self._going[place] = PipelineItem(place, item, self.scheduler.clock.monotonic())
        return self._calls(passage, self.rows[0], item)

    def _calls(self, passage: PipelineItem, row: Row, value: Any) -> list[StageCall]:
        """The call of a stage for an item; none if it failed before it could be made, which is the item's end."""
        try:
            return [StageCall(self, row, passage, value)]
        except Exception as error:  # of a user's estimate of costs
            self.ends[passage.index] = row.name
            self._hand_out(passage, passage.end(FAILED, error, self.scheduler.clock.monotonic(), None))
            return []

    # -- waiting for it ----------------------------------------------------------------------------------------------

    def watch(self, wake: Callable[[], object], idle: Callable[[], bool]) -> bool:
        """Have ``wake()`` called once when ``idle()`` no longer holds; False if it does not hold now.

        Who waits says so first and then looks; who changes something does so first and then looks who waits.
        """
        entry = wake, idle
        self.wish.append(entry)
        if idle():
            return True
        self._unwatch(entry)
        return False

    def _unwatch(self, entry: Any) -> bool:
        try:
            self.wish.remove(entry)
        except ValueError:  # another thread was first
            return False
        return True

    # -- from stage to stage -----------------------------------------------------------------------------------------

    def queue_for(self, step: Step) -> CallQueue:
        """All stages share one."""
        return self.queue

    def follow(self, step: Step, raw: Raw) -> None:
        """Hand the item on, or out."""
        call: Any = step
        passage, following = call.passage, call.row.next
        passage.note(call, raw)
        status, payload = raw[3], raw[4]
        if status is SUCCEEDED and following is not None:
            calls = self._calls(passage, following, payload)
            if not calls or self.hand_in(calls, expected=0):
                if call.row.place == 0 or not calls:
                    self.stir()
                return
            status, payload = CANCELLED, TaskCancelled(self._why)
            call.row = following
        if status is not SUCCEEDED:
            self.ends[passage.index] = call.row.name
        self._hand_out(passage, passage.end(status, payload, raw[6], raw[7]))
        self.stir()

    def _hand_out(self, passage: PipelineItem, raw: Raw) -> None:
        after: Actions = []
        with self.scheduler.lock:
            passage.move(None)
            self.queue.offer(after)
            self._succeeded += raw[3] is SUCCEEDED
            self.collector.retried += retries_in(passage.attempts)
            self._going.pop(passage.index)
        self.scheduler.perform(after)
        self.collector.attempts[passage.index] = passage.attempts
        if passage.usage is not None:
            self.collector.usages[passage.index] = passage.usage
        self.record(raw)

    # -- as a queue --------------------------------------------------------------------------------------------------

    def waiting(self) -> int:
        """Those that were not read yet are queued."""
        return 0

    def unfinished(self) -> bool:
        """While items are to be read or on their way."""
        return self.active > 0 or self.accepted > 0

    def unwanted(self) -> bool:
        """Whether the scope in which it was made has ended."""
        return self.outer is not None and self.outer.cancelled

    def discard(self, reason: BaseException, after: Actions) -> None:
        """No call starts any more."""
        self._why = str(reason)
        super().discard(reason, after)
        after.append(self.stir)

    def forget(self) -> None:
        """As every relay; nobody waits any more."""
        self.wish.clear()
        super().forget()

    def in_order(self) -> list[Raw]:
        """The outcomes in input order; those that never started were cancelled."""
        return self.collector.in_order(self._total(), self._missing)

    def counts(self) -> dict[Status, int]:
        """How many outcomes there are of each status."""
        found = {**self.collector.failures, SUCCEEDED: self._succeeded}
        return {**found, CANCELLED: found.get(CANCELLED, 0) + self._total() - sum(found.values())}

    def _total(self) -> int:
        return self.read if self._items is None else len(self._items)

    def _missing(self, place: int) -> Raw:
        now = self.scheduler.clock.monotonic()
        passage = self._going.get(place) or PipelineItem(place, (self._items or ())[place], self.since)
        self.ends[place] = self.rows[0].name
        return passage.end(CANCELLED, TaskCancelled(self._why), now, None)

    def unstarted(self) -> list[Raw]:
        """The outcomes of items that were read and never came to be called, once it is done."""
        return [self._missing(place) for place in self._going if place not in self.collector.results]

    def report(self, raws: list[Raw], **figures: Any) -> Report[Any]:
        """What ``Ending`` makes of it."""
        stages = [(row.name, row.max_concurrent) for row in self.rows]
        return PipelineReport(raws, stages=stages, ends=self.ends, **figures)
