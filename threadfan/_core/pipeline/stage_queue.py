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

from ..calls.attempts import Attempts
from ..calls.policy_queues import PolicyCallQueue
from .stage_backlog import StageBacklog, stage_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ..base.outcome import Raw
    from ..calls.call_queue import Call
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, ConcurrencyLimit, Session
    from .stage_state import StageState

    class Run(Protocol):
        """What the queue has to know of the run whose calls wait in it."""

        scheduler: Scheduler
        cap: ConcurrencyLimit
        depth: int
        ended: list[bool]

        def unwanted(self) -> bool: ...
        def stir(self) -> None: ...


class StageQueue(PolicyCallQueue):
    """The calls of one run of a pipeline, from which threads pull."""

    def __init__(self, run: Run, stages: list[StageState]) -> None:
        super().__init__(run.scheduler, run.cap, run.depth, set())
        self.backlog = StageBacklog(self, run.scheduler, stages)
        self.ended = run.ended  # one list for both: what ends the one stops the other in that moment
        self._run_ref = weakref.ref(run)  # which has the queue: leave no cycle; it lives while anything of it runs

    # -- with the lock held ------------------------------------------------------------------------------------------

    def add(self, call: Call, after: Actions) -> None:
        """Put an item in front of its next stage; it leaves the one before."""
        stage, now = stage_of(call), self.scheduler.clock.monotonic()
        call.queue = self
        call.pipeline_item.move_locked(stage)  # type: ignore[attr-defined]  # those of a pipeline have one
        if call.policies is not None:
            call.state.joins(now, stage.limited(now))
        stage.entries.append(call)
        self.accepted += 1
        self.offer(after)

    def offer(self, after: Actions) -> None:
        """Something has changed: have threads come if any item may start."""
        self.backlog.offer(after)

    def unwanted(self) -> bool:
        """Whether the scope in which the run was made has ended."""
        run = self._run_ref()
        return run is not None and run.unwanted()

    # -- starts and ends ---------------------------------------------------------------------------------------------

    def run(self, session: Session) -> None:
        """Run attempts one after another."""
        try:
            StageAttempts(self, session).run()
        finally:
            del self, session  # leave no cycle: see ``calls.call_queue``

    def stir(self) -> None:
        """An item is about to be in the first stage: the run may read the next.  Without the lock."""
        run = self._run_ref()
        if run is not None:
            run.stir()

    def settle(self, key: Call, raw: Raw, after: Actions) -> bool:
        """A call was ended from outside, and its place in the stage is free."""
        stage_of(key).running -= 1
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
        stage = stage_of(call)
        judged = call.policies is not None and call.state.undecided is not None  # it does not run
        if stage.place == 0:
            self._stages.stir()
        try:
            if call.policies is None and not call.begin(self._session):
                end: float | None = self._scheduler.clock.monotonic()
            else:
                end = super().attempt(call)
            if end is not None and not judged:
                after: Actions = []
                with self._scheduler.lock:
                    stage.running -= 1
                    self._stages.offer(after)
                self._scheduler.perform(after)
            return end
        finally:
            del self, call  # leave no cycle: see ``calls.call_queue``
