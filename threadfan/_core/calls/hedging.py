"""Hedging: a second attempt of a call that takes long, beside the first one; the first answer wins.

Guarantees: a call under hedging has exactly one end, as every call; the attempt that loses is cancelled, and its scope
ends whatever it waits for; an attempt that fails while the other goes on leaves the end to that one; there are never
more second attempts than the budget allows.

Guarded by ``scheduler.lock``: everything.
"""

from __future__ import annotations

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, SUCCEEDED
from ..pool.work_queue import GRACE
from ..scope.alarms import set_alarm
from .call_queue import Call
from .outcomes import NOBODY
from .policies import AttemptState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.outcome import Raw
    from ..policies.hedge import Hedge
    from ..pool.work_queue import Actions, Session
    from .policy_queue import PolicyQueue


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

    def begin(self, session: Session) -> bool:
        """Start; one that nobody wants any more ends there like any other attempt, for it may be the last."""
        self.session = session
        return True


class Hedging:
    """One attempt of a call, and another one if the first takes long.

    While the second waits for a slot or a permit, the first runs: if it ends meanwhile, the second is never made.

    Args:
        start: when the first attempt starts.
    """

    __slots__ = (
        "_alive",
        "_answer",
        "_failure",
        "_hedge",
        "_over",
        "_queue",
        "_scheduler",
        "_session",
        "_start",
        "_take_back",
        "call",
    )

    def __init__(self, queue: PolicyQueue, session: Session, call: Call, hedge: Hedge, start: float) -> None:
        self._queue = queue
        self._scheduler = queue.scheduler
        self._session = session
        self._hedge = hedge
        self.call = call
        self._start = start
        self._over = False
        self._failure: Raw | None = None  # of the attempt that ended before the other
        self._answer: Raw | None = None  # of the second, come while the first was about to say that it has ended
        self._alive: set[Call] = {call}
        with hedge.lock:
            if not call.state.attempts:
                hedge.began()
            delay = hedge.delay()
        self._take_back: Callable[[], None] | None = None
        if delay < FOREVER:
            self._take_back = set_alarm(self._scheduler.clock, start + delay, self._hedge_now, quick=True)

    def _hedge_now(self) -> None:
        """The first attempt takes long: make another."""
        scheduler, backlog = self._scheduler, self._queue.backlog
        after: Actions = []
        with scheduler.lock:
            if self._over or self.call not in self._session.claim or not backlog.can_go_on(self.call):
                return
            if self.call.state.once:
                return
            with self._hedge.lock:
                if not self._hedge.allow():
                    return
            second = HedgeAttempt(self.call, self, scheduler.clock.monotonic())
            self._alive.add(second)
            self._queue.extra_attempts += 1
            backlog.put_first(second, after)
        scheduler.perform(after)

    # -- with the lock held ------------------------------------------------------------------------------------------

    # ``queue.extra_attempts`` says how many attempts there are besides those that stand for their calls: of two that
    # go on all but one, of a call that has its end all that are left.

    def ended(self, who: Call, raw: Raw, after: Actions) -> Raw | None:
        """An attempt has ended, by itself or not; the end of the call, or None if that is another's affair."""
        self._alive.discard(who)
        if raw[5] is None and isinstance(who, HedgeAttempt):
            self._refund()
        last = None if self._over else self._decide(who, raw, after)
        if last is None:
            self._queue.extra_attempts -= 1
        elif last[3] is SUCCEEDED:
            with self._hedge.lock:
                self._hedge.ended(last[6] - self._start)
        return last if last is None or last[5] is None else (*last[:5], self._start, *last[6:])

    def _decide(self, who: Call, raw: Raw, after: Actions) -> Raw | None:
        if self._answer is not None:
            raw = self._answer
        elif raw[3] is SUCCEEDED:
            self.call.state.usage = who.state.usage
        elif who is not self.call or raw[3] is not CANCELLED:  # the first one's cancel is the call's
            self._drop_queued()
            if self._alive:
                self._failure = raw
                return None
            if self._failure is not None and raw[3] is CANCELLED:
                raw = self._instead_of(raw, self._failure)
        if self._finish(after):
            return raw
        self._answer = raw
        return None

    def _instead_of(self, cancelled: Raw, failure: Raw) -> Raw:
        """One attempt had failed, and the other was never made or was cancelled."""
        if cancelled[5] is None:
            return failure
        cancelled[4].__cause__ = failure[4]
        return cancelled

    def _finish(self, after: Actions) -> bool:
        """End the other attempt; False if that is the first, and its thread is about to say so: it tells the end.

        Else a call that is tried again could have two attempts with one state.
        """
        self._over = True
        if not self._end_other(TaskCancelled("another attempt of this call was faster"), after):
            self._over = False
            return False
        if self._take_back is not None:
            after.append(self._take_back)
        self.call.hedging = None  # leave no cycle
        return True

    def _end_other(self, error: BaseException, after: Actions) -> bool:
        self._drop_queued()
        for other in list(self._alive):
            other.unwanted = other.unwanted or other is not self.call
            session = other.session
            ended = session is not None and self._scheduler.timer.end(
                session, other, CANCELLED, error, after, grace=GRACE
            )
            if not ended and other is self.call:
                return False
        return True

    def give_up(self) -> None:
        """Nobody waits for the call any more.  Without the lock."""
        after: Actions = []
        with self._scheduler.lock:
            self._drop_queued()
            for second in [other for other in self._alive if other is not self.call]:
                second.unwanted = True
                if second.session is not None:
                    error = TaskCancelled(NOBODY)
                    self._scheduler.timer.end(second.session, second, CANCELLED, error, after, grace=GRACE)
        self._scheduler.perform(after)

    def _drop_queued(self) -> None:
        for other in list(self._alive):
            if other is not self.call and self._queue.backlog.take_out(other):
                self.drop(other)

    def drop(self, second: Call) -> None:
        """The second attempt is not in the backlog any more, and will not be made."""
        self._alive.discard(second)
        self._queue.extra_attempts -= 1
        self._refund()

    def _refund(self) -> None:
        with self._hedge.lock:
            self._hedge.extra -= 1
