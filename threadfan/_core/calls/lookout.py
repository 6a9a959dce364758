"""Which first attempts take so long that a second one is to be made beside them.

They are those of an ``InputBatch``, or of a ``FirstCallQueue``.

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
    from typing import Any, Protocol

    from ..policies.hedge import Hedge
    from ..pool.terms import Key
    from ..pool.work_queue import Actions, Session
    from .call_queue import Call
    from .policy_queue import PolicyQueue

    class Queue(PolicyQueue, Protocol):
        """Whose first attempts they are."""

        done: bool

        def knows(self, key: Any, /) -> bool:
            """Whether what runs is a call with a state.  With the lock held."""

        def made_call(self, session: Session, key: Any, /) -> Call | None:
            """That call, which it is now at the latest; None if it has ended.  With the lock held."""

        def single(self, session: Session, key: Any, call: Any, known: bool, /) -> None:
            """It is not attempted a second time; ``known`` is what was the case before.  With the lock held."""


APART = 0.001
"""Seconds between two looks at least, by which a second attempt may come later than it should.  Arbitrary: what nobody
notices beside calls that are worth a second attempt, while those that are over at once must not keep it looking."""


class Lookout:
    """Of one queue.

    Attributes:
        dues: when the first attempts that run are to have a second one, by the keys of their claims.
    """

    __slots__ = ("_clock", "_earliest", "_hedge", "_next_look", "_queue", "_scheduler", "_take_back", "dues")

    def __init__(self, queue: Queue, hedge: Hedge) -> None:
        self._queue = weakref.ref(queue)  # which has the lookout: leave no cycle
        self._clock = queue.scheduler.clock
        self._scheduler = queue.scheduler  # and not its lock: in the child of a fork that is another one
        self._hedge = hedge
        self._next_look = FOREVER
        self._earliest = -FOREVER  # that it may look again
        self._take_back: Callable[[], None] | None = None
        self.dues: dict[Key, float] = {}

    # -- in a worker, without the lock -------------------------------------------------------------------------------

    def watch(self, key: Key, start: float) -> None:
        """A first attempt that has just written its claim starts now."""
        hedge = self._hedge
        with hedge.lock:
            hedge.began()
            due = start + hedge.delay()
        if due < FOREVER:
            self.dues[key] = due
            if due < self._next_look > self._earliest:
                self._announce(due)

    def succeeded(self, key: Key, seconds: float) -> None:
        """It has succeeded after so many."""
        self.dues.pop(key, None)
        hedge = self._hedge
        with hedge.lock:
            hedge.ended(seconds)

    def _announce(self, due: float) -> None:
        with self._scheduler.lock:
            before = self._plan(max(due, self._earliest))
        if before is not None:
            before()

    def rest(self) -> None:
        """There is nothing to look at; whoever says so may hold the lock."""
        with self._scheduler.lock:
            take_back, self._take_back, self._next_look = self._take_back, None, FOREVER
        if take_back is not None:
            take_back()

    # -- with the lock held ------------------------------------------------------------------------------------------

    def _plan(self, moment: float) -> Callable[[], None] | None:
        """Look at that moment, if it is sooner than planned; what takes back the plan before."""
        queue = self._queue()
        if moment >= self._next_look or queue is None or queue.done:
            return None
        before = self._take_back
        self._next_look = moment
        self._take_back = set_alarm(self._clock, moment, self._look, quick=True)
        return before

    # -- in the thread of alarms -------------------------------------------------------------------------------------

    def _look(self) -> None:
        queue = self._queue()
        if queue is None:
            return
        scheduler = queue.scheduler
        after: Actions = []
        with self._scheduler.lock:
            self._next_look, self._take_back = FOREVER, None  # first: see above
            now, nearest = self._clock.monotonic(), FOREVER
            self._earliest = now + APART
            owner: object = queue
            for session in [session for session in scheduler.at_work if session.queue is owner]:
                for key in session.claim.copy():
                    due = self.dues.get(key, FOREVER)
                    if due <= now:
                        self._attempt_again(queue, session, key, after)
                    else:
                        nearest = min(nearest, due)
            if nearest < FOREVER:
                self._plan(max(nearest, self._earliest))
        scheduler.perform(after)

    def _attempt_again(self, queue: Queue, session: Session, key: Key, after: Actions) -> None:
        self.dues.pop(key, None)
        claim, known = session.claim.get(key), queue.knows(key)
        call = queue.made_call(session, key)
        if claim is None or call is None:
            return
        call.session = session
        call.hedging = hedging = Hedging(queue, session, call, self._hedge, claim[2], key=key)
        # If the first has just ended its thread finds the call there, and tells ``hedging``; or it has looked before.
        if not hedging.make_second(after):
            queue.single(session, key, call, known)
