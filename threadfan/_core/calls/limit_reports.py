"""What the limits of a call are told when one of its attempts has ended."""

from __future__ import annotations

import time
from functools import partial

from ..base.outcome import FAILED, PAYLOAD, START, STATUS, SUCCEEDED
from ..base.usage import usage_of
from ..limits.adaptive_limit import PATIENCE
from ..limits.request_end import FAILED as OTHERWISE
from ..limits.request_end import RequestEnd
from ..policies.pause import HOPELESS
from ..policies.reading import Reading
from ..policies.retry_after import plain
from . import breakers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..limits.rate_waitlist import Standing
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .call_queue import Call
    from .policies import AttemptState, Policies
    from .policy_queue import PolicyQueue


SINGLED_OUT = 8
"""Times that a limit has let others through between two refusals of one call, after which they are that call's own
affair; of one that is refused ``HOPELESS`` times in a row, perhaps since nobody else is left, once is enough.  What is
refused by chance is seldom refused so often, and each refusal costs all a pause."""


def tell_limits(
    queue: PolicyQueue, call: Call, policies: Policies, raw: Raw, said: Reading | None, after: Actions
) -> bool:
    """Tell limits and breaker what became of the attempt; whether it counts as one, or the limits see to it.

    Args:
        said: what the error of an attempt says that has failed by itself.
    """
    state, clock = call.state, queue.scheduler.clock
    if raw[START] is None:  # it was not begun
        policies.give_back(state, clock)
        return True
    refused = said is not None and said.overload
    state.refusals = state.refusals + 1 if refused else 0
    state.gives_way = False
    end = _end_of(state, raw, said)
    (permit, state.permit), (start, state.start) = (state.permit, None), (state.start, None)
    waitlist, pace = policies.waitlist, policies.pace
    if said is not None:
        if said.asked_in_all is not None:
            queue.long_waits.told(queue.function_of(call), said.asked_in_all)
        if waitlist is not None and permit is None and said.account_word is not None:
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
    if policies.keyed:
        policies.left(state, after)
    counted = True
    if refused and policies.limited:
        counted = _is_own(state, waitlist.standing(clock)) if waitlist is not None else state.refusals >= PATIENCE
    if policies.breaker is not None:
        breakers.tell(queue, policies.breaker, call, raw, said, counted, after)
    return counted


def _is_own(state: AttemptState, limit: Standing) -> bool:
    """Whether a refusal counts as a failure of the call, for its limit lets others through, or nobody at all."""
    if state.refusals == 1:
        state.let_by = 0
    elif limit.openings != state.openings:
        state.let_by += 1
    state.openings = limit.openings
    let_by = state.let_by
    own = limit.hopeless or let_by >= SINGLED_OUT or (let_by > 0 and state.refusals >= HOPELESS)
    state.gives_way = not own and limit.fruitless > 0 and state.refusals > 1
    return own


def reading_of(raw: Raw) -> Reading | None:
    """What the error says of an attempt that has failed by itself."""
    return Reading(raw[PAYLOAD], time.time()) if raw[STATUS] is FAILED else None


def _end_of(state: AttemptState, raw: Raw, said: Reading | None) -> RequestEnd:
    if said is not None and said.overload:
        return RequestEnd("overloaded", retry_after=said.asked, headers=plain(said.headers))
    if raw[STATUS] is SUCCEEDED:
        return RequestEnd("succeeded", usage=state.usage or usage_in(raw[PAYLOAD]), headers=state.headers)
    return OTHERWISE


def usage_in(value: object) -> Usage | None:
    """What a returned value says of its tokens."""
    kind = type(value)
    if value is None or kind is str or kind is int or kind is float:  # most of those that say nothing
        return None
    return usage_of(value)


def resize(scheduler: Scheduler) -> None:
    """Have as many slots as the fan's `Adaptive` says."""
    after: Actions = []
    with scheduler.lock:
        scheduler.adapt(after)
    scheduler.perform(after)
