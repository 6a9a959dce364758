"""Who waits in a queue of calls under policies: for a slot, for a limit, for the end of a back-off, or for a verdict.

Guarantees: a call that backs off or waits for a limit holds neither a thread nor a slot; it counts as pending, so that
nothing is done before it is.  A permit is taken only by a thread that has a slot.
"""

from __future__ import annotations

import weakref
from collections import deque
from functools import partial

from ..pool.leaving import refuses
from ..scope.alarms import set_alarm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from ..limits.waitlist import Waitlist
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, WorkQueue
    from .call_queue import Call

    class Entries(Protocol):
        """Calls that wait for a slot, in their order."""

        def __len__(self) -> int: ...
        def __iter__(self) -> Iterator[Call]: ...
        def __contains__(self, call: Call) -> bool: ...

        def append(self, call: Call) -> None:
            """Add a call behind all others."""

        def appendleft(self, call: Call) -> None:
            """Add a call before all others."""

        def others(self, call: Call) -> bool:
            """Whether another one waits for the same limits as this one, which is not among them."""

        def remove(self, call: Call) -> None:
            """Take a call out that is there."""

        def clear(self) -> None:
            """Take out all."""

        def mend(self) -> None:
            """Count anew what is counted, see ``WorkQueue.mend``."""


class Backlog:
    """The calls of one queue that do not run.  Guarded by the scheduler's lock.

    A subclass says which of ``entries`` may start, and for how long limits have held them.

    Args:
        queue: whose calls they are; it is held weakly, as it has the backlog.
        waitlists: all that the calls may stand in.
        entries: those that wait for a slot, and before it perhaps for a limit.

    Attributes:
        undecided: calls whose time was up and of which a policy of the user's is to be asked; they need no permit.
        backing_off: calls that are tried again, with what takes back the alarm at their time.
        giving_way: those of them that let another call be the next probe of their limit, see ``giving_way``.
        discards: grows with every discard; calls that were taken before it are not tried again.
        paused: no call is to start for now.
    """

    def __init__(self, queue: WorkQueue, scheduler: Scheduler, waitlists: set[Waitlist], entries: Entries) -> None:
        self._queue = weakref.ref(queue)
        self.scheduler = scheduler
        self.clock = scheduler.clock
        self._cap = queue.cap
        self.waitlists = waitlists
        self.entries = entries
        self.undecided: deque[Call] = deque()
        self.backing_off: dict[Call, Callable[[], None]] = {}
        self.giving_way: set[Call] = set()
        self.discards = 0
        self.paused = False
        self._pauses_before = 0
        self._pauses_before = self.pauses()

    # -- how many there are ------------------------------------------------------------------------------------------

    def pending(self) -> int:
        """How many calls have not ended and do not run."""
        return len(self.entries) + len(self.undecided) + len(self.backing_off)

    def ready(self) -> int:
        """How many of them wait for a slot alone."""
        raise NotImplementedError

    def waiting(self) -> int:
        """How many of them back off or wait for a limit."""
        raise NotImplementedError

    def limited(self, now: float, call: Call | None = None) -> float:
        """Seconds that it has waited for limits until now.

        Args:
            call: for which of them, where not all calls wait for the same.
        """
        raise NotImplementedError

    def pauses(self) -> int:
        """How often its limits have had all calls pause since it was made."""
        return sum(waitlist.limit.overloads for waitlist in self.waitlists.copy()) - self._pauses_before

    def can_start(self) -> bool:
        """Whether there is a slot for one of its calls, or a thread on its way that may take one."""
        free = self.scheduler.slots.free > 0 or self.scheduler.slots.waking > 0
        return free and self._cap.active < self._cap.limit and not self.paused

    # -- to a thread and back ----------------------------------------------------------------------------------------

    def take(self) -> Call | tuple[()] | None:
        """The first call that its limit lets through, with its permits; None if no call may start.

        ``STAY`` if one is to wait for it.
        """
        if self.paused:
            return None
        call = self.undecided.popleft() if self.undecided else self.take_entry()
        if call and call.policies is not None:
            call.state.discards = self.discards
        return call

    def take_entry(self) -> Call | tuple[()] | None:
        """``take``, of those that wait for a slot."""
        raise NotImplementedError

    def can_go_on(self, call: Call) -> bool:
        """Whether nothing has happened since the attempt began that ends the call with it."""
        queue = self._queue()
        if queue is None or queue.ended or refuses(self.scheduler.broken, queue.depth) or call.unwanted:
            return False
        return call.state.discards == self.discards

    def put_first(self, call: Call, after: Actions) -> None:
        """Queue a call before the others: it has waited its time, or waits for nothing else."""
        now = self.clock.monotonic()
        call.state.joins(now, self.limited(now, call))
        self.put_back(call, after)

    def put_back(self, call: Call, after: Actions) -> None:
        """Queue a call before the others that has not begun since it was taken."""
        (self.entries if call.state.undecided is None else self.undecided).appendleft(call)
        self.offer(after)

    def offer(self, after: Actions) -> None:
        """Have threads come if any call may start."""
        queue = self._queue()
        if queue is not None and queue.ready():
            self.scheduler.offer(queue, after)

    def back_off(self, call: Call, now: float, due: float) -> None:
        """Queue the call at this moment, and not before."""
        self.backing_off[call] = set_alarm(self.clock, due, partial(self._come_back, call, now), quick=True)

    def _come_back(self, call: Call, since: float) -> None:
        after: Actions = []
        with self.scheduler.lock:
            if self.backing_off.pop(call, None) is not None:
                call.state.backoff = self.clock.monotonic() - since
                self.put_first(call, after)
        self.scheduler.perform(after)

    # -- out of it ---------------------------------------------------------------------------------------------------

    def take_out(self, call: Call) -> bool:
        """Take a call out that waits for a slot or a limit; False if a thread has it."""
        if call not in self.entries:
            return False
        self.entries.remove(call)
        if not self.entries:
            self.leave_waitlists()
        return True

    def withdraw(self, call: Call) -> bool:
        """Take a call out, whatever it waits for; False if it is not here."""
        take_back = self.backing_off.pop(call, None)
        if take_back is not None:
            take_back()
            self.giving_way.discard(call)
        elif call in self.entries:
            self.entries.remove(call)
        elif call in self.undecided:
            self.undecided.remove(call)
        else:
            return False
        if not self.entries:
            self.leave_waitlists()
        return True

    def discard(self) -> list[Call]:
        """Take out all, and have no attempt follow those that run."""
        backing_off, self.backing_off = self.backing_off, {}
        for take_back in backing_off.values():
            take_back()
        found = [*self.entries, *self.undecided, *backing_off]
        self.entries.clear()
        self.undecided.clear()
        self.giving_way.clear()
        self.discards += 1
        self.leave_waitlists()
        return found

    def leave_waitlists(self) -> None:
        """No call needs a permit any more."""
        raise NotImplementedError

    def forget(self) -> None:
        """In the child of a fork: they wait in the parent only."""
        self.backing_off.clear()
        self.giving_way.clear()
        self.undecided.clear()
        self.entries.clear()
