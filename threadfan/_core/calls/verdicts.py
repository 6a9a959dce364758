"""What follows an attempt: another one, or the call's outcome, and that of others which wait for the same limit.

Guarantees: the outcome of a call is final when the verdict is; until then a ``Future`` counts as running.  Code of the
user's (policies that hold any) runs in workers, outside of every lock.
"""

from __future__ import annotations

import time
from functools import partial
from random import random

from ..base.errors import LimitExhausted
from ..base.outcome import CANCELLED, END, FAILED, PAYLOAD, START, STATUS, SUCCEEDED
from ..events import log
from ..policies.reading import Reading
from ..policies.retry_state import pause_before
from ..policies.returned import ErrorAnswer
from ..pool.deadline_timer import EVENT
from . import breakers, total_time
from .call_queue import tell_end
from .fallbacks import chain, falls_back
from .giving_way import gives_way
from .hedging import HedgeAttempt
from .outcomes import without_attempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.outcome import Raw
    from ..limits.rate_waitlist import RateWaitlist
    from ..policies.breaker import Breaker
    from ..policies.retry_state import Verdict
    from ..pool.work_queue import Actions, Session
    from .call_queue import Call
    from .policies import Policies
    from .policy_queue import PolicyQueue


class Verdicts:
    """On the calls of one queue; made when they are needed, as queue and verdicts must not hold each other."""

    __slots__ = ("_queue", "_scheduler")

    def __init__(self, queue: PolicyQueue) -> None:
        self._queue = queue
        self._scheduler = queue.scheduler

    # -- in a worker, without the lock -------------------------------------------------------------------------------

    def before_attempt(self, call: Call, now: float) -> Verdict | None:
        """What the policy of retries says before an attempt; None to make it."""
        state, retry = call.state, None if call.policies is None else call.policies.retry
        if retry is None or isinstance(call, HedgeAttempt) or (state.retry is None and retry.silent):
            return None  # what it knows of the call is made when that fails
        try:
            if state.retry is None:
                state.retry = retry.new_state(now, call.fn, call.args, call.kwargs)
            return state.retry.begin(now)
        except BaseException as error:  # of the user's code, which must not cost the call its outcome
            return None, False, error

    def judge(
        self,
        session: Session,
        call: Call,
        raw: Raw,
        counted: bool,
        said: Reading | None,
        observer: log.Observer | None,
    ) -> None:
        """Have an attempt followed by another one or by the outcome.

        Args:
            counted: False for a refusal that the limits see to.
            said: what its error says, if that was found out before.
        """
        policies = call.policies
        wait, ok, payload = self.after_attempt(call, raw, counted, said)
        if wait is not None:
            actions: Actions = []
            with self._scheduler.lock:
                postponed = self.postpone_locked(call, wait, raw, actions)
                session.judging = not postponed
            if actions:
                self._scheduler.perform(actions)
            if postponed:
                if type(raw[PAYLOAD]) is ErrorAnswer:
                    raw[PAYLOAD].let_go()
                return
        refusal = None if ok else payload
        if not ok and self.falls_back(session, call, (*raw[:PAYLOAD], payload, *raw[START:])):
            self._tell_others(session, policies, refusal, said)
            return
        if type(payload) is ErrorAnswer:  # nothing is done about it after all
            ok, payload = True, payload.response
        elif not ok:
            chain(call.state, payload)
        if ok and type(raw[PAYLOAD]) is ErrorAnswer:
            last = call.state.attempts[-1]
            last.status, last.error = SUCCEEDED, None
        if payload is not raw[PAYLOAD] or ok is not (raw[STATUS] is SUCCEEDED):
            raw = (*raw[:3], SUCCEEDED if ok else FAILED, payload, *raw[5:])
        tell_end(session, call, raw, observer)
        self.conclude(session, call, raw, refusal, said)

    def conclude(
        self,
        session: Session,
        call: Call,
        raw: Raw,
        refusal: BaseException | None = None,
        said: Reading | None = None,
    ) -> None:
        """The call has its outcome; a refusal may be that of all who wait for the same limit."""
        session.judging = False  # first: whoever learns of the end may look at the figures
        self._queue.finish(call, raw)
        self._tell_others(session, call.policies, refusal, said)

    def _tell_others(
        self, session: Session, policies: Policies | None, refusal: BaseException | None, said: Reading | None
    ) -> None:
        if policies is None or refusal is None:
            return
        breaker, waitlist = policies.breaker, policies.waitlist
        if breaker is not None and breakers.would_shut_out(breaker, self._scheduler.clock.monotonic()):
            self._give_up(session, partial(_is_under, breaker), partial(self._shut_out, breaker))
        if waitlist is None:
            return
        if said is None or said.error is not refusal:
            said = Reading(refusal)
        if said.account_word is not None:
            why = f"the provider refuses all calls of {waitlist.limit!r}: {said.account_word}"
        elif said.overload and waitlist.hopeless():
            why = f"{waitlist.limit!r} has let nothing through for long"
        else:
            return
        self._give_up(session, partial(_waits_for, waitlist), partial(self._exhausted, refusal, why), waitlist)

    def _give_up(
        self,
        session: Session,
        concerned: Callable[[Call], bool],
        outcome: Callable[[Call], Raw],
        waitlist: RateWaitlist | None = None,
    ) -> None:
        """Calls of the queue that wait would wait for nothing, so they fail too."""
        backlog = self._queue.backlog
        with self._scheduler.lock:
            waiting = [call for call in backlog.entries if concerned(call) and not isinstance(call, HedgeAttempt)]
            for call in waiting:
                backlog.entries.remove(call)
            aside = [call for call in backlog.giving_way if concerned(call)]
            waiting += [call for call in aside if backlog.withdraw(call)]
            if waitlist is not None:
                waiting += self._queue.inputs_under(waitlist)
            after: Actions = []
            waiting = [call for call in waiting if not self._replaced_locked(call, outcome, after)]
            if not backlog.entries:
                backlog.leave_waitlists()
        if after:
            self._scheduler.perform(after)
        for call in waiting:
            if call.begin(session):
                self._queue.finish(call, outcome(call))

    def falls_back(self, session: Session, call: Call, raw: Raw) -> bool:
        """Whether a call that would end so has a fallback, which is called then."""
        if call.policies is None or call.policies.fallback is None:
            return False
        after: Actions = []
        with self._scheduler.lock:
            found = falls_back(self._queue, call, raw, after)
            session.judging = session.judging and not found
        self._scheduler.perform(after)
        if found and type(raw[PAYLOAD]) is ErrorAnswer:
            raw[PAYLOAD].let_go()
        return found

    def _replaced_locked(self, call: Call, outcome: Callable[[Call], Raw], after: Actions) -> bool:
        """The same of one that waits, and will not be made itself."""
        if call.policies is None or call.policies.fallback is None:
            return False
        call.state.discards = self._queue.backlog.discards
        return falls_back(self._queue, call, outcome(call), after)

    def _exhausted(self, refusal: BaseException, why: str, call: Call) -> Raw:
        error = LimitExhausted(f"this call was not made: {why}")
        error.__cause__ = refusal
        return without_attempt(call, FAILED, error, self._scheduler.clock.monotonic())

    def _shut_out(self, breaker: Breaker, call: Call) -> Raw:
        return breakers.refused(breaker, call, self._scheduler.clock.monotonic())

    def after_attempt(self, call: Call, raw: Raw, counted: bool, said: Reading | None) -> Verdict:
        """What the policy of retries says after an attempt, or the limit that refused it."""
        ok, payload = raw[STATUS] is SUCCEEDED, raw[PAYLOAD]
        if raw[STATUS] is CANCELLED or call.unwanted or call.state.once:
            return None, ok, payload
        if not counted and call.policies is not None and call.policies.waitlist is None:
            # No limit has all calls wait.
            return pause_before(call.state.refusals, None if said is None else said.asked, random), ok, payload
        retry = None if call.policies is None else call.policies.retry
        if retry is None or (ok and retry.plain):
            return (None if ok or counted else 0.0), ok, payload
        retry_state = call.state.retry
        try:
            if retry_state is None:
                retry_state = call.state.retry = retry.new_state(raw[START] or 0.0, call.fn, call.args, call.kwargs)
                retry_state.begin(raw[START] or 0.0)
            return retry_state.decide(raw[END], ok, payload, counted=counted, wall=time.time(), said=said)
        except BaseException as error:  # of the user's code, as before
            if not ok and error.__context__ is None and error is not payload:
                error.__context__ = payload
            return None, False, error

    # -- with the lock held ------------------------------------------------------------------------------------------

    def postpone_locked(self, call: Call, wait: float, raw: Raw, after: Actions) -> bool:
        """Have another attempt made after so many seconds; False if nobody would wait for it."""
        scheduler, queue = self._scheduler, self._queue
        now = scheduler.clock.monotonic()
        due = now + wait
        if not queue.backlog.can_go_on(call) or due >= queue.until:
            return False
        policies = call.policies
        if policies is not None and policies.total is not None and total_time.is_over(call, policies.total, wait):
            return False
        breaker = None if policies is None else policies.breaker
        if breaker is not None and breakers.would_shut_out(breaker, due):
            return False
        outer = queue.outer_of(call)
        if outer is not None and outer.live and due >= outer.deadline:
            return False
        if wait > 0:
            queue.backlog.back_off(call, now, due)
        elif not gives_way(queue, call, after):
            queue.backlog.put_first(call, after)
        scheduler.figures.count_retry()
        if log.in_use():
            attempts = len(call.state.attempts)
            tell = partial(log.call_retried, scheduler.name, queue.function_of(call), raw, attempts, wait)
            after.append(lambda: scheduler.callbacks.tell(tell, EVENT))
        return True


def _waits_for(waitlist: RateWaitlist, call: Call) -> bool:
    """Whether a call is under this limit."""
    return call.policies is not None and call.policies.waitlist is waitlist


def _is_under(breaker: Breaker, call: Call) -> bool:
    return call.policies is not None and call.policies.breaker is breaker
