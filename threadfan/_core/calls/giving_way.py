"""A call that was refused as the probe of its limit gives way: another one is the next probe.

For it may be that this one is always refused, whatever the limit, and as every next probe it would have all wait for
ever.  It backs off meanwhile, and comes back as soon as the limit is open, or nobody else waits for that in its queue.
With the scheduler's lock held, but for what the alarm does.
"""

from __future__ import annotations

from functools import partial

from ..scope.alarms import set_alarm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..limits.rate_waitlist import RateWaitlist
    from ..pool.work_queue import Actions
    from .call_queue import Call
    from .policy_queue import PolicyQueue

BEHIND = 0.1
"""Seconds after a pause, or after the look before, after which it looks whether its limit is open.  Arbitrary: the next
probe has gone out by then, and it is no long wait."""


def gives_way(queue: PolicyQueue, call: Call, after: Actions) -> bool:
    """Whether the call was refused as a probe and another one can be the next; then it gives way."""
    waitlist = None if call.policies is None else call.policies.waitlist
    if waitlist is None or not call.state.gives_way or not _others(queue, call):
        return False
    backlog, now = queue.backlog, queue.scheduler.clock.monotonic()
    call.state.joins(now, backlog.limited(now, call))
    _stand_aside(queue, call, waitlist)
    backlog.offer(after)
    return True


def _others(queue: PolicyQueue, call: Call) -> bool:
    """What waits in the queue and not in its backlog is under the same policies."""
    backlog = queue.backlog
    return backlog.entries.others(call) or queue.pending() > backlog.pending()


def _stand_aside(queue: PolicyQueue, call: Call, waitlist: RateWaitlist) -> None:
    clock, backlog = queue.scheduler.clock, queue.backlog
    due = clock.monotonic() + max(waitlist.standing(clock).paused_for or 0.0, BEHIND)
    backlog.giving_way.add(call)
    backlog.backing_off[call] = set_alarm(clock, due, partial(_look, queue, call, waitlist), quick=True)


def _look(queue: PolicyQueue, call: Call, waitlist: RateWaitlist) -> None:
    after: Actions = []
    scheduler, backlog = queue.scheduler, queue.backlog
    with scheduler.lock:
        if backlog.backing_off.pop(call, None) is not None:
            backlog.giving_way.discard(call)
            if waitlist.standing(scheduler.clock).paused_for is not None and _others(queue, call):
                _stand_aside(queue, call, waitlist)
            else:
                backlog.put_back(call, after)
    scheduler.perform(after)
