"""The backlog of calls that may each be under limits of their own: whom a limit holds is passed by the others."""

from __future__ import annotations

from .backlog import Backlog
from .lanes import Lanes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..limits.waitlist import Waitlist
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, WorkQueue
    from .call_queue import Call
    from .lanes import Lane


class LaneBacklog(Backlog):
    """Calls stand in lanes, each behind those that are under the same limits."""

    def __init__(self, queue: WorkQueue, scheduler: Scheduler, waitlists: set[Waitlist]) -> None:
        self._lanes = Lanes(scheduler.clock)
        super().__init__(queue, scheduler, waitlists, self._lanes)
        self._held_since: float | None = None  # no call may start before a limit invites
        self._held_for = 0.0  # seconds, all in all

    def ready(self) -> int:
        """How many of them wait for a slot alone."""
        return len(self.undecided) + self._lanes.ready

    def waiting(self) -> int:
        """How many of them back off or wait for a limit."""
        return len(self.backing_off) + len(self._lanes) - self._lanes.ready

    def take_entry(self) -> Call | None:
        """The first call that its limit lets through, with its permits; None if no call may start."""
        lanes = self._lanes
        lane: Lane | None
        while (lane := lanes.next_lane()) is not None:
            call = lane.first
            if call.policies is not None:
                lane.host = self  # first: it may be invited at once
                if not call.policies.admit(call.state, lane, self.clock):
                    lanes.shut(lane)
                    continue
                if call.state.flaw is not None:
                    lane.leave(self.clock)  # it may have been invited, and takes no permit that would end that
                lane.host = None
            lanes.take(lane)
            self._let_through()
            return call
        if lanes and self._held_since is None:
            self._held_since = self.clock.monotonic()
        return None

    def limited(self, now: float, call: Call | None = None) -> float:
        """Seconds that it has waited for limits until now."""
        return self._held_for + (0.0 if self._held_since is None else now - self._held_since)

    def _let_through(self) -> None:
        if self._held_since is not None:
            self._held_for += self.clock.monotonic() - self._held_since
            self._held_since = None

    # -- as one who waits for limits ---------------------------------------------------------------------------------

    def invite(self, lane: Lane) -> None:
        """A limit is open for the first call of a lane."""
        after: Actions = []
        with self.scheduler.lock:
            queue = self._queue()
            if queue is not None and self._lanes.open(lane):
                self.scheduler.offer(queue, after)
            else:
                lane.leave(self.clock)
        self.scheduler.perform(after)

    def leave_waitlists(self) -> None:
        """No call needs a permit any more."""
        self._let_through()
        self._lanes.leave_waitlists()
