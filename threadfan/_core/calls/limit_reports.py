"""What the limits of a call are told when one of its attempts has ended."""

from __future__ import annotations

import time
from functools import partial

from ..base.clock import FOREVER
from ..base.outcome import FAILED, PAYLOAD, START, STATUS, SUCCEEDED
from ..base.usage import usage_of
from ..limits.adaptive_limit import PATIENCE
from ..limits.request_end import FAILED as OTHERWISE
from ..limits.request_end import RequestEnd
from ..policies.responses import is_overload
from ..policies.retry_after import plain_headers, retry_after_of
from ..policies.words import account_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.outcome import Raw
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .call_queue import Call
    from .policies import AttemptState, Policies
    from .policy_queue import PolicyQueue


def tell_limits(queue: PolicyQueue, call: Call, policies: Policies, raw: Raw, after: Actions) -> bool:
    """Tell the limits what became of the attempt; whether it counts as one, or the limits see to it by themselves."""
    state, clock, payload = call.state, queue.scheduler.clock, raw[PAYLOAD]
    if raw[START] is None:  # it was not begun
        policies.give_back(state, clock)
        return True
    refused = raw[STATUS] is FAILED and is_overload(payload)
    state.refusals = state.refusals + 1 if refused else 0
    end = _end_of(state, raw, refused)
    (permit, state.permit), (start, state.start) = (state.permit, None), (state.start, None)
    waitlist, pace = policies.waitlist, policies.pace
    if raw[STATUS] is FAILED:
        asked = retry_after_of(payload, time.time(), FOREVER)
        if asked is not None:
            queue.long_waits.told(queue.function_of(call), asked)
        if waitlist is not None and permit is None and account_word(payload) is not None:
            waitlist.lift(clock)  # an attached client, which does not read bodies, took it for another
    if waitlist is not None and permit is not None:  # else an attached client has told it
        if raw[STATUS] is SUCCEEDED and not state.told:
            waitlist.unattached()
        waitlist.note(permit, clock, end)
    if pace is not None and start is not None:
        pace.note(start, clock, end)
        adaptive = queue.scheduler.adaptive
        if adaptive is not None and adaptive.limit != queue.scheduler.slots.total:
            after.append(partial(resize, queue.scheduler))
    if not refused or not policies.limited:
        return True
    return waitlist.hopeless() if waitlist is not None else state.refusals >= PATIENCE


def _end_of(state: AttemptState, raw: Raw, refused: bool) -> RequestEnd:
    payload = raw[PAYLOAD]
    if refused:
        return RequestEnd(
            "overloaded", retry_after=retry_after_of(payload, time.time()), headers=plain_headers(payload)
        )
    if raw[STATUS] is SUCCEEDED:
        return RequestEnd("succeeded", usage=state.usage or usage_of(payload), headers=state.headers)
    return OTHERWISE


def resize(scheduler: Scheduler) -> None:
    """Have as many slots as the fan's `Adaptive` says."""
    after: Actions = []
    with scheduler.lock:
        scheduler.adapt(after)
    scheduler.perform(after)
