"""Which queue a single call waits in: there is one for each cap, depth and set of policies, and for each priority.

The queues are kept by the cap, that of the fan or of a view, or by the view's ``Priority``; so when a view is dropped
nothing is left of it.
"""

from __future__ import annotations

from ..pool.leaving import refuses
from ..pool.priorities import Priority, rank
from .call_queue import CallQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, ConcurrencyLimit
    from .call_queue import Call
    from .policies import Policies


FEW = 8
"""Queues of one cap among which nobody looks for idle ones.  Arbitrary."""


def hand_in(call: Call, scheduler: Scheduler, home: ConcurrencyLimit, policies: Policies | None) -> None:
    """Queue a single call and have it worked on.

    Args:
        home: the cap of the fan or view, or a priority under it.

    Raises:
        RuntimeError: the fan is shut down, or broken.
    """
    after: Actions = []
    try:
        with scheduler.lock:
            taken = not (scheduler.closing or (scheduler.broken and refuses(scheduler.broken, scheduler.depth())))
            if taken:
                queue: CallQueue = home.queues.get((0, policies)) or queue_for(scheduler, home, 0, policies)
                queue.add(call, after)
        if after:
            scheduler.perform(after)
    except BaseException:
        scheduler.decisions.cut_short()
        raise
    if not taken:  # there is nothing to mend
        scheduler.check_open()


def queue_for(scheduler: Scheduler, home: ConcurrencyLimit, depth: int, policies: Policies | None) -> CallQueue:
    """The queue of single calls at a depth, under these policies.  With the lock held."""
    found: CallQueue | None = home.queues.get((depth, policies))
    if found is None:
        if policies is not None:
            _forget_idle(home)
        if isinstance(home, Priority):
            found = new_queue(scheduler, home.cap, depth, policies)
            found.home, found.lasting = home, False
            rank(found, home.priority)
        else:
            found = new_queue(scheduler, home, depth, policies)
        found.place = depth, policies
        home.queues[found.place] = found
        scheduler.queues.add(found)
    return found


def new_queue(scheduler: Scheduler, cap: ConcurrencyLimit, depth: int, policies: Policies | None) -> CallQueue:
    """A queue of single calls for whoever asks first (``queue_for``), and then for all.  With the lock held."""
    if policies is None:
        return CallQueue(scheduler, cap, depth)
    if policies.first_is_plain:
        from .first_call_queue import FirstCallQueue  # on first use, with what it needs

        return FirstCallQueue(scheduler, cap, depth, policies)
    from .policy_queues import PolicyCallQueue

    return PolicyCallQueue(scheduler, cap, depth, policies.waitlists)


def promote(scheduler: Scheduler, call: Call) -> None:
    """Let a queued call that this thread's call is about to wait for go before shallower ones.

    Single calls are handed in at depth 0, whoever hands them in: a call that hands in its successor and ends must
    not go before everybody else for ever.  Being waited for is what makes a call deep.
    """
    after: Actions = []
    with scheduler.lock:
        queue, depth = call.queue, scheduler.depth()
        if queue is None or queue.depth >= depth or not queue.remove(call):
            return
        queue_for(scheduler, queue.home, depth, call.policies).add(call, after)
        queue.left()
    scheduler.perform(after)


def _forget_idle(home: ConcurrencyLimit) -> None:
    """Drop queues under policies that nothing is in: there may be a new one for every view.

    Looked for when there are twice as many queues as after the last look, so that it costs each new one the same.
    """
    if len(home.queues) < home.look_at:
        return
    for (_, policies), queue in list(home.queues.items()):
        if policies is not None:
            queue.forget_if_idle()
    home.look_at = max(FEW, 2 * len(home.queues))
