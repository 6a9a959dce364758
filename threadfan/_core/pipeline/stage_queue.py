"""Which item of a pipeline may enter its next stage.

Guarantees, at every moment and counted under the lock of the fan:

- Never more than ``max_concurrent`` calls of a stage run (second attempts by hedging among them).
- An item takes its place in front of a stage when it starts in the stage before, so that it can be put down there
  without holding a slot or a thread.  At most ``buffer`` + ``max_concurrent`` items are between the start of the
  stage before and the end of the stage; so while a stage is full, at most ``buffer`` wait in front of it.  (Counted
  that way and not without the stage's own places, a buffer of 1 would have the stage before work on one item at a
  time.)
- No slot is free while an item could start: a thread that has a slot takes an item of the latest stage that may start
  one.  Items get finished before others are begun, and what waits in between stays little.
- It cannot block for ever, on one slot either: the last stage waits for nobody, and each other only for the next.
"""

from __future__ import annotations

import weakref
from collections import deque
from itertools import chain

from ..batches.task_group import Step
from ..calls.attempts import Attempts
from ..calls.backlog import Backlog
from ..calls.policy_queues import PolicyCallQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..base.outcome import Raw
    from ..calls.call_queue import Call
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, Session
    from .pipeline_run import PipelineItem, PipelineRun
    from .stages import Stage


class Row:
    """One stage in one run: what waits in front of it, and what is in it.

    Guarded by ``scheduler.lock``.  ``crowd`` counts the items that have come to the stage and not left it, ``begun``
    those of them that have started there (some may wait for another attempt), ``running`` the calls.
    """

    __slots__ = (
        "begun",
        "buffer",
        "crowd",
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
        "running",
        "scheduler",
    )  # fmt: skip

    def __init__(
        self, scheduler: Scheduler, place: int, name: str, one: Stage, fn: Callable[..., Any], options: Options
    ) -> None:
        self.scheduler = scheduler
        self.place = place
        self.name = name
        self.fn = fn
        self.options = options
        self.max_concurrent = one.max_concurrent
        self.buffer = 2 * scheduler.slots.total if one.buffer is None else one.buffer
        self.next: Row | None = None
        self.entries: deque[Call] = deque()
        self.crowd = self.begun = self.running = 0
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
        return self.buffer + self.places - self.crowd

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


class StageCall(Step):
    """The call of one stage for one item."""

    begun = False  # it was taken to be started, for the first time

    def __init__(self, flow: PipelineRun, row: Row, passage: PipelineItem, value: Any) -> None:
        super().__init__(flow, row.options, passage.index, row.fn, (value,), item=passage.item)
        self.row = row
        self.passage = passage


class Entries:
    """What waits in all rows, later stages first: what a backlog has for one row."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return sum(len(row.entries) for row in self._rows)

    def __iter__(self) -> Iterator[Call]:
        return chain.from_iterable(row.entries for row in reversed(self._rows))

    def __contains__(self, call: Call) -> bool:
        return call in row_of(call).entries

    def append(self, call: Call) -> None:
        """Put a call in front of its stage, behind all others."""
        row_of(call).entries.append(call)

    def appendleft(self, call: Call) -> None:
        """Put a call first in front of its stage."""
        row_of(call).entries.appendleft(call)

    def remove(self, call: Call) -> None:
        """Take a call out; ValueError if it is not there."""
        row_of(call).entries.remove(call)

    def mend(self) -> None:
        """Nothing is counted besides."""

    def clear(self) -> None:
        """Take out all."""
        for row in self._rows:
            row.entries.clear()


def row_of(call: Any) -> Row:
    """The stage of a call, or of the call whose second attempt it is."""
    row: Row = call.row if isinstance(call, StageCall) else call.hedging.call.row
    return row


class StageBacklog(Backlog):
    """The calls of all stages that do not run.

    It stands in waitlists itself, and not each of its stages, for they take turns.
    """

    def __init__(self, queue: StageQueue, rows: list[Row]) -> None:
        waitlists = set().union(*(row.options.policies.waitlists for row in rows if row.options.policies is not None))
        super().__init__(queue.scheduler, queue, waitlists, Entries(rows))
        self.rows = rows

    def ready(self) -> int:
        """How many items may start now, given slots."""
        return len(self.undecided) + sum(row.could_start() for row in self.rows)

    def waiting(self) -> int:
        """How many back off or wait for a limit."""
        return len(self.backing_off) + sum(len(row.entries) for row in self.rows if row.held)

    def limited(self, now: float, call: Call | None = None) -> float:
        """Seconds that the call's stage was held, or the one that was held longest."""
        return max(row.limited(now) for row in self.rows) if call is None else row_of(call).limited(now)

    def take_entry(self) -> Call | None:
        """An item of the latest stage that may start one."""
        for row in reversed(self.rows):
            if row.could_start() and self._may_start(row):
                call = row.entries.popleft()
                row.running += 1
                if isinstance(call, StageCall) and not call.begun:
                    call.begun = call.passage.begun = True
                    row.begun += 1
                return call
        return None

    def _may_start(self, row: Row) -> bool:
        call, now = row.entries[0], self.clock.monotonic()
        if call.policies is not None and not call.policies.admit(call.state, self, self.clock):
            row.hold(now)
            return False
        row.let_through(now)
        return True

    # -- as one who waits for limits ---------------------------------------------------------------------------------

    def invite(self) -> None:
        """A limit is open for one of its calls."""
        after: Actions = []
        with self.scheduler.lock:
            wanted = set()
            for row in self.rows:
                row.held = False
                if row.entries and row.options.policies is not None:
                    wanted |= row.options.policies.waitlists
            for waitlist in self.waitlists - wanted:
                waitlist.leave(self, self.clock)
            self.offer(after)
        self.scheduler.perform(after)

    def leave_waitlists(self) -> None:
        """No call needs a permit any more."""
        now = self.clock.monotonic()
        for row in self.rows:
            row.let_through(now)
        for waitlist in self.waitlists:
            waitlist.leave(self, self.clock)


class StageQueue(PolicyCallQueue):
    """The calls of one run of a pipeline, from which threads pull."""

    def __init__(self, flow: PipelineRun, rows: list[Row]) -> None:
        super().__init__(flow.scheduler, flow.group, flow.depth, set())
        self.backlog = StageBacklog(self, rows)
        self.ended = flow.ended  # one list for both: what ends the one stops the other in that moment
        self._flow = weakref.ref(flow)  # which has the queue: leave no cycle; it lives while anything of it runs

    def add(self, call: Call, after: Actions) -> None:
        """Put an item in front of its next stage; it leaves the one before.  With the lock held."""
        step: Any = call
        step.queue, row, now = self, step.row, self.scheduler.clock.monotonic()
        step.passage.move(row)
        if step.policies is not None:
            step.state.joins(now, row.limited(now))
        row.entries.append(step)
        self.accepted += 1
        self.offer(after)

    def offer(self, after: Actions) -> None:
        """Something has changed: have threads come if any item may start.  With the lock held."""
        self.backlog.offer(after)

    def unwanted(self) -> bool:
        """Whether the scope in which the run was made has ended."""
        flow = self._flow()
        return flow is not None and flow.unwanted()

    def stir(self) -> None:
        """The first stage has begun an item: the run may read the next."""
        flow = self._flow()
        if flow is not None:
            flow.stir()

    def run(self, session: Session) -> None:
        """Run attempts one after another."""
        try:
            StageAttempts(self, session).run()
        finally:
            del self, session  # leave no cycle: see ``calls.call_queue``

    def settle(self, key: Call, raw: Raw, after: Actions) -> bool:
        """A call was ended from outside, and its place in the stage is free."""
        row_of(key).running -= 1
        final = super().settle(key, raw, after)
        self.offer(after)
        return final

    def abandon_locked(self, call: Call, reason: BaseException, after: Actions) -> None:
        """A call will not be tried (again)."""
        if call.policies is None:
            call.refuse(reason, after)
        else:
            super().abandon_locked(call, reason, after)


class StageAttempts(Attempts):
    """Attempts of calls that have a place in their stage, which is free when they end."""

    __slots__ = ("_stages",)

    def __init__(self, queue: StageQueue, session: Session) -> None:
        super().__init__(queue, session)
        self._stages = queue

    def attempt(self, call: Call) -> float | None:
        """See ``Attempts``."""
        row = row_of(call)
        judged = call.policies is not None and call.state.undecided is not None  # it does not run
        if row.place == 0:
            self._stages.stir()
        try:
            if call.policies is None and not call.begin(self._session):
                end: float | None = self._scheduler.clock.monotonic()
            else:
                end = super().attempt(call)
            if end is not None and not judged:
                after: Actions = []
                with self._scheduler.lock:
                    row.running -= 1
                    self._stages.offer(after)
                self._scheduler.perform(after)
            return end
        finally:
            del self, call  # leave no cycle: see ``calls.call_queue``
