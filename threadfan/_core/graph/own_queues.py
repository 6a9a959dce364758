"""The queues of a run's calls: it takes turns with others, however many of its calls wait."""

from __future__ import annotations

from ..calls.call_queue import CallQueue
from ..pool.priorities import rank

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..calls.policies import Policies
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, ConcurrencyLimit


class OwnQueues:
    """Queues that others do not put calls into, one for each way in which calls of the run are run.

    Guarded by ``scheduler.lock``.
    """

    def __init__(self, scheduler: Scheduler, depth: int, priority: float) -> None:
        self._scheduler, self._depth, self._priority = scheduler, depth, priority
        self._queues: dict[tuple[ConcurrencyLimit, Policies | None], CallQueue] = {}

    def get_locked(self, cap: ConcurrencyLimit, policies: Policies | None) -> CallQueue:
        """That of calls under a cap and policies."""
        key = cap, policies
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _new_queue(self._scheduler, cap, self._depth, policies)
            rank(queue, self._priority)
            self._scheduler.queues.add(queue)
        return queue

    def take_out_locked(self) -> None:
        """The run is ended: its calls leave their queues all at once, for to look for each of them would take long.

        What is under policies is found at once, see ``Lanes``.
        """
        for (_, policies), queue in self._queues.items():
            while policies is None and (call := queue.take()) is not None:
                call.queue = None
                queue.accepted -= 1

    def close(self) -> None:
        """The run is done: nothing more is put into them."""
        after: Actions = []
        scheduler = self._scheduler
        with scheduler.lock:
            for queue in self._queues.values():
                queue.closed = True
                if queue in scheduler.queues:  # not in the child of a fork
                    scheduler.check_done(queue, after)
        if after:
            scheduler.perform(after)


def _new_queue(scheduler: Scheduler, cap: ConcurrencyLimit, depth: int, policies: Policies | None) -> CallQueue:
    if policies is None:
        return CallQueue(scheduler, cap, depth)
    from ..calls.policy_queues import PolicyCallQueue

    return PolicyCallQueue(scheduler, cap, depth, policies.waitlists)
