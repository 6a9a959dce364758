"""Hedging: a second attempt of a call that takes long, beside the first one; the first answer wins.

Guarantees: a call under hedging has exactly one end, as every call; the attempt that loses is cancelled, and its scope
ends whatever it waits for; an attempt that fails while the other goes on leaves the end to that one; there are never
more second attempts than the budget allows.

An attempt that ends has the end of the call if it has an answer, if the call was cancelled, or if it is the last one.
Then the other one is ended, whose own end is not the call's any more.  There is one case in which that is not possible:
the second has an answer, and the first has just ended by itself, so that its thread is about to say so.  Then that
thread gets the answer and has the end; else it would go on with a call that may have been tried again by now, and the
two attempts would have one state.

Guarded by ``scheduler.lock``: everything.
"""

from __future__ import annotations

from enum import Enum

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, END, PAYLOAD, START, STATUS, SUCCEEDED
from ..pool.work_queue import GRACE
from ..scope.alarms import set_alarm
from . import total_time
from .call_queue import Call
from .outcomes import NOBODY
from .policies import AttemptState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..policies.hedge import Hedge
    from ..pool.work_queue import Actions, Session
    from .policy_queue import PolicyQueue


class Elsewhere(Enum):
    """Why the end of an attempt is not that of its call."""

    OVER = "the call has its end: this attempt has lost"
    OTHER_GOES_ON = "this attempt has failed, and the other may succeed"
    LEFT_TO_FIRST = "the thread of the first attempt is about to say that it has ended, and tells this answer"


class HedgeAttempt(Call):
    """The second attempt of a call."""

    def __init__(self, call: Call, hedging: Hedging, now: float) -> None:
        self.fn, self.args, self.kwargs, self.context = call.fn, call.args, call.kwargs, call.context
        self.timeout, self.index, self.item, self.outer = call.timeout, call.index, call.item, call.outer
        self.policies = call.policies
        self.since = now
        self.state = AttemptState(call.state.cost, now)
        self.state.handed_in = call.state.handed_in
        self.state.attempts = call.state.attempts
        self.hedging = hedging
        if call.policies is not None and call.policies.total is not None:
            total_time.bound_second(self, call, now - hedging._start)

    def begin(self, session: Session) -> bool:
        """Start; one that nobody wants any more ends there like any other attempt, for it may be the last."""
        self.session = session
        return True

    def spend(self, usage: Usage) -> None:
        """From that of its call."""
        hedging = self.hedging  # read once: the call may get its end at any moment
        if hedging is not None:
            hedging.call.spend(usage)


class Hedging:
    """One attempt of a call, and another one if the first takes long.

    While the second waits for a slot or a permit, the first runs: if it ends meanwhile, the second is never made.

    Args:
        start: when the first attempt starts.
        key: by which the session has the claim of the first attempt; None for the call itself.
    """

    __slots__ = (
        "_alive",
        "_answer",
        "_failure",
        "_hedge",
        "_key",
        "_over",
        "_queue",
        "_scheduler",
        "_session",
        "_start",
        "_take_back",
        "call",
    )

    def __init__(
        self, queue: PolicyQueue, session: Session, call: Call, hedge: Hedge, start: float, *, key: object = None
    ) -> None:
        self._queue = queue
        self._scheduler = queue.scheduler
        self._session = session
        self._hedge = hedge
        self.call = call
        self._key: object = call if key is None else key
        self._start = start
        self._over = False  # the call has its end, or is being given it: whoever ends now has lost
        self._failure: Raw | None = None  # of the attempt that failed while the other went on
        self._answer: Raw | None = None  # of the second, left to the first: see ``Elsewhere.LEFT_TO_FIRST``
        self._alive: set[Call] = {call}  # at most the two
        self._take_back: Callable[[], None] | None = None

    def watch(self) -> None:
        """See to it that there is a second attempt if the first takes long; before that starts, without the lock."""
        hedge = self._hedge
        with hedge.lock:
            if not self.call.state.attempts:
                hedge.began()
            delay = hedge.delay()
        if delay < FOREVER:
            self._take_back = set_alarm(self._scheduler.clock, self._start + delay, self._hedge_now, quick=True)

    def _hedge_now(self) -> None:
        after: Actions = []
        with self._scheduler.lock:
            self.make_second(after)
        self._scheduler.perform(after)

    # -- with the lock held ------------------------------------------------------------------------------------------

    def make_second(self, after: Actions) -> bool:
        """The first attempt takes long: make another, unless the budget or the call forbids it; say whether."""
        backlog = self._queue.backlog
        if self._over or self._key not in self._session.claim or not backlog.can_go_on(self.call):
            return False
        if self.call.state.once:
            return False
        with self._hedge.lock:
            if not self._hedge.allow():
                return False
        second = HedgeAttempt(self.call, self, self._scheduler.clock.monotonic())
        self._alive.add(second)
        self._queue.extra_attempts += 1
        backlog.put_first(second, after)
        return True

    # ``queue.extra_attempts`` says how many attempts there are besides those that stand for their calls: of two that
    # go on all but one, of a call that has its end all that are left.

    def ended(self, who: Call, raw: Raw, after: Actions) -> Raw | None:
        """An attempt has ended, by itself or not; the end of the call, or None if that is told elsewhere."""
        self._alive.discard(who)
        if raw[START] is None and isinstance(who, HedgeAttempt):
            self._refund()
        last = self._end_of_call(who, raw, after)
        if isinstance(last, Elsewhere):
            self._queue.extra_attempts -= 1
            return None
        if last[STATUS] is SUCCEEDED:
            with self._hedge.lock:
                self._hedge.ended(last[END] - self._start)
        return last if last[START] is None else (*last[:START], self._start, *last[END:])

    def _end_of_call(self, who: Call, raw: Raw, after: Actions) -> Raw | Elsewhere:
        """The end that the call has, now that this attempt has ended."""
        if self._over:
            return Elsewhere.OVER
        call_cancelled = who is self.call and raw[STATUS] is CANCELLED  # the first one's cancel is the call's
        if self._answer is not None:  # so this is the first
            raw = self._answer
        elif raw[STATUS] is SUCCEEDED:
            self.call.state.usage = who.state.usage
        elif not call_cancelled:
            self._drop_queued(after)
            if self._alive:
                self._failure = raw
                return Elsewhere.OTHER_GOES_ON
            if self._failure is not None and raw[STATUS] is CANCELLED:
                raw = self._instead_of(raw, self._failure)
        if not self._finish(after):
            self._answer = raw
            return Elsewhere.LEFT_TO_FIRST
        return raw

    def _instead_of(self, cancelled: Raw, failure: Raw) -> Raw:
        """One attempt had failed, and the other was never made or was cancelled."""
        if cancelled[START] is None:
            return failure
        cancelled[PAYLOAD].__cause__ = failure[PAYLOAD]
        return cancelled

    def _finish(self, after: Actions) -> bool:
        """End the other attempt, if there is one; False if that is the first, and has just ended by itself."""
        self._over = True  # first: that end comes here too, and finds that it has lost
        if not self._end_other(TaskCancelled("another attempt of this call was faster"), after):
            self._over = False  # it has not lost: the end of the call is told by it
            return False
        if self._take_back is not None:
            after.append(self._take_back)
        self.call.hedging = None  # leave no cycle
        return True

    def _end_other(self, error: BaseException, after: Actions) -> bool:
        self._drop_queued(after)
        for other in list(self._alive):
            other.unwanted = other.unwanted or other is not self.call
            session = other.session
            ended_here = session is not None and self._scheduler.timer.end(
                session, self._key if other is self.call else other, CANCELLED, error, after, grace=GRACE
            )
            if other is self.call and not ended_here:
                return False
        return True

    def give_up(self) -> None:
        """Nobody waits for the call any more.  Without the lock."""
        after: Actions = []
        with self._scheduler.lock:
            self._drop_queued(after)
            for second in [other for other in self._alive if other is not self.call]:
                second.unwanted = True
                if second.session is not None:
                    error = TaskCancelled(NOBODY)
                    self._scheduler.timer.end(second.session, second, CANCELLED, error, after, grace=GRACE)
        self._scheduler.perform(after)

    def _drop_queued(self, after: Actions) -> None:
        for other in list(self._alive):
            if other is not self.call and self._queue.backlog.take_out(other):
                self.drop(other)
                self._queue.backlog.offer(after)  # others may have stood behind it

    def drop(self, second: Call) -> None:
        """The second attempt is not in the backlog any more, and will not be made."""
        self._alive.discard(second)
        self._queue.extra_attempts -= 1
        self._refund()

    def _refund(self) -> None:
        with self._hedge.lock:
            self._hedge.extra -= 1
