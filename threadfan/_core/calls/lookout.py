"""Which first attempts of an ``InputBatch`` take so long that a second one is to be made beside them.

There is no alarm for each call, since hardly any call is late.  As the deadline timer does, it looks when the first
that runs can be due: it forgets when it will look *before* it reads when each is due, so whoever reads an early moment
there is seen by that very look.

Guarded by the scheduler's lock: everything but ``dues``, in which the thread of each call has an entry of its own.
"""

from __future__ import annotations

import weakref

from ..base.clock import FOREVER
from ..scope.alarms import set_alarm
from .hedging import Hedging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ..policies.hedge import Hedge
    from ..pool.work_queue import Actions, Session
    from .policy_queue import PolicyQueue
    from .task_batch import TaskCall

    class Batch(PolicyQueue, Protocol):
        """An ``InputBatch``, as it is known here."""

        made: dict[int, TaskCall]
        done: bool

        def made_call(self, session: Session, index: int) -> TaskCall | None:
            """What an input that runs has become, now at the latest; None if it has ended.  With the lock held."""


APART = 0.001
"""Seconds between two looks at least, by which a second attempt may come later than it should.  Arbitrary: what nobody
notices beside calls that are worth a second attempt, while those that are over at once must not keep it looking."""


class Lookout:
    """Of one batch.

    Attributes:
        dues: when the first attempts that run are to have a second one, by index.
    """

    __slots__ = ("_batch", "_clock", "_earliest", "_hedge", "_lock", "_next_look", "_take_back", "dues")

    def __init__(self, batch: Batch, hedge: Hedge) -> None:
        self._batch = weakref.ref(batch)  # which has the lookout: leave no cycle
        self._clock = batch.scheduler.clock
        self._lock = batch.scheduler.lock
        self._hedge = hedge
        self._next_look = FOREVER
        self._earliest = -FOREVER  # that it may look again
        self._take_back: Callable[[], None] | None = None
        self.dues: dict[int, float] = {}

    # -- in a worker, without the lock -------------------------------------------------------------------------------

    def watch(self, index: int, start: float) -> None:
        """A first attempt that has just written its claim starts now."""
        hedge = self._hedge
        with hedge.lock:
            hedge.began()
            due = start + hedge.delay()
        if due < FOREVER:
            self.dues[index] = due
            if due < self._next_look > self._earliest:
                self._announce(due)

    def succeeded(self, index: int, seconds: float) -> None:
        """It has succeeded after so many."""
        self.dues.pop(index, None)
        hedge = self._hedge
        with hedge.lock:
            hedge.ended(seconds)

    def _announce(self, due: float) -> None:
        with self._lock:
            before = self._plan(max(due, self._earliest))
        if before is not None:
            before()

    # -- with the lock held ------------------------------------------------------------------------------------------

    def rest(self) -> None:
        """The batch is done: there is nothing to look at.  Without the lock."""
        with self._lock:
            take_back, self._take_back, self._next_look = self._take_back, None, FOREVER
        if take_back is not None:
            take_back()

    def _plan(self, moment: float) -> Callable[[], None] | None:
        """Look at that moment, if it is sooner than planned; what takes back the plan before."""
        batch = self._batch()
        if moment >= self._next_look or batch is None or batch.done:
            return None
        before = self._take_back
        self._next_look = moment
        self._take_back = set_alarm(self._clock, moment, self._look, quick=True)
        return before

    # -- in the thread of alarms -------------------------------------------------------------------------------------

    def _look(self) -> None:
        batch = self._batch()
        if batch is None:
            return
        scheduler = batch.scheduler
        after: Actions = []
        with self._lock:
            self._next_look, self._take_back = FOREVER, None  # first: see above
            now, nearest = self._clock.monotonic(), FOREVER
            self._earliest = now + APART
            owner: object = batch
            for session in [session for session in scheduler.draining if session.queue is owner]:
                for index in session.claim.copy():
                    due = self.dues.get(index, FOREVER)
                    if due <= now:
                        self._attempt_again(batch, session, index, after)
                    else:
                        nearest = min(nearest, due)
            if nearest < FOREVER:
                self._plan(max(nearest, self._earliest))
        scheduler.perform(after)

    def _attempt_again(self, batch: Batch, session: Session, index: int, after: Actions) -> None:
        self.dues.pop(index, None)
        claim, known = session.claim.get(index), index in batch.made
        call = batch.made_call(session, index)
        if claim is None or call is None:
            return
        call.session = session
        call.hedging = hedging = Hedging(batch, session, call, self._hedge, claim[2], key=index)
        # If the first has just ended its thread finds the call there, and tells ``hedging``; or it has looked before.
        if not hedging.make_second(after) and not known and batch.made.pop(index, None) is not None:
            call.hedging = None  # leave no cycle
