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

from ..base.locks import Briefly
from ..base.outcome import END
from ..calls.attempts import Attempts
from ..calls.call_queue import perform_call, tell_end
from ..calls.policy_queues import PolicyCallQueue
from ..pool.priorities import rank
from ..pool.work_queue import QUANTUM
from .stage_backlog import StageBacklog, stage_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ..base.outcome import Raw
    from ..calls.call_queue import Call
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, ConcurrencyLimit, Session
    from .stage_state import StageState

    class Run(Protocol):
        """What the queue has to know of the run whose calls wait in it."""

        scheduler: Scheduler
        cap: ConcurrencyLimit
        depth: int
        ended: list[bool]
        options: Options

        def unwanted(self) -> bool: ...
        def stir(self) -> None: ...


class StageQueue(PolicyCallQueue):
    """The calls of one run of a pipeline, from which threads pull."""

    def __init__(self, run: Run, stages: list[StageState]) -> None:
        super().__init__(run.scheduler, run.cap, run.depth, set())
        rank(self, run.options.priority)
        self.backlog = StageBacklog(self, run.scheduler, stages)
        self.lock = Briefly(run.scheduler.lock)
        self.ended = run.ended  # one list for both: what ends the one stops the other in that moment
        self._run_ref = weakref.ref(run)  # which has the queue: leave no cycle; it lives while anything of it runs

    # -- with the lock held ------------------------------------------------------------------------------------------

    def add(self, call: Call, after: Actions) -> None:
        """Put an item in front of its next stage; it leaves the one before."""
        stage = stage_of(call)
        call.queue = self
        call.pipeline_item.move_locked(stage)  # type: ignore[attr-defined]  # those of a pipeline have one
        if call.policies is not None:
            now = self.scheduler.clock.monotonic()
            call.state.joins(now, stage.limited(now))
        stage.entries.append(call)
        self.accepted += 1
        self.offer(after)

    def add_own(self, call: Call) -> None:
        """The same from a thread that is about to look for an item here, and whether others are needed."""
        stage = stage_of(call)
        call.queue = self
        call.pipeline_item.move_locked(stage)  # type: ignore[attr-defined]
        stage.entries.append(call)
        self.accepted += 1

    def offer(self, after: Actions) -> None:
        """Something has changed: have threads come if any item may start."""
        slots = self.scheduler.slots
        if not self.queued or (slots.free > 0 and not slots.waking):  # else nobody more can come
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

    def run(self) -> None:
        """Run attempts one after another.

        The place of one, the next item, and who else is needed are seen to at once, for the lock is what threads with
        short calls meet at.
        """
        session, scheduler, queue, depth = self._session, self._scheduler, self._stages, self._stages.depth
        run_queue = scheduler.run_queue
        until = scheduler.clock.monotonic() + QUANTUM
        session.judging = True  # first: the call counts as running from the moment that it is taken
        call, session.first = session.first, None
        try:
            while call is not None:
                stage = stage_of(call)
                runs = call.policies is None or call.state.undecided is None  # else it has no place, and is judged
                if stage.place == 0:
                    queue.stir()
                end = self.attempt(call)
                session.judging = False
                call = None  # a parked thread must not keep a result alive
                if end is None:
                    return
                leaves = run_queue.pressure > depth and (run_queue.pressure >= depth + 1 or end > until)
                after: Actions = []
                with queue.lock:
                    stage.running -= runs
                    if not leaves:
                        call = queue.take()
                        session.judging = call is not None
                    queue.offer(after)
                if after:
                    scheduler.perform(after)
        finally:
            del self, call, session  # leave no cycle: see ``calls.call_queue``

    def _make_plainly(self, call: Call) -> float | None:
        raw, session = None, self._session
        try:
            if not call.begin(session):
                return self._scheduler.clock.monotonic()
            raw = perform_call(session, call, self._observer)
            if raw is None:
                return None
            tell_end(session, call, raw, self._observer)
            session.judging = False  # first: whoever learns of the end may look at the figures
            self._stages.finish(call, raw)
            return raw[END]
        finally:
            del self, call, raw, session  # leave no cycle: see ``calls.call_queue``
