"""What is called with the same arguments when a call has failed for good: ``fallback=``.

A call that falls back is the same call still, with its place, its scope's bounds and its history.  It gets another
function, and the policies of that: the retries and the total time anew, but no limit, hedge or breaker, which are of
the service that the function before has asked.  It goes before the others, as one that is tried again.

With the scheduler's lock held: everything.
"""

from __future__ import annotations

from functools import partial

from ..base.outcome import CANCELLED, PAYLOAD, STATUS, SUCCEEDED
from ..base.static import is_a
from ..events import log
from ..pool.deadline_timer import EVENT
from .policies import Fallen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.outcome import Raw
    from ..pool.work_queue import Actions
    from .call_queue import Call
    from .policies import AttemptState
    from .policy_queue import PolicyQueue


def falls_back(queue: PolicyQueue, call: Call, raw: Raw, after: Actions) -> bool:
    """Have the next function called, if there is one, of a call that would end so; whether there is.

    One that was cancelled has its end, and what is no ``Exception`` is no failure.
    """
    policies, state, error = call.policies, call.state, raw[PAYLOAD]
    fallback = None if policies is None else policies.fallback
    if fallback is None or state.spoken or raw[STATUS] in (SUCCEEDED, CANCELLED) or not is_a(error, Exception):
        return False
    now, outer = queue.scheduler.clock.monotonic(), queue.outer_of(call)
    if not queue.backlog.can_go_on(call) or now >= queue.until:
        return False
    if outer is not None and outer.live and now >= outer.deadline:
        return False
    chain(state, error)
    if log.in_use():
        fan, function, name = queue.scheduler.name, queue.function_of(call), fallback.name
        tell = partial(log.call_fell_back, fan, function, raw, len(state.attempts), name)
        after.append(partial(queue.scheduler.callbacks.tell, tell, EVENT))
    state.fallen = Fallen(fallback.name, error)
    state.retry = state.cost = state.undecided = state.flaw = None
    state.shut_out, state.refusals = False, 0
    if state.used is not None:
        call.timeout, state.used = state.used.timeout, None
    call.fn = fallback.fn if call.adapt is None else call.adapt(fallback.fn)
    call.policies = fallback.policies
    queue.backlog.put_first(call, after)
    return True


def chain(state: AttemptState, error: BaseException) -> None:
    """Let an error of a fallback say what had failed before, as one that is raised in an ``except`` does."""
    fallen = state.fallen
    if fallen is not None and fallen.error is not error and error.__context__ is None:
        error.__context__ = fallen.error
