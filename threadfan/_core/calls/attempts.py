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
from ..policies.responses import account_word, is_overload, plain_headers, retry_after_of
from ..policies.retry_state import pause_before
from ..policies.returned import ErrorAnswer, error_in
from ..pool.session import QUANTUM
from .call_queue import perform_call, tell_end
from .hedging import Race, Twin
from .policy_queue import NOBODY, Queue
from .request_permits import Meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..limits.waitlist import Line
    from ..policies.retry_state import Verdict
    from ..pool.session import Drain
    from ..pool.work_queue import After
    from .call_queue import Call


class Governed(Queue):
    """What is mixed into a source of calls under rules."""

    def run(self, drain: Drain) -> None:
        """Run attempts one after another."""
        hub, depth = self.hub, self.depth
        until = hub.clock.monotonic() + QUANTUM
        observer = log.observer()
        drain.judging = True  # first: the call counts as running from the moment that it is taken
        call, drain.first = drain.first, None
        try:
            while call is not None:
                end = self._attempt(drain, call, observer)
                drain.judging = False
                call = None  # a parked thread must not keep a result alive
                if end is None or (hub.pressure > depth and (hub.pressure >= depth + 1 or end > until)):
                    return
                with hub.lock:
                    call = self.take()
                    drain.judging = call is not None
        finally:
            del self, call, drain  # leave no cycle: see ``calls``

    def _attempt(self, drain: Drain, call: Call, observer: log.Observer | None) -> float | None:
        """``_make_attempt``; whatever fails in it besides the call itself, the call has an end."""
        try:
            return self._make_attempt(drain, call, observer)
        except BaseException as error:
            if not drain.judging or call in drain.claim or call.race is not None:
                raise  # it has its end, or whoever looks at the claims sees to it
            self._conclude(drain, call, self._raw(call, FAILED, error))
            return self.hub.clock.monotonic()
        finally:
            del self, call, drain  # leave no cycle: see ``calls``

    def _make_attempt(self, drain: Drain, call: Call, observer: log.Observer | None) -> float | None:
        """Make one attempt; its end, or None if somebody else has settled it."""
        progress, now = call.progress, self.hub.clock.monotonic()
        if call.rules is None:
            try:
                raw = perform_call(drain, call, observer)
                if raw is not None:
                    tell_end(drain, call, raw, observer)
                    self._conclude(drain, call, raw)
                return None if raw is None else raw[6]
            finally:
                raw = None
                del self, call, drain, progress  # leave no cycle: see ``calls``
        if progress.undecided is not None:
            raw, progress.undecided = progress.undecided, None
            self._judge(drain, call, raw, True, observer)
            return now
        if progress.flaw is not None and call.begin(drain):
            raw = self._raw(call, FAILED, progress.flaw)
            tell_end(drain, call, raw, observer)
            self._conclude(drain, call, raw)
            return now
        line = call.rules.line
        if line is not None and line.shared:
            confirmed, now = self._confirmed(drain, call, line), self.hub.clock.monotonic()
            if not confirmed:
                return None if confirmed is None else now
        if not call.begin(drain):
            self._give_back(call)
            if progress.attempts:  # it had begun, so whoever cancelled it has left its end to us
                self._conclude(drain, call, self._cancelled(call, TaskCancelled(NOBODY)))
            return now
        with self.hub.lock:
            progress.starts(now, self.limited_for(call, now))
            before = drain.forget_scope()  # of an attempt before
        del before
        verdict = self._first_word(call, now)
        if verdict is not None:
            raw = self._raw(call, SUCCEEDED if verdict[1] else FAILED, verdict[2])
            self._give_back(call)
            self._conclude(drain, call, raw)
            return now
        if call.rules.hedge is not None and not isinstance(call, Twin):
            call.drain = drain
            call.race = Race(self, drain, call, call.rules.hedge, now)
        try:
            raw = perform_call(drain, call, observer)
            if raw is None:
                return None
            end = raw[6]
            if raw[3] is SUCCEEDED and (error := self._error_in(call, raw[4])) is not None:
                raw = (*raw[:3], FAILED, error, *raw[5:])
            ended = self._ended(drain, call, raw)
            if ended is not None:
                self._judge(drain, *ended, observer)
            return end
        finally:
            raw = ended = error = None
            del self, call, drain, progress  # leave no cycle: see ``calls``

    @staticmethod
    def _error_in(call: Call, value: Any) -> ErrorAnswer | None:
        """The error that a returned answer counts as, where something may be done about it."""
        rules = call.rules
        heeded = rules is not None and (rules.policy is not None or rules.line is not None or rules.pace is not None)
        return error_in(value) if heeded else None

    def _confirmed(self, drain: Drain, call: Call, line: Line) -> bool | None:
        """Whether it may go on; else the other processes leave no room, and it is back in the queue.

        The answer may take a while.  Meanwhile the call has a claim, as one that runs, so that from outside it can be
        ended, or put back after ``STALL`` seconds: then the answer is None, and nobody has waited for this thread.
        """
        progress, permit, hub = call.progress, call.progress.permit, self.hub
        if permit is None:
            return True
        call.drain = drain  # first: whoever ends the call marks it, and then looks here or for the claim
        progress.asking = True
        now = hub.clock.monotonic()
        drain.claim[call] = call.item, call.since, now
        wait = 0.0
        if not self._needless(call):
            if now + STALL < hub.watchdog.next_look:
                hub.watchdog.announce(now + STALL)
            wait = line.ask(hub.clock)
        if drain.claim.pop(call, None) is None:
            return None
        progress.asking, call.drain = False, None
        if wait <= 0.0:
            return True
        line.postpone(permit, wait, hub.clock)
        progress.permit = None
        self._give_back(call)
        after: After = []
        with self.hub.lock:
            needless = self._needless(call)
            if not needless:
                self._queue_first(call, after)
        self.hub.perform(after)
        return needless

    def _needless(self, call: Call) -> bool:
        """Whether nobody waits for the call, so that it would end before its function is called."""
        return bool(not self.may_go_on(call) or (call.outer is not None and call.outer.cancelled))

    def _ended(self, drain: Drain, call: Call, raw: Raw) -> tuple[Call, Raw, bool] | None:
        """An attempt has ended by itself: of which call, how, and whether it counts; None if another one goes on."""
        after: After = []
        counted = self._tell_limits(call, raw, after)
        race = call.race
        last: Raw | None = raw
        with self.hub.lock:
            call.progress.ended(raw)
            if race is not None:
                last = race.ended(call, raw, after)
                drain.judging = last is not None  # under the lock: whoever counts calls sees both or neither
        self.hub.perform(after)
        return None if last is None else (call if race is None else race.call, last, counted)

    def _judge(self, drain: Drain, call: Call, raw: Raw, counted: bool, observer: log.Observer | None) -> None:
        """In a worker: what is to follow an attempt."""
        wait, ok, payload = self._verdict(call, raw, counted)
        if wait is not None:
            after: After = []
            with self.hub.lock:
                postponed = self._postpone(call, wait, raw, after)
                drain.judging = not postponed
            self.hub.perform(after)
            if postponed:
                if type(raw[4]) is ErrorAnswer:
                    raw[4].let_go()
                return
        refusal = None if ok else payload
        if type(payload) is ErrorAnswer:  # nothing is done about it after all
            ok, payload = True, payload.response
        if ok and type(raw[4]) is ErrorAnswer:
            last = call.progress.attempts[-1]
            last.status, last.error = SUCCEEDED, None
        if payload is not raw[4] or ok is not (raw[3] is SUCCEEDED):
            raw = (*raw[:3], SUCCEEDED if ok else FAILED, payload, *raw[5:])
        tell_end(drain, call, raw, observer)
        self._conclude(drain, call, raw, refusal)

    def _conclude(self, drain: Drain, call: Call, raw: Raw, refusal: BaseException | None = None) -> None:
        drain.judging = False  # first: whoever learns of the end may look at the figures
        self._finish(call, raw)
        line = None if call.rules is None else call.rules.line
        if line is None or refusal is None:
            return
        word = account_word(refusal)
        if word is not None:
            self._give_up(drain, line, refusal, f"the provider refuses all calls of {line.limit!r}: {word}")
        elif is_overload(refusal) and line.hopeless():
            self._give_up(drain, line, refusal, f"{line.limit!r} has let nothing through for long")

    def _give_up(self, drain: Drain, line: Line, refusal: BaseException, why: str) -> None:
        """Calls that wait for the limit would wait for nothing, so they fail too."""
        with self.hub.lock:
            waiting = [call for call in self.entries if _stands_in(call, line)]
            for call in waiting:
                self.entries.remove(call)
            if not self.entries:
                self._leave_lines()
        for call in waiting:
            if call.begin(drain):
                error = LimitExhausted(f"this call was not made: {why}")
                error.__cause__ = refusal
                self._finish(call, self._raw(call, FAILED, error))

    def _first_word(self, call: Call, now: float) -> Verdict | None:
        """What the policy says before an attempt."""
        progress, policy = call.progress, None if call.rules is None else call.rules.policy
        if policy is None or isinstance(call, Twin):
            return None
        try:
            if progress.course is None:
                progress.course = policy.course(now, call.fn, call.args, call.kwargs)
            return progress.course.begin(now)
        except BaseException as error:  # of the user's code, which must not cost the call its outcome
            return None, False, error

    def _verdict(self, call: Call, raw: Raw, counted: bool) -> tuple[float | None, bool, Any]:
        ok, payload, course = raw[3] is SUCCEEDED, raw[4], call.progress.course
        if raw[3] is CANCELLED or call.unwanted or call.progress.once:
            return None, ok, payload
        if not counted and call.rules is not None and call.rules.line is None:
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
        return pause_before(call.progress.refusals, retry_after_of(error, time.time()), random)

    def _tell_limits(self, call: Call, raw: Raw, after: After) -> bool:
        """Tell the limits what became of the request; whether the attempt counts as one."""
        progress, rules, payload = call.progress, call.rules, raw[4]
        if raw[5] is None:  # it was not begun
            self._give_back(call)
            return True
        refused = raw[3] is FAILED and is_overload(payload)
        progress.refusals = progress.refusals + 1 if refused else 0
        note: dict[str, Any] = {}
        if refused:
            end = "overloaded"
            note = {"retry_after": retry_after_of(payload, time.time()), "headers": plain_headers(payload)}
        elif raw[3] is SUCCEEDED:
            end = "succeeded"
            note = {"usage": progress.usage or usage_of(payload), "headers": progress.headers}
        else:
            end = "failed"
        (permit, progress.permit), (start, progress.start) = (progress.permit, None), (progress.start, None)
        if rules is None:
            return True
        if raw[3] is FAILED:
            asked = retry_after_of(payload, time.time(), FOREVER)
            if asked is not None:
                self.told_to_wait(call, asked)
            if rules.line is not None and permit is None and account_word(payload) is not None:
                rules.line.lift(self.hub.clock)  # an attached client, which does not read bodies, took it for another
        if rules.line is not None and permit is not None:  # else an attached client has told it
            if raw[3] is SUCCEEDED and not progress.told:
                rules.line.unattached()
            rules.line.note(permit, self.hub.clock, end, **note)
        if rules.pace is not None and start is not None:
            rules.pace.note(start, self.hub.clock, end, **note)
            if rules.pace.limit.adaptive.limit != self.hub.slots:
                after.append(self._resize)
        if not refused or (rules.line is None and rules.pace is None):
            return True
        return rules.line.hopeless() if rules.line is not None else progress.refusals >= PATIENCE

    def _resize(self) -> None:
        """Have as many slots as the fan's `Adaptive` says."""
        after: After = []
        with self.hub.lock:
            self.hub.adapt(after)
        self.hub.perform(after)

    # -- ends --------------------------------------------------------------------------------------------------------

    def settle(self, key: Any, raw: Raw, after: After) -> bool:
        """An attempt was ended from outside: it may be tried again if its time was up."""
        call: Call = key
        if call.rules is None:
            return super().settle(key, raw, after)
        if call.progress.asking:
            raw = (*raw[:5], None, raw[6], None)  # it was not begun
            if self._asked_in_vain(call, raw, after):
                return raw[3] is not TIMED_OUT
        call.progress.ended(raw)
        self._tell_limits(call, raw, after)
        race = call.race
        if race is not None:
            last = race.ended(call, raw, after)
            if last is None:
                self.failed -= 1  # counted by whoever ended the attempt
                return False
            call, raw = race.call, last
        policy = None if call.rules is None else call.rules.policy
        asked = policy is not None and not policy.plain and not call.progress.once
        if raw[3] is TIMED_OUT and asked and self.may_go_on(call):
            call.progress.undecided = raw
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

    def _asked_in_vain(self, call: Call, raw: Raw, after: After) -> bool:
        """While a call asked the other processes for room it was ended, or the answer did not come in time.

        Returns:
            False for a second attempt that was ended, which ends as any other.
        """
        progress, drain, line = call.progress, call.drain, call.rules.line if call.rules is not None else None
        stalled = raw[3] is TIMED_OUT
        progress.asking, call.drain = False, None
        if drain is not None and drain.lost is not None:  # what its thread is said to be stuck in
            key, start, _, index = drain.lost
            drain.lost = key, start, "waiting for the place where its rate limit is shared", index
        if stalled and line is not None:
            after.append(partial(self.hub.callbacks.tell, line.stalls, "the word about a stalled store"))
        elif isinstance(call, Twin):
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
        error, progress = TaskCancelled(str(reason)), call.progress
        if progress is None:
            return (call.index, call.item, call.since, CANCELLED, error, None, self.hub.clock.monotonic(), None)
        if progress.undecided is not None:  # it has ended, only not been told whether it may be tried again
            return progress.undecided
        if progress.attempts:
            error.__cause__ = call.progress.attempts[-1].error
        return self._raw(call, CANCELLED, error)

    def _raw(self, call: Call, status: Any, payload: Any) -> Raw:
        now, progress = self.hub.clock.monotonic(), call.progress
        start = end = worker = None
        if progress.attempts:
            last = progress.attempts[-1]
            start = progress.handed_in + last.started
            end, worker = start + last.duration, last.worker
        return (call.index, call.item, call.since, status, payload, start, now if end is None else end, worker)

    def _finish(self, call: Call, raw: Raw) -> None:
        """The verdict is final."""
        raise NotImplementedError

    def _note(self, call: Call) -> None:
        """Keep what the outcome will say of the call's attempts."""

    def meter_of(self, drain: Drain, key: Any) -> Any:
        """For calls under rules."""
        return None if key.rules is None else Meter(drain, key)

    def timeout_of(self, key: Any) -> float | None:
        """The call's own; what it waited for a limit while it ran does not count."""
        timeout: float | None = key.timeout
        if key.progress is not None and key.progress.asking:
            return STALL
        return None if timeout is None else timeout + (0.0 if key.progress is None else key.progress.allowance)

    def add_usage(self, key: Any, usage: Usage) -> None:
        """Only the call's own thread notes any."""
        progress = key.progress
        if progress is not None:
            progress.usage = usage if progress.usage is None else progress.usage + usage
        super().add_usage(key, usage)

    def figures_of(self, key: Any) -> dict[str, Any] | None:
        """Attempts, waits in milliseconds, and tokens if any are known."""
        progress = None if key.rules is None else key.progress
        if progress is None:
            return None
        attempts = progress.attempts
        figures = {
            "attempt": len(attempts),
            "limited": log.milliseconds(sum(attempt.limited for attempt in attempts)),
            "backoff": log.milliseconds(sum(attempt.backoff for attempt in attempts)),
        }
        if progress.usage is not None:
            figures |= {"input_tokens": progress.usage.input_tokens, "output_tokens": progress.usage.output_tokens}
        return figures


def _stands_in(call: Call, line: Line) -> bool:
    """Whether a call waits for this limit; a second attempt ends with the first."""
    return call.rules is not None and call.rules.line is line and not isinstance(call, Twin)
