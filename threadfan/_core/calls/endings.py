"""What follows when a call under policies is ended from outside: at its timeout, or because nobody wants it any more.

All of it is done with the scheduler's lock held, and none of it runs code of the user's.
"""

from __future__ import annotations

from functools import partial

from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, TIMED_OUT
from ..pool.work_queue import GRACE
from .hedging import HedgeAttempt
from .limit_reports import tell_limits
from .outcomes import NOBODY
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.outcome import Raw
    from ..pool.work_queue import Actions
    from .call_queue import Call
    from .policies import Policies
    from .policy_queue import PolicyQueue


def settle(queue: PolicyQueue, call: Call, raw: Raw, after: Actions) -> bool:
    """An attempt was ended, and counted as failed: it may be tried again if its time was up.

    Returns:
        Whether the call has its outcome.
    """
    policies = call.policies
    if policies is None:
        return queue.finish_locked(call, raw, after)
    if call.state.asking:
        raw = (*raw[:5], None, raw[6], None)  # it was not begun
        if _asked_in_vain(queue, call, policies, raw, after):
            return raw[3] is not TIMED_OUT
    call.state.ended(raw)
    tell_limits(queue, call, policies, raw, after)
    hedging = call.hedging
    if hedging is not None:
        last = hedging.ended(call, raw, after)
        if last is None:
            queue.failed -= 1
            return False
        call, raw = hedging.call, last
    if raw[3] is TIMED_OUT and _is_tried_again(queue, call, policies, raw, after):
        queue.failed -= 1
        return False
    return queue.finish_locked(call, raw, after)


def _is_tried_again(queue: PolicyQueue, call: Call, policies: Policies, raw: Raw, after: Actions) -> bool:
    """Whether an attempt whose time was up is followed by another, or by the verdict of a policy of the user's."""
    asked = policies.retry is not None and not policies.retry.plain and not call.state.once
    if asked and queue.backlog.can_go_on(call):
        call.state.undecided = raw
        queue.backlog.put_first(call, after)
        return True
    verdicts = Verdicts(queue)
    wait, _, _ = verdicts.after_attempt(call, raw, True)
    return wait is not None and verdicts.postpone_locked(call, wait, raw, after)


def _asked_in_vain(queue: PolicyQueue, call: Call, policies: Policies, raw: Raw, after: Actions) -> bool:
    """While a call asked the other processes for room it was ended, or the answer did not come in time.

    Returns:
        False for a second attempt that was ended, which ends as any other.
    """
    state, session, waitlist, scheduler = call.state, call.session, policies.waitlist, queue.scheduler
    stalled = raw[3] is TIMED_OUT
    state.asking, call.session = False, None
    if session is not None and session.lost is not None:  # what its thread is said to be stuck in
        key, start, _, index = session.lost
        session.lost = key, start, "waiting for the place where its rate limit is shared", index
    if stalled and waitlist is not None:
        after.append(partial(scheduler.callbacks.tell, waitlist.stalls, "the word about a stalled store"))
    elif isinstance(call, HedgeAttempt):
        return False
    queue.failed -= 1
    policies.give_back(state, scheduler.clock)
    if stalled:
        queue.backlog.put_back(call, after)
    else:
        queue.abandon_locked(call, raw[4], after)
    return True


def withdraw(queue: PolicyQueue, call: Call, after: Actions) -> bool:
    """Nobody waits for this call any more: end it if it does not run; False if it is not in the queue."""
    scheduler = queue.scheduler
    if not queue.backlog.withdraw(call):
        session = call.session
        if session is not None and call.policies is not None and call.state.asking:
            scheduler.timer.end(session, call, CANCELLED, TaskCancelled(NOBODY), after, grace=GRACE)
        return False
    queue.abandon_locked(call, TaskCancelled(NOBODY), after)
    if scheduler.closing:  # it may have been the last, and no thread would notice
        scheduler.dismiss_if_quiet(after)
    return True


def discard(queue: PolicyQueue, reason: BaseException, after: Actions) -> None:
    """End every call that does not run."""
    scheduler = queue.scheduler
    owner: object = queue
    waiting = queue.backlog.discard()
    for session in [session for session in scheduler.draining if session.queue is owner]:
        for call in session.claim.copy():
            if call.policies is not None and call.state.asking:  # it has not begun
                scheduler.timer.end(session, call, CANCELLED, reason, after, grace=GRACE)
    for call in waiting:
        if isinstance(call, HedgeAttempt) and call.hedging is not None:
            call.hedging.drop(call)
        else:
            queue.abandon_locked(call, reason, after)
    if scheduler.closing:  # these may have been the last that anybody waited for
        scheduler.dismiss_if_quiet(after)
