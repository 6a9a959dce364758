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
from itertools import chain

from ..calls.policy_queues import PolicyCallQueue
from .stage_state import StageCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from ..base.outcome import Raw
    from ..calls.call_queue import Call
    from ..events import log
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, ConcurrencyLimit, Session
    from .stage_state import StageState

    class Run(Protocol):
        """What the queue has to know of the run whose calls wait in it."""

        scheduler: Scheduler
        group: ConcurrencyLimit
        depth: int
        ended: list[bool]

        def unwanted(self) -> bool: ...
        def stir(self) -> None: ...


class WaitingCalls:
    """What waits in front of all stages, later stages first: what a queue of calls takes for one deque."""

    def __init__(self, stages: list[StageState]) -> None:
        self._stages = stages

    def __len__(self) -> int:
        return sum(len(stage.entries) for stage in self._stages)

    def __iter__(self) -> Iterator[Call]:
        return chain.from_iterable(stage.entries for stage in reversed(self._stages))

    def __contains__(self, call: Call) -> bool:
        return call in stage_of(call).entries

    def appendleft(self, call: Call) -> None:
        """Put a call first in front of its stage."""
        stage_of(call).entries.appendleft(call)

    def remove(self, call: Call) -> None:
        """Take a call out; ValueError if it is not there."""
        stage_of(call).entries.remove(call)

    def mend(self) -> None:
        """Nothing is counted besides."""

    def clear(self) -> None:
        """Take out all."""
        for stage in self._stages:
            stage.entries.clear()


def stage_of(call: Any) -> StageState:
    """The stage of a call, or of the call whose second attempt it is."""
    stage: StageState = call.stage if isinstance(call, StageCall) else call.race.call.stage
    return stage


class StageQueue(PolicyCallQueue):
    """The calls of one run of a pipeline, from which threads pull."""

    def __init__(self, run: Run, stages: list[StageState]) -> None:
        lines = set().union(*(stage.options.policies.lines for stage in stages if stage.options.policies is not None))
        super().__init__(run.scheduler, run.group, run.depth, lines)
        self.stages = stages
        self.ended = run.ended  # one list for both: what ends the one stops the other in that moment
        self.entries = WaitingCalls(stages)
        self._run_ref = weakref.ref(run)  # which has the queue: leave no cycle; it lives while anything of it runs

    # -- pulling: with the lock held ---------------------------------------------------------------------------------

    def add(self, call: Call, after: Actions) -> None:
        """Put an item in front of its next stage; it leaves the one before."""
        step: Any = call
        step.queue, stage, now = self, step.stage, self.scheduler.clock.monotonic()
        step.pipeline_item.move_locked(stage)
        if step.policies is not None:
            step.state.joins(now, stage.limited(now))
        stage.entries.append(step)
        self.accepted += 1
        self.offer(after)

    def offer(self, after: Actions) -> None:
        """Something has changed: have threads come if any item may start."""
        if self.ready():
            self.scheduler.offer(self, after)

    def ready(self) -> int:
        """How many items may start now, given slots."""
        return len(self.undecided) + sum(stage.could_start() for stage in self.stages)

    def take(self) -> Call | None:
        """An item of the latest stage that may start one."""
        if self.undecided:
            return self._taken(self.undecided.popleft())
        for stage in reversed(self.stages):
            if stage.could_start() and self._may_start(stage):
                call = stage.entries.popleft()
                stage.running += 1
                if isinstance(call, StageCall) and not call.begun:
                    call.begun = call.pipeline_item.begun = True
                    stage.begun += 1
                return self._taken(call)
        return None

    def _may_start(self, stage: StageState) -> bool:
        call, now = stage.entries[0], self.scheduler.clock.monotonic()
        if call.policies is not None and not self._let(call, call.policies, self):
            stage.hold(now)
            return False
        stage.let_through(now)
        return True

    def unwanted(self) -> bool:
        """Whether the scope in which the run was made has ended."""
        run = self._run_ref()
        return run is not None and run.unwanted()

    # -- at limits ---------------------------------------------------------------------------------------------------

    def limited_for(self, call: Call, now: float) -> float:
        """Seconds that its stage was held."""
        return stage_of(call).limited(now)

    def limited(self, now: float) -> float:
        """Seconds that the stage was held that was held longest."""
        return max(stage.limited(now) for stage in self.stages)

    def waiting(self) -> int:
        """How many back off or wait for a limit."""
        return len(self.backing_off) + sum(len(stage.entries) for stage in self.stages if stage.held)

    def invite(self, _: object = None) -> None:
        """A limit is open for one of its calls: here the queue itself stands in line, for its stages take turns."""
        after: Actions = []
        with self.scheduler.lock:
            wanted = set()
            for stage in self.stages:
                stage.held = False
                if stage.entries and stage.options.policies is not None:
                    wanted |= stage.options.policies.lines
            for line in self.lines - wanted:
                line.leave(self, self.scheduler.clock)
            self.offer(after)
        self.scheduler.perform(after)

    def _leave_lines(self) -> None:
        self._let_through()
        for line in self.lines:
            line.leave(self, self.scheduler.clock)

    def _let_through(self) -> None:
        for stage in self.stages:
            stage.let_through(self.scheduler.clock.monotonic())

    # -- starts and ends ---------------------------------------------------------------------------------------------

    def _attempt(self, session: Session, call: Call, observer: log.Observer | None) -> float | None:
        stage = stage_of(call)
        judged = call.state is not None and call.state.undecided is not None  # it does not run
        run = self._run_ref()
        if stage.place == 0 and run is not None:
            run.stir()
        try:
            if call.policies is None and not call.begin(session):
                end: float | None = self.scheduler.clock.monotonic()
            else:
                end = super()._attempt(session, call, observer)
        finally:
            run = call = session = None  # type: ignore[assignment]  # leave no cycle: see ``executor.calls``
        if end is not None and not judged:
            after: Actions = []
            with self.scheduler.lock:
                stage.running -= 1
                self.offer(after)
            self.scheduler.perform(after)
        return end

    def settle(self, key: Any, raw: Raw, after: Actions) -> bool:
        """A call was ended from outside, and its place in the stage is free."""
        stage_of(key).running -= 1
        final = super().settle(key, raw, after)
        self.offer(after)
        return final

    def _abandon(self, call: Call, reason: BaseException, after: Actions) -> None:
        if call.policies is None:
            call.refuse(reason, after)
        else:
            super()._abandon(call, reason, after)
