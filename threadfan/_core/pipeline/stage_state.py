"""A stage in one run of a pipeline, the items on their way, and their calls."""

from __future__ import annotations

from collections import deque

from ..base.outcome import START
from ..batches.task_group import Step
from .outcome import StageAttempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.attempt import Status
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..batches.task_group import TaskGroup
    from ..calls.call_queue import Call
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from .stages import Stage


class StageState:
    """One stage in one run: what waits in front of it, and what is in it.

    Guarded by ``scheduler.lock``.  ``present`` counts the items that have come to the stage and not left it, ``begun``
    those of them that have started there (some may wait for another attempt), ``running`` the calls.
    """

    __slots__ = (
        "begun",
        "buffer",
        "entries",
        "fn",
        "held",
        "held_for",
        "held_since",
        "max_concurrent",
        "name",
        "next",
        "options",
        "place",
        "present",
        "running",
        "scheduler",
    )  # fmt: skip

    def __init__(
        self, scheduler: Scheduler, place: int, name: str, one: Stage, fn: Callable[..., object], options: Options
    ) -> None:
        self.scheduler = scheduler
        self.place = place
        self.name = name
        self.fn = fn
        self.options = options
        self.max_concurrent = one.max_concurrent
        self.buffer = 2 * scheduler.slots.total if one.buffer is None else one.buffer
        self.next: StageState | None = None
        self.entries: deque[Call] = deque()
        self.present = self.begun = self.running = 0
        self.held = False  # by a rate limit
        self.held_since: float | None = None
        self.held_for = 0.0  # seconds, all in all

    @property
    def places(self) -> int:
        """How many calls may run at once."""
        slots = self.scheduler.slots.total
        return slots if self.max_concurrent is None else min(self.max_concurrent, slots)

    @property
    def room(self) -> int:
        """How many more items may start in the stage before."""
        return self.buffer + self.places - self.present

    def could_start(self) -> int:
        """How many of those that wait could start, given slots."""
        waiting, most = len(self.entries), self.max_concurrent
        free = waiting if most is None else min(waiting, most - self.running)
        if free <= 0 or self.held:
            return 0
        first = self.entries[0]
        if self.next is not None and isinstance(first, StageCall) and not first.begun:
            free = min(free, self.next.room - self.begun)
        return max(0, free)

    def hold(self, now: float) -> None:
        """A rate limit lets nothing of it start."""
        self.held = True
        if self.held_since is None:
            self.held_since = now

    def let_through(self, now: float) -> None:
        """Nothing holds it."""
        self.held_for, self.held_since, self.held = self.limited(now), None, False

    def limited(self, now: float) -> float:
        """Seconds that it was held until now."""
        return self.held_for + (0.0 if self.held_since is None else now - self.held_since)


class PipelineItem:
    """One item on its way through the stages.

    Args:
        index: its place in the input.
        value: the input.
        since: when it was read.
    """

    __slots__ = ("attempts", "begun", "index", "retries", "since", "stage", "start", "usage", "value")

    def __init__(self, index: int, value: object, since: float) -> None:
        self.index = index
        self.value = value
        self.since = since
        self.start: float | None = None  # of its first call
        self.stage: StageState | None = None  # that it waits for or is in
        self.begun = False  # there
        self.attempts: list[StageAttempt] = []
        self.retries = 0  # attempts that were not the first of their stage
        self.usage: Usage | None = None

    def move_locked(self, stage: StageState | None) -> None:
        """Leave its stage for another one, or for good."""
        if self.stage is not None:
            self.stage.present -= 1
            self.stage.begun -= self.begun
        self.stage, self.begun = stage, False
        if stage is not None:
            stage.present += 1

    def note(self, call: StageCall, raw: Raw) -> None:
        """What its call in a stage has come to."""
        start, name, later = raw[START], call.stage.name, call.since - self.since
        if start is not None and self.start is None:
            self.start = start
        if call.usage is not None:
            self.usage = call.usage if self.usage is None else self.usage + call.usage
        if call.policies is not None:
            attempts = call.state.attempts
            self.attempts += StageAttempt.of_each(name, attempts, later)
            self.retries += max(0, len(attempts) - 1)
        elif (attempt := StageAttempt.of_one(name, raw, later)) is not None:
            self.attempts.append(attempt)

    def end(self, status: Status, payload: object, end: float, worker: str | None) -> Raw:
        """Its outcome."""
        return (self.index, self.value, self.since, status, payload, self.start, end, worker)


class StageCall(Step):
    """The call of one stage for one item.

    Args:
        value: what the stage before has returned.
    """

    begun = False  # it was taken to be started, for the first time

    def __init__(self, run: TaskGroup, stage: StageState, item: PipelineItem, value: object) -> None:
        super().__init__(run, stage.options, item.index, stage.fn, (value,), item=item.value)
        self.stage = stage
        self.pipeline_item = item
