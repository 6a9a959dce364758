"""Whose turn it is: the work queues that have calls pending, by depth.

Guarantees:

- Deeper queues go before shallower ones, and what a call waits for is deeper than the call: whenever a new call starts
  at some depth, each call that waits there waits for one that runs, so threads stay within slots x (depth + 1).
- Queues of one depth take turns: after each call a thread leaves if others wait and its quantum is over.
- Of those of one depth, nine turns in ten are for the queues of the smallest priority that may start a call, round and
  round, and the tenth is for the others: those of each other priority have it by turns.  So none waits for ever.
"""

from __future__ import annotations

from collections import deque
from itertools import groupby

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from .priorities import Rank
from .work_queue import why_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .work_queue import Actions, WorkQueue

FAIR = 10
"""One turn in so many is not for the smallest priority.  Arbitrary: often enough to be seen to go on, and a tenth of
the slots at most."""


class RunQueue:
    """Of one scheduler.  Guarded by its lock: everything, but ``pressure`` is read without it."""

    __slots__ = ("_hurried", "_ranked", "_turns", "pressure", "rings")

    def __init__(self) -> None:
        self.rings: dict[int, deque[WorkQueue]] = {}  # by rank; none of them is empty
        self._ranked = False  # there has been a queue with a priority
        self._turns = 0  # since then
        self._hurried = False
        self.pressure: float = -1.0
        """Tells sessions, by one number, whether others wait.

        A session at depth ``d`` compares: above ``d`` means that others wait, so leave when the quantum is over; ``d +
        1`` or more means a deeper queue or a lender, so leave after this call.
        """

    def __iter__(self) -> Iterator[WorkQueue]:
        for ring in self.rings.values():
            yield from ring

    def enlist(self, queue: WorkQueue) -> None:
        """Put ``queue`` into its ring, and wake nobody.  With the lock held."""
        ring = self.rings.get(queue.rank)
        if ring is None:
            ring = self.rings[queue.rank] = deque()
            self._ranked = self._ranked or type(queue.rank) is Rank
        ring.append(queue)
        queue.queued = True
        self._press()

    def hurry(self, hurried: bool) -> None:
        """Have every session leave after its call, or not any more.  With the lock held."""
        self._hurried = hurried
        self._press()

    def has_work(self) -> bool:
        """Whether any pending call could start, given a slot.  With the lock held."""
        for ring in self.rings.values():
            for queue in ring:
                if queue.ready() and queue.cap.active < queue.cap.limit:
                    return True
        return False

    def choose(self, after: Actions) -> tuple[WorkQueue, Any] | None:
        """The queue whose turn it is, and its next entry: deepest first, round and round within a rank.

        With the lock held.
        """
        ranks = sorted(self.rings, reverse=True) if len(self.rings) > 1 else list(self.rings)
        if self._ranked:
            ranks = self._by_turns(ranks)
        for place in ranks:
            ring = self.rings[place]
            for _ in range(len(ring)):
                queue = ring.popleft()
                entry = None
                if queue.ended or queue.unwanted():
                    # It may count as done, so nothing of it may start, not even what is fed from here on without the
                    # lock: whoever feeds a batch that has ended looks after that.
                    queue.discard(TaskCancelled(why_ended(queue)), after)
                elif queue.cap.active < queue.cap.limit and not queue.paused:
                    entry = queue.take()
                if queue.ready():
                    ring.append(queue)
                else:
                    self._unqueue(queue, ring)
                if entry is not None:
                    return queue, entry
        return None

    def _by_turns(self, ranks: list[int]) -> list[int]:
        """The ranks in the order of this turn."""
        self._turns += 1
        if self._turns % FAIR or len(ranks) < 2:
            return ranks
        found: list[int] = []
        for _, same in groupby(ranks, key=int):
            depth = list(same)
            if len(depth) > 1:
                depth.insert(0, depth.pop(1 + self._turns // FAIR % (len(depth) - 1)))
            found += depth
        return found

    def clear(self) -> None:
        """Forget all queues, to enlist them anew.  With the lock held."""
        self.rings = {}

    def _unqueue(self, queue: WorkQueue, ring: deque[WorkQueue]) -> None:
        """Leave a queue that has nothing pending out of its ring."""
        queue.queued = False
        if queue.ready():  # fed between the two looks, and its feeder may still have seen it queued
            queue.queued = True
            ring.append(queue)
        elif not ring:
            del self.rings[queue.rank]
        self._press()

    def _press(self) -> None:
        if self._hurried:
            self.pressure = FOREVER
        elif self.rings:
            deepest = max(self.rings)
            others = len(self.rings[deepest]) > 1
            if self._ranked:
                deepest = int(deepest)
                others = others or sum(int(place) == deepest for place in self.rings) > 1
            self.pressure = deepest + 0.5 if others else deepest
        else:
            self.pressure = -1.0
