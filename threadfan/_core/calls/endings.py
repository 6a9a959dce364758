"""What follows when a call under policies is ended from outside: at its timeout, or because nobody wants it any more.

All of it is done with the scheduler's lock held, and none of it runs code of the user's.

Guarantee: of a call that was ended from outside either the outcome is final, or it waits in the backlog, or another
attempt of it goes on; so it is never lost, and never has two ends.
"""

from __future__ import annotations

from functools import partial

from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, END, PAYLOAD, START, STATUS, TIMED_OUT
from ..pool.work_queue import GRACE
from . import total_time
from .call_queue import Call
from .fallbacks import chain, falls_back
from .hedging import HedgeAttempt
from .limit_reports import reading_of, tell_limits
from .outcomes import NOBODY
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.outcome import Raw
    from ..pool.work_queue import Actions
    from .policies import AttemptState, Policies
    from .policy_queue import PolicyQueue

FINAL, NOT_FINAL = True, False
"""What is said of a call that was ended from outside: it has its outcome; or it is tried again, or another attempt of
it goes on."""


def settle(queue: PolicyQueue, call: Call, raw: Raw, after: Actions) -> bool:
    """An attempt was ended, and counted as failed: it may be tried again if its time was up.  ``FINAL`` or not."""
    policies = call.policies
    if policies is None:
        return queue.finish_locked(call, raw, after)
    if call.state.asking:
        raw = (*raw[:START], None, raw[END], None)  # it was not begun
        stalled = raw[STATUS] is TIMED_OUT
        _ask_no_more(call)
        if stalled:
            _put_back(queue, call, policies, after)
            return NOT_FINAL
        if not isinstance(call, HedgeAttempt):  # else it ends as any other
            _abandon(queue, call, policies, raw, after)
            return FINAL
    if policies.total is not None:
        raw = total_time.told(call, policies.total, raw, queue.function_of(call))
    call.state.ended(raw)
    tell_limits(queue, call, policies, raw, reading_of(raw), after)
    hedging = call.hedging
    if hedging is not None:
        last = hedging.ended(call, raw, after)
        if last is None:
            queue.failed -= 1
            return NOT_FINAL
        call, raw = hedging.call, last
    if policies.total is not None:
        total_time.spend(call, raw)
    if raw[STATUS] is TIMED_OUT and _is_tried_again(queue, call, policies, raw, after):
        queue.failed -= 1
        return NOT_FINAL
    if raw[STATUS] is TIMED_OUT:
        if policies.fallback is not None and falls_back(queue, call, raw, after):
            queue.failed -= 1
            return NOT_FINAL
        chain(call.state, raw[PAYLOAD])
    return queue.finish_locked(call, raw, after)


def _is_tried_again(queue: PolicyQueue, call: Call, policies: Policies, raw: Raw, after: Actions) -> bool:
    """Whether an attempt whose time was up is followed by another, or by the verdict of a policy of the user's."""
    users = policies.retry is not None and not policies.retry.plain  # so a worker has to ask it
    if users and not call.state.once and queue.backlog.can_go_on(call):
        call.state.undecided = raw
        queue.backlog.put_first(call, after)
        return True
    verdicts = Verdicts(queue)
    wait, _, _ = verdicts.after_attempt(call, raw, True, None)
    return wait is not None and verdicts.postpone_locked(call, wait, raw, after)


# -- while a call asks other processes for room, before it begins: see ``Attempts`` ----------------------------------


def _ask_no_more(call: Call) -> None:
    """It has been ended, and its thread may be stuck in the question."""
    session = call.session
    call.state.asking, call.session = False, None
    if session is not None and session.lost is not None:  # what its thread is said to be stuck in
        key, start, _, index = session.lost
        session.lost = key, start, "waiting for the place where its rate limit is shared", index


def _put_back(queue: PolicyQueue, call: Call, policies: Policies, after: Actions) -> None:
    """The answer did not come in time."""
    waitlist, scheduler = policies.waitlist, queue.scheduler
    if waitlist is not None:
        after.append(partial(scheduler.callbacks.tell, waitlist.stalls, "the word about a stalled store"))
    queue.failed -= 1
    policies.give_back(call.state, scheduler.clock)
    queue.backlog.put_back(call, after)


def _abandon(queue: PolicyQueue, call: Call, policies: Policies, raw: Raw, after: Actions) -> None:
    """Nobody waits for the call any more."""
    queue.failed -= 1
    policies.give_back(call.state, queue.scheduler.clock)
    queue.abandon_locked(call, raw[PAYLOAD], after)


def withdraw(queue: PolicyQueue, call: Call, after: Actions) -> bool:
    """Nobody waits for this call any more: end it if it does not run; False if it is not in the queue."""
    scheduler = queue.scheduler
    if not queue.backlog.withdraw(call):
        session = call.session
        if session is not None and call.policies is not None and call.state.asking:
            scheduler.timer.end(session, call, CANCELLED, TaskCancelled(NOBODY), after, grace=GRACE)
        return False
    queue.abandon_locked(call, TaskCancelled(NOBODY), after)
    notice_last(queue, after)
    return True


def notice_last(queue: PolicyQueue, after: Actions) -> None:
    """A call has ended that did not run: it may have been the last that anybody waited for."""
    if queue.scheduler.closing:  # no thread would notice
        queue.scheduler.dismiss_if_quiet(after)


def discard(queue: PolicyQueue, reason: BaseException, after: Actions) -> None:
    """End every call that does not run."""
    scheduler = queue.scheduler
    owner: object = queue
    waiting = queue.backlog.discard()
    for session in [session for session in scheduler.at_work if session.queue is owner]:
        for key in session.claim.copy():
            state: AttemptState | None = key.state if isinstance(key, Call) and key.policies is not None else None
            if state is not None and state.asking:  # it has not begun
                scheduler.timer.end(session, key, CANCELLED, reason, after, grace=GRACE)
    for call in waiting:
        if isinstance(call, HedgeAttempt) and call.hedging is not None:
            call.hedging.drop(call)
        else:
            queue.abandon_locked(call, reason, after)
    notice_last(queue, after)
