"""Attempts of calls under policies: permits, the word of other processes, the start, the call itself, and its end.

Guarantee: whatever fails here besides the call itself, the call has exactly one end: from this thread, or from whoever
pops its claim meanwhile.
"""

from __future__ import annotations

from enum import Enum

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, END, FAILED, PAYLOAD, STATUS, SUCCEEDED
from ..events import log
from ..limits.rate_waitlist import STALL
from ..policies.returned import error_in
from ..pool.work_queue import QUANTUM
from . import breakers, total_time
from .call_queue import perform_call, tell_end
from .hedging import HedgeAttempt, Hedging
from .lane_backlog import LaneBacklog
from .limit_reports import reading_of, tell_limits
from .outcomes import NOBODY, cancelled, without_attempt
from .short_waits import stay
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.outcome import Raw
    from ..limits.rate_waitlist import RateWaitlist
    from ..policies.breaker import Breaker
    from ..policies.reading import Reading
    from ..pool.work_queue import Actions, Session
    from .call_queue import Call
    from .policies import Policies
    from .policy_queue import PolicyQueue


class Asked(Enum):
    """What has become of a call that asked other processes for room under its limit."""

    GOES_ON = "there is room; or nobody waits for the call any more, and it ends where it would begin"
    PUT_BACK = "there is no room, and it is in the backlog again"
    TAKEN_AWAY = "while it asked somebody else has ended it, or put it back: this thread has nothing to do with it"


class Attempts:
    """What one worker does in its stay at a queue of calls under policies."""

    __slots__ = ("_observer", "_queue", "_scheduler", "_session", "_verdicts")

    def __init__(self, queue: PolicyQueue, session: Session) -> None:
        self._queue = queue
        self._session = session
        self._scheduler = queue.scheduler
        self._observer = log.observer()
        self._verdicts = Verdicts(queue)

    def run(self) -> None:
        """Run attempts one after another."""
        session, scheduler, backlog, depth = self._session, self._scheduler, self._queue.backlog, self._queue.depth
        run_queue = scheduler.run_queue
        clock, took = scheduler.clock.monotonic, FOREVER
        until = clock() + QUANTUM
        session.judging = bool(session.first)  # first: the call counts as running from the moment that it is taken
        call, session.first = session.first, None
        try:
            while call is not None:
                if not call:
                    call = stay(backlog, session, took) if isinstance(backlog, LaneBacklog) else None
                    continue
                begun = clock()
                end = self.attempt(call)
                took = FOREVER if end is None else end - begun
                session.judging = False
                call = None  # a parked thread must not keep a result alive
                if end is None or (run_queue.pressure > depth and (run_queue.pressure >= depth + 1 or end > until)):
                    return
                with scheduler.lock:
                    call = backlog.take()
                    session.judging = bool(call)
        finally:
            del self, call, session  # leave no cycle: see ``call_queue``

    def attempt(self, call: Call) -> float | None:
        """Make one attempt; its end, or None if somebody else has settled it.

        Whatever fails in it besides the call itself, the call has an end.
        """
        session = self._session
        try:
            return self._make(call)
        except BaseException as error:
            if not session.judging or call in session.claim or call.hedging is not None:
                raise  # it has its end, or whoever looks at the claims sees to it
            now = self._scheduler.clock.monotonic()
            self._verdicts.conclude(session, call, without_attempt(call, FAILED, error, now))
            return now
        finally:
            del self, call, session  # leave no cycle: see ``call_queue``

    def _make(self, call: Call) -> float | None:
        try:
            if call.policies is None:
                return self._make_plainly(call)
            now = self._scheduler.clock.monotonic()
            if self._is_settled(call, now):
                return now
            waitlist = call.policies.waitlist
            if waitlist is not None and waitlist.shared:
                asked = self._ask(call, waitlist)
                if asked is Asked.TAKEN_AWAY:
                    return None
                now = self._scheduler.clock.monotonic()
                if asked is Asked.PUT_BACK:
                    return now
            return self._begin(call, call.policies, now)
        finally:
            del self, call  # leave no cycle: see ``call_queue``

    def _make_plainly(self, call: Call) -> float | None:
        """A call under no policies, beside others that are under some: its only attempt."""
        raw = None
        try:
            raw = perform_call(self._session, call, self._observer)
            if raw is None:
                return None
            tell_end(self._session, call, raw, self._observer)
            self._verdicts.conclude(self._session, call, raw)
            return raw[END]
        finally:
            del self, call, raw  # leave no cycle: see ``call_queue``

    def _is_settled(self, call: Call, now: float) -> bool:
        """Whether there is nothing to attempt: it is to be judged, or cannot be made at all."""
        state, session = call.state, self._session
        if state.undecided is not None:
            raw, state.undecided = state.undecided, None
            self._verdicts.judge(session, call, raw, True, None, self._observer)
            return True
        if state.shut_out and call.policies is not None and call.policies.breaker is not None:
            self._shut_out(call, call.policies, call.policies.breaker, now)
            return True
        if state.flaw is None or not call.begin(session):
            return False
        raw = without_attempt(call, FAILED, state.flaw, now)
        tell_end(session, call, raw, self._observer)
        self._verdicts.conclude(session, call, raw)
        return True

    def _shut_out(self, call: Call, policies: Policies, breaker: Breaker, now: float) -> None:
        """The breaker lets it make no attempt."""
        if isinstance(call, HedgeAttempt):  # which never runs; the first attempt goes on, or has left the end to this
            call.begin(self._session)
            error = TaskCancelled("its breaker has let no further attempt start")
            self._follow(call, policies, (call.index, call.item, call.since, CANCELLED, error, None, now, None))
        elif policies.fallback is not None and self._falls_back(call, breaker, now):
            return
        elif call.begin(self._session):
            raw = breakers.refused(breaker, call, now)
            tell_end(self._session, call, raw, self._observer)
            self._verdicts.conclude(self._session, call, raw)
        elif call.state.attempts:  # it had begun, so whoever cancelled it has left its end to us
            self._verdicts.conclude(self._session, call, cancelled(call, TaskCancelled(NOBODY), now))

    def _falls_back(self, call: Call, breaker: Breaker, now: float) -> bool:
        return self._verdicts.falls_back(self._session, call, breakers.refused(breaker, call, now))

    # -- before the call ---------------------------------------------------------------------------------------------

    def _ask(self, call: Call, waitlist: RateWaitlist) -> Asked:
        """Ask the other processes whether they leave room for it.

        The answer may take a while.  Meanwhile the call has a claim, as one that runs, so that from outside it can be
        ended, or put back after ``STALL`` seconds (see ``endings``): nobody waits for this thread then.
        """
        state, session, scheduler, backlog = call.state, self._session, self._scheduler, self._queue.backlog
        permit = state.permit
        if permit is None or call.policies is None:
            return Asked.GOES_ON
        call.session = session  # first: whoever ends the call marks it, and then looks here or for the claim
        state.asking = True
        now = scheduler.clock.monotonic()
        session.claim[call] = call.item, call.since, now
        wait = 0.0
        if not self._is_needless(call):
            if now + STALL < scheduler.timer.next_look:
                scheduler.timer.announce(now + STALL)
            wait = waitlist.ask(scheduler.clock)
        if session.claim.pop(call, None) is None:
            return Asked.TAKEN_AWAY
        state.asking, call.session = False, None
        if wait <= 0.0:
            return Asked.GOES_ON
        waitlist.postpone(permit, wait, scheduler.clock)
        state.permit = None
        call.policies.give_back(state, scheduler.clock)
        after: Actions = []
        with scheduler.lock:
            needless = self._is_needless(call)
            if not needless:
                backlog.put_back(call, after)
        scheduler.perform(after)
        return Asked.GOES_ON if needless else Asked.PUT_BACK

    def _is_needless(self, call: Call) -> bool:
        """Whether nobody waits for the call, so that it would end before its function is called."""
        return not self._queue.backlog.can_go_on(call) or (call.outer is not None and call.outer.cancelled)

    def _begin(self, call: Call, policies: Policies, now: float) -> float | None:
        """Begin the attempt, unless the call was cancelled or a hook of the user's ends it."""
        state, session, scheduler, verdicts = call.state, self._session, self._scheduler, self._verdicts
        verdict = ended = hedging = None
        try:
            if not call.begin(session):
                policies.give_back(state, scheduler.clock)
                if state.attempts:  # it had begun, so whoever cancelled it has left its end to us
                    verdicts.conclude(session, call, cancelled(call, TaskCancelled(NOBODY), now))
                return now
            with scheduler.lock:
                state.starts(now, self._queue.backlog.limited(now, call))
                if policies.total is not None:
                    total_time.bound(call, policies.total)
                before = session.forget_scope()  # of an attempt before
            del before
            verdict = verdicts.before_attempt(call, now)
            if verdict is not None:
                policies.give_back(state, scheduler.clock)
                ended = without_attempt(call, SUCCEEDED if verdict[1] else FAILED, verdict[2], now)
                verdicts.conclude(session, call, ended)
                return now
            if policies.breaker is not None:
                breakers.mark_trial(policies.breaker, call)
            if policies.hedge is not None and not isinstance(call, HedgeAttempt):
                call.session = session
                hedging = call.hedging = Hedging(self._queue, session, call, policies.hedge, now)
                hedging.watch()
            return self._perform(call, policies)
        finally:
            del self, call, session, state, verdicts, verdict, ended, hedging  # leave no cycle: see ``call_queue``

    # -- the call, and after it --------------------------------------------------------------------------------------

    def _perform(self, call: Call, policies: Policies) -> float | None:
        raw = None
        try:
            raw = perform_call(self._session, call, self._observer)
            if raw is None:
                return None
            self._follow(call, policies, raw)
            return raw[END]
        finally:
            del self, call, raw  # leave no cycle: see ``call_queue``

    def follow_first(self, call: Call, raw: Raw) -> None:
        """What follows the first attempt of a call of an ``InputBatch``, which was none before that ended."""
        session = self._session
        try:
            if call.policies is not None:
                self._follow(call, call.policies, raw)
        except BaseException as error:
            if not session.judging or call.hedging is not None:
                raise  # as of any other attempt
            now = self._scheduler.clock.monotonic()
            self._verdicts.conclude(session, call, without_attempt(call, FAILED, error, now))
        finally:
            del self, call, raw, session  # leave no cycle: see ``call_queue``

    def _follow(self, call: Call, policies: Policies, raw: Raw) -> None:
        """Have an attempt that has ended by itself followed by what comes after it."""
        ended = error = said = None
        try:
            if raw[STATUS] is SUCCEEDED and policies.judged:
                error = error_in(raw[PAYLOAD])
                if error is not None:  # something may be done about it
                    raw = (*raw[:3], FAILED, error, *raw[5:])
            if raw[STATUS] is SUCCEEDED and call.hedging is None and (policies.retry is None or policies.retry.plain):
                self._succeeded(call, policies, raw)
                return
            if policies.total is not None:
                raw = total_time.told(call, policies.total, raw, self._queue.function_of(call))
            said = reading_of(raw)
            ended = self._ended(call, policies, raw, said)
            if ended is not None:
                if said is not None and said.error is not ended[1][PAYLOAD]:
                    said = None  # the call ends as another attempt of it
                self._verdicts.judge(self._session, *ended, said, self._observer)
        finally:
            del self, call, raw, ended, error, said  # leave no cycle: see ``call_queue``

    def _succeeded(self, call: Call, policies: Policies, raw: Raw) -> None:
        """An attempt has a value, and nobody has to be asked whether that is the call's."""
        try:
            if policies.told:
                after: Actions = []
                tell_limits(self._queue, call, policies, raw, None, after)
                self._scheduler.perform(after)
            call.state.ended(raw)
            tell_end(self._session, call, raw, self._observer)
            self._verdicts.conclude(self._session, call, raw)
        finally:
            del self, call, raw  # leave no cycle: see ``call_queue``

    def _ended(self, call: Call, policies: Policies, raw: Raw, said: Reading | None) -> tuple[Call, Raw, bool] | None:
        """An attempt has ended by itself: of which call, how, and whether it counts; None if another one goes on."""
        after: Actions = []
        counted = tell_limits(self._queue, call, policies, raw, said, after)
        hedging = call.hedging
        last: Raw | None = raw
        with self._scheduler.lock:
            call.state.ended(raw)
            if hedging is not None:
                last = hedging.ended(call, raw, after)
                self._session.judging = last is not None  # under the lock: whoever counts calls sees both or neither
            if last is not None and policies.total is not None:
                total_time.spend(call if hedging is None else hedging.call, last)
        if after:
            self._scheduler.perform(after)
        return None if last is None else (call if hedging is None else hedging.call, last, counted)
