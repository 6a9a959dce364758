"""The calls of a pipeline that do not run: which of them may start, and how limits hold them, stage by stage."""

from __future__ import annotations

from itertools import chain

from ..calls.backlog import Backlog
from ..calls.breakers import admit
from .stage_state import StageCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..calls.call_queue import Call
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, WorkQueue
    from .stage_state import StageState


class WaitingCalls:
    """What waits in front of all stages, later stages first: what a backlog has for one row of calls."""

    def __init__(self, stages: list[StageState]) -> None:
        self._stages = stages

    def __len__(self) -> int:
        return sum(len(stage.entries) for stage in self._stages)

    def __iter__(self) -> Iterator[Call]:
        return chain.from_iterable(stage.entries for stage in reversed(self._stages))

    def __contains__(self, call: Call) -> bool:
        return call in stage_of(call).entries

    def append(self, call: Call) -> None:
        """Put a call in front of its stage, behind all others."""
        stage_of(call).entries.append(call)

    def appendleft(self, call: Call) -> None:
        """Put a call first in front of its stage."""
        stage_of(call).entries.appendleft(call)

    def others(self, call: Call) -> bool:
        """Whether any waits in front of the same stage."""
        return bool(stage_of(call).entries)

    def remove(self, call: Call) -> None:
        """Take a call out; ValueError if it is not there."""
        stage_of(call).entries.remove(call)

    def mend(self) -> None:
        """Nothing is counted besides."""

    def clear(self) -> None:
        """Take out all."""
        for stage in self._stages:
            stage.entries.clear()


def stage_of(call: Call) -> StageState:
    """The stage of a call, or of the call whose second attempt it is."""
    if not isinstance(call, StageCall):
        assert call.hedging is not None  # noqa: S101 -- there are no others
        call = call.hedging.call
    return call.stage  # type: ignore[attr-defined,no-any-return]  # of a pipeline there are no other calls


class StageBacklog(Backlog):
    """The calls of all stages that do not run.

    It stands in waitlists itself, and not each of its stages, for they take turns.
    """

    comes_at: float | None = None  # it is invited, always

    def __init__(self, queue: WorkQueue, scheduler: Scheduler, stages: list[StageState]) -> None:
        policies = [stage.options.policies for stage in stages if stage.options.policies is not None]
        waitlists = set().union(*(one.waitlists for one in policies))
        super().__init__(queue, scheduler, waitlists, WaitingCalls(stages))
        self.stages = stages

    def ready(self) -> int:
        """How many items may start now, given slots."""
        return len(self.undecided) + sum(stage.could_start() for stage in self.stages)

    def waiting(self) -> int:
        """How many back off or wait for a limit."""
        return len(self.backing_off) + sum(len(stage.entries) for stage in self.stages if stage.held)

    def limited(self, now: float, call: Call | None = None) -> float:
        """Seconds that the call's stage was held, or the one that was held longest."""
        return max(stage.limited(now) for stage in self.stages) if call is None else stage_of(call).limited(now)

    def take_entry(self) -> Call | None:
        """An item of the latest stage that may start one."""
        for stage in reversed(self.stages):
            if stage.entries and stage.could_start() and self._may_start(stage):
                call = stage.entries.popleft()
                stage.running += 1
                if isinstance(call, StageCall) and not call.begun:
                    call.begun = call.pipeline_item.begun = True
                    stage.begun += 1
                return call
        return None

    def _may_start(self, stage: StageState) -> bool:
        call = stage.entries[0]
        if call.policies is not None:
            now = self.clock.monotonic()
            if not admit(self.scheduler, call, call.policies, self):
                stage.hold(now)
                return False
            stage.let_through(now)
        return True

    # -- as one who waits for limits ---------------------------------------------------------------------------------

    def invite(self) -> None:
        """A limit is open for one of its calls."""
        after: Actions = []
        with self.scheduler.lock:
            wanted = set()
            for stage in self.stages:
                stage.held = False
                if stage.entries and stage.options.policies is not None:
                    wanted |= stage.options.policies.waitlists
            for waitlist in self.waitlists - wanted:
                waitlist.leave(self, self.clock)
            self.offer(after)
        self.scheduler.perform(after)

    def leave_waitlists(self) -> None:
        """No call needs a permit any more."""
        for stage in self.stages:
            stage.let_through(self.clock.monotonic())
        for waitlist in self.waitlists:
            waitlist.leave(self, self.clock)
