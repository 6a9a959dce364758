"""Attempts of calls under rules: what comes before each, and what follows it.

Guarantees: the outcome of a call is final when the verdict is; until then a ``Future`` counts as running.  Code of the
user's (policies that hold any) runs in workers, outside of every lock.
"""

from __future__ import annotations

import time
from functools import partial
from random import random

from ..base.clock import FOREVER
from ..base.errors import LimitExhausted, TaskCancelled
from ..base.outcome import CANCELLED, FAILED, SUCCEEDED, TIMED_OUT
from ..base.usage import usage_of
from ..events import log
from ..limits.adaptive_limit import PATIENCE
from ..limits.waitlist import STALL
from ..policies.responses import is_overload
from ..policies.retry_after import plain_headers, retry_after_of
from ..policies.retry_state import pause_before
from ..policies.returned import ErrorAnswer, error_in
from ..policies.words import account_word
from ..pool.work_queue import QUANTUM
from .call_queue import perform_call, tell_end
from .hedging import HedgeAttempt, Hedging
from .policy_queue import NOBODY, PolicyQueue
from .request_permits import RequestPermits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..limits.waitlist import Waitlist
    from ..policies.retry_state import Verdict
    from ..pool.work_queue import Actions, Session
    from .call_queue import Call


class PolicyAttempts(PolicyQueue):
    """What is mixed into a queue of calls under rules."""

    def run(self, session: Session) -> None:
        """Run attempts one after another."""
        scheduler, run_queue, depth = self.scheduler, self.scheduler.run_queue, self.depth
        until = scheduler.clock.monotonic() + QUANTUM
        observer = log.observer()
        session.judging = True  # first: the call counts as running from the moment that it is taken
        call, session.first = session.first, None
        try:
            while call is not None:
                end = self._attempt(session, call, observer)
                session.judging = False
                call = None  # a parked thread must not keep a result alive
                if end is None or (run_queue.pressure > depth and (run_queue.pressure >= depth + 1 or end > until)):
                    return
                with scheduler.lock:
                    call = self.take()
                    session.judging = call is not None
        finally:
            del self, call, session  # leave no cycle: see ``calls``

    def _attempt(self, session: Session, call: Call, observer: log.Observer | None) -> float | None:
        """``_make_attempt``; whatever fails in it besides the call itself, the call has an end."""
        try:
            return self._make_attempt(session, call, observer)
        except BaseException as error:
            if not session.judging or call in session.claim or call.race is not None:
                raise  # it has its end, or whoever looks at the claims sees to it
            self._conclude(session, call, self._raw(call, FAILED, error))
            return self.scheduler.clock.monotonic()
        finally:
            del self, call, session  # leave no cycle: see ``calls``

    def _make_attempt(self, session: Session, call: Call, observer: log.Observer | None) -> float | None:
        """Make one attempt; its end, or None if somebody else has settled it."""
        state, now = call.state, self.scheduler.clock.monotonic()
        if call.policies is None:
            try:
                raw = perform_call(session, call, observer)
                if raw is not None:
                    tell_end(session, call, raw, observer)
                    self._conclude(session, call, raw)
                return None if raw is None else raw[6]
            finally:
                raw = None
                del self, call, session, state  # leave no cycle: see ``calls``
        if state.undecided is not None:
            raw, state.undecided = state.undecided, None
            self._judge(session, call, raw, True, observer)
            return now
        if state.flaw is not None and call.begin(session):
            raw = self._raw(call, FAILED, state.flaw)
            tell_end(session, call, raw, observer)
            self._conclude(session, call, raw)
            return now
        line = call.policies.line
        if line is not None and line.shared:
            confirmed, now = self._confirmed(session, call, line), self.scheduler.clock.monotonic()
            if not confirmed:
                return None if confirmed is None else now
        if not call.begin(session):
            self._give_back(call)
            if state.attempts:  # it had begun, so whoever cancelled it has left its end to us
                self._conclude(session, call, self._cancelled(call, TaskCancelled(NOBODY)))
            return now
        with self.scheduler.lock:
            state.starts(now, self.limited_for(call, now))
            before = session.forget_scope()  # of an attempt before
        del before
        verdict = self._first_word(call, now)
        if verdict is not None:
            raw = self._raw(call, SUCCEEDED if verdict[1] else FAILED, verdict[2])
            self._give_back(call)
            self._conclude(session, call, raw)
            return now
        if call.policies.hedge is not None and not isinstance(call, HedgeAttempt):
            call.session = session
            call.race = Hedging(self, session, call, call.policies.hedge, now)
        try:
            raw = perform_call(session, call, observer)
            if raw is None:
                return None
            end = raw[6]
            if raw[3] is SUCCEEDED and (error := self._error_in(call, raw[4])) is not None:
                raw = (*raw[:3], FAILED, error, *raw[5:])
            ended = self._ended(session, call, raw)
            if ended is not None:
                self._judge(session, *ended, observer)
            return end
        finally:
            raw = ended = error = None
            del self, call, session, state  # leave no cycle: see ``calls``

    @staticmethod
    def _error_in(call: Call, value: Any) -> ErrorAnswer | None:
        """The error that a returned answer counts as, where something may be done about it."""
        policies = call.policies
        heeded = policies is not None and (
            policies.policy is not None or policies.line is not None or policies.pace is not None
        )
        return error_in(value) if heeded else None

    def _confirmed(self, session: Session, call: Call, line: Waitlist) -> bool | None:
        """Whether it may go on; else the other processes leave no room, and it is back in the queue.

        The answer may take a while.  Meanwhile the call has a claim, as one that runs, so that from outside it can be
        ended, or put back after ``STALL`` seconds: then the answer is None, and nobody has waited for this thread.
        """
        state, permit, scheduler = call.state, call.state.permit, self.scheduler
        if permit is None:
            return True
        call.session = session  # first: whoever ends the call marks it, and then looks here or for the claim
        state.asking = True
        now = scheduler.clock.monotonic()
        session.claim[call] = call.item, call.since, now
        wait = 0.0
        if not self._needless(call):
            if now + STALL < scheduler.timer.next_look:
                scheduler.timer.announce(now + STALL)
            wait = line.ask(scheduler.clock)
        if session.claim.pop(call, None) is None:
            return None
        state.asking, call.session = False, None
        if wait <= 0.0:
            return True
        line.postpone(permit, wait, scheduler.clock)
        state.permit = None
        self._give_back(call)
        after: Actions = []
        with self.scheduler.lock:
            needless = self._needless(call)
            if not needless:
                self._queue_first(call, after)
        self.scheduler.perform(after)
        return needless

    def _needless(self, call: Call) -> bool:
        """Whether nobody waits for the call, so that it would end before its function is called."""
        return bool(not self.may_go_on(call) or (call.outer is not None and call.outer.cancelled))

    def _ended(self, session: Session, call: Call, raw: Raw) -> tuple[Call, Raw, bool] | None:
        """An attempt has ended by itself: of which call, how, and whether it counts; None if another one goes on."""
        after: Actions = []
        counted = self._tell_limits(call, raw, after)
        race = call.race
        last: Raw | None = raw
        with self.scheduler.lock:
            call.state.ended(raw)
            if race is not None:
                last = race.ended(call, raw, after)
                session.judging = last is not None  # under the lock: whoever counts calls sees both or neither
        self.scheduler.perform(after)
        return None if last is None else (call if race is None else race.call, last, counted)

    def _judge(self, session: Session, call: Call, raw: Raw, counted: bool, observer: log.Observer | None) -> None:
        """In a worker: what is to follow an attempt."""
        wait, ok, payload = self._verdict(call, raw, counted)
        if wait is not None:
            after: Actions = []
            with self.scheduler.lock:
                postponed = self._postpone(call, wait, raw, after)
                session.judging = not postponed
            self.scheduler.perform(after)
            if postponed:
                if type(raw[4]) is ErrorAnswer:
                    raw[4].let_go()
                return
        refusal = None if ok else payload
        if type(payload) is ErrorAnswer:  # nothing is done about it after all
            ok, payload = True, payload.response
        if ok and type(raw[4]) is ErrorAnswer:
            last = call.state.attempts[-1]
            last.status, last.error = SUCCEEDED, None
        if payload is not raw[4] or ok is not (raw[3] is SUCCEEDED):
            raw = (*raw[:3], SUCCEEDED if ok else FAILED, payload, *raw[5:])
        tell_end(session, call, raw, observer)
        self._conclude(session, call, raw, refusal)

    def _conclude(self, session: Session, call: Call, raw: Raw, refusal: BaseException | None = None) -> None:
        session.judging = False  # first: whoever learns of the end may look at the figures
        self._finish(call, raw)
        line = None if call.policies is None else call.policies.line
        if line is None or refusal is None:
            return
        word = account_word(refusal)
        if word is not None:
            self._give_up(session, line, refusal, f"the provider refuses all calls of {line.limit!r}: {word}")
        elif is_overload(refusal) and line.hopeless():
            self._give_up(session, line, refusal, f"{line.limit!r} has let nothing through for long")

    def _give_up(self, session: Session, line: Waitlist, refusal: BaseException, why: str) -> None:
        """Calls that wait for the limit would wait for nothing, so they fail too."""
        with self.scheduler.lock:
            waiting = [call for call in self.entries if _stands_in(call, line)]
            for call in waiting:
                self.entries.remove(call)
            if not self.entries:
                self._leave_lines()
        for call in waiting:
            if call.begin(session):
                error = LimitExhausted(f"this call was not made: {why}")
                error.__cause__ = refusal
                self._finish(call, self._raw(call, FAILED, error))

    def _first_word(self, call: Call, now: float) -> Verdict | None:
        """What the policy says before an attempt."""
        state, policy = call.state, None if call.policies is None else call.policies.policy
        if policy is None or isinstance(call, HedgeAttempt):
            return None
        try:
            if state.course is None:
                state.course = policy.course(now, call.fn, call.args, call.kwargs)
            return state.course.begin(now)
        except BaseException as error:  # of the user's code, which must not cost the call its outcome
            return None, False, error

    def _verdict(self, call: Call, raw: Raw, counted: bool) -> tuple[float | None, bool, Any]:
        ok, payload, course = raw[3] is SUCCEEDED, raw[4], call.state.course
        if raw[3] is CANCELLED or call.unwanted or call.state.once:
            return None, ok, payload
        if not counted and call.policies is not None and call.policies.line is None:
            return self._after_refusal(call, payload), ok, payload
        if course is None:
            return (None if counted else 0.0), ok, payload
        try:
            return course.decide(raw[6], ok, payload, counted=counted, wall=time.time())
        except BaseException as error:  # of the user's code, as before
            if not ok and error.__context__ is None and error is not payload:
                error.__context__ = payload
            return None, False, error

    @staticmethod
    def _after_refusal(call: Call, error: BaseException) -> float:
        """Seconds until another attempt, where no limit has all calls wait."""
        return pause_before(call.state.refusals, retry_after_of(error, time.time()), random)

    def _tell_limits(self, call: Call, raw: Raw, after: Actions) -> bool:
        """Tell the limits what became of the request; whether the attempt counts as one."""
        state, policies, payload = call.state, call.policies, raw[4]
        if raw[5] is None:  # it was not begun
            self._give_back(call)
            return True
        refused = raw[3] is FAILED and is_overload(payload)
        state.refusals = state.refusals + 1 if refused else 0
        note: dict[str, Any] = {}
        if refused:
            end = "overloaded"
            note = {"retry_after": retry_after_of(payload, time.time()), "headers": plain_headers(payload)}
        elif raw[3] is SUCCEEDED:
            end = "succeeded"
            note = {"usage": state.usage or usage_of(payload), "headers": state.headers}
        else:
            end = "failed"
        (permit, state.permit), (start, state.start) = (state.permit, None), (state.start, None)
        if policies is None:
            return True
        if raw[3] is FAILED:
            asked = retry_after_of(payload, time.time(), FOREVER)
            if asked is not None:
                self.told_to_wait(call, asked)
            if policies.line is not None and permit is None and account_word(payload) is not None:
                policies.line.lift(
                    self.scheduler.clock
                )  # an attached client, which does not read bodies, took it for another
        if policies.line is not None and permit is not None:  # else an attached client has told it
            if raw[3] is SUCCEEDED and not state.told:
                policies.line.unattached()
            policies.line.note(permit, self.scheduler.clock, end, **note)
        if policies.pace is not None and start is not None:
            policies.pace.note(start, self.scheduler.clock, end, **note)
            if policies.pace.limit.adaptive.limit != self.scheduler.slots.total:
                after.append(self._resize)
        if not refused or (policies.line is None and policies.pace is None):
            return True
        return policies.line.hopeless() if policies.line is not None else state.refusals >= PATIENCE

    def _resize(self) -> None:
        """Have as many slots as the fan's `Adaptive` says."""
        after: Actions = []
        with self.scheduler.lock:
            self.scheduler.adapt(after)
        self.scheduler.perform(after)

    # -- ends --------------------------------------------------------------------------------------------------------

    def settle(self, key: Any, raw: Raw, after: Actions) -> bool:
        """An attempt was ended from outside: it may be tried again if its time was up."""
        call: Call = key
        if call.policies is None:
            return super().settle(key, raw, after)
        if call.state.asking:
            raw = (*raw[:5], None, raw[6], None)  # it was not begun
            if self._asked_in_vain(call, raw, after):
                return raw[3] is not TIMED_OUT
        call.state.ended(raw)
        self._tell_limits(call, raw, after)
        race = call.race
        if race is not None:
            last = race.ended(call, raw, after)
            if last is None:
                self.failed -= 1  # counted by whoever ended the attempt
                return False
            call, raw = race.call, last
        policy = None if call.policies is None else call.policies.policy
        asked = policy is not None and not policy.plain and not call.state.once
        if raw[3] is TIMED_OUT and asked and self.may_go_on(call):
            call.state.undecided = raw
            self.failed -= 1  # counted by whoever ended the attempt
            self.put_first(call, after)
            return False
        wait = None
        if raw[3] is TIMED_OUT:
            wait, _, _ = self._verdict(call, raw, True)
        if wait is not None and self._postpone(call, wait, raw, after):
            self.failed -= 1
            return False
        self._note(call)
        return super().settle(call, raw, after)

    def _asked_in_vain(self, call: Call, raw: Raw, after: Actions) -> bool:
        """While a call asked the other processes for room it was ended, or the answer did not come in time.

        Returns:
            False for a second attempt that was ended, which ends as any other.
        """
        state, session, line = call.state, call.session, call.policies.line if call.policies is not None else None
        stalled = raw[3] is TIMED_OUT
        state.asking, call.session = False, None
        if session is not None and session.lost is not None:  # what its thread is said to be stuck in
            key, start, _, index = session.lost
            session.lost = key, start, "waiting for the place where its rate limit is shared", index
        if stalled and line is not None:
            after.append(partial(self.scheduler.callbacks.tell, line.stalls, "the word about a stalled store"))
        elif isinstance(call, HedgeAttempt):
            return False
        self.failed -= 1  # counted by whoever ended the attempt
        self._give_back(call)
        if stalled:
            self._queue_first(call, after)
        else:
            self._abandon(call, raw[4], after)
        return True

    def _cancelled(self, call: Call, reason: BaseException) -> Raw:
        """The outcome of a call that waited; what it had failed with is the cause."""
        error, state = TaskCancelled(str(reason)), call.state
        if state is None:
            return (call.index, call.item, call.since, CANCELLED, error, None, self.scheduler.clock.monotonic(), None)
        if state.undecided is not None:  # it has ended, only not been told whether it may be tried again
            return state.undecided
        if state.attempts:
            error.__cause__ = call.state.attempts[-1].error
        return self._raw(call, CANCELLED, error)

    def _raw(self, call: Call, status: Any, payload: Any) -> Raw:
        now, state = self.scheduler.clock.monotonic(), call.state
        start = end = worker = None
        if state.attempts:
            last = state.attempts[-1]
            start = state.handed_in + last.started
            end, worker = start + last.duration, last.worker
        return (call.index, call.item, call.since, status, payload, start, now if end is None else end, worker)

    def _finish(self, call: Call, raw: Raw) -> None:
        """The verdict is final."""
        raise NotImplementedError

    def _note(self, call: Call) -> None:
        """Keep what the outcome will say of the call's attempts."""

    def meter_of(self, session: Session, key: Any) -> Any:
        """For calls under rules."""
        return None if key.policies is None else RequestPermits(self.scheduler, session, key)

    def timeout_of(self, key: Any) -> float | None:
        """The call's own; what it waited for a limit while it ran does not count."""
        timeout: float | None = key.timeout
        if key.state is not None and key.state.asking:
            return STALL
        return None if timeout is None else timeout + (0.0 if key.state is None else key.state.allowance)

    def add_usage(self, key: Any, usage: Usage) -> None:
        """Only the call's own thread notes any."""
        state = key.state
        if state is not None:
            state.usage = usage if state.usage is None else state.usage + usage
        super().add_usage(key, usage)

    def figures_of(self, key: Any) -> dict[str, Any] | None:
        """Attempts, waits in milliseconds, and tokens if any are known."""
        state = None if key.policies is None else key.state
        if state is None:
            return None
        attempts = state.attempts
        figures = {
            "attempt": len(attempts),
            "waited_limit": log.milliseconds(sum(attempt.waited_limit for attempt in attempts)),
            "waited_backoff": log.milliseconds(sum(attempt.waited_backoff for attempt in attempts)),
        }
        if state.usage is not None:
            figures |= {"input_tokens": state.usage.input_tokens, "output_tokens": state.usage.output_tokens}
        return figures


def _stands_in(call: Call, line: Waitlist) -> bool:
    """Whether a call waits for this limit; a second attempt ends with the first."""
    return call.policies is not None and call.policies.line is line and not isinstance(call, HedgeAttempt)
