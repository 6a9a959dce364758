"""The backlog of calls that may each be under limits of their own: whom a limit holds is passed by the others."""

from __future__ import annotations

from functools import partial

from ..base.clock import REAL
from ..scope.alarms import set_alarm
from .backlog import Backlog
from .breakers import admit
from .lanes import Lanes
from .near import NEAR, STAY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..limits.waitlist import Waitlist
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, WorkQueue
    from .call_queue import Call
    from .lanes import Lane
    from .policies import Policies


class LaneBacklog(Backlog):
    """Calls stand in lanes, each behind those that are under the same limits."""

    def __init__(self, queue: WorkQueue, scheduler: Scheduler, waitlists: set[Waitlist]) -> None:
        self._lanes = Lanes(scheduler.clock)
        super().__init__(queue, scheduler, waitlists, self._lanes)
        self._depth = queue.depth
        self.stays = True  # a worker may, for a limit that opens in a moment: see ``short_waits``
        self.keyed = False  # each lane is that of a key, and may wait for a call of that to end, and for no limit
        self.staying: Lane | None = None  # the lane for whose next permit one does
        self._looks = False  # somebody looks soon whether calls that may start have a worker
        self._held_since: float | None = None  # no call may start before a limit invites
        self.held_for = 0.0  # seconds, all in all, until that

    def lane_of(self, policies: Policies) -> Lane:
        """Where calls under these policies stand."""
        return self._lanes.lane(policies)

    def ready(self) -> int:
        """How many of them wait for a slot alone."""
        return 0 if self.paused else len(self.undecided) + self._lanes.ready

    def waiting(self) -> int:
        """How many of them back off or wait for a limit."""
        return len(self.backing_off) + len(self._lanes) - self._lanes.ready

    def take_entry(self) -> Call | tuple[()] | None:
        """The first call that its limit lets through, with its permits; None if no call may start.

        ``STAY`` if all wait for one limit, which opens in a moment: who is told so is to wait for that.
        """
        lanes = self._lanes
        lane: Lane | None
        while (lane := lanes.next_lane()) is not None:
            call = lane.first
            if call.policies is not None:
                lane.host = self  # first: it may be invited at once
                lane.comes_at = None
                if not admit(self.scheduler, call, call.policies, lane, NEAR if self._may_stay(lane) else -1.0):
                    lanes.shut(lane)
                    if call.policies.keyed:
                        lanes.limited(lane, not call.policies.full)
                    if lane.comes_at is not None:
                        self.staying = lane
                        self._held()
                        return STAY
                    continue
                if call.state.flaw is not None or call.state.shut_out:
                    lane.leave(self.clock)  # it may have been invited, and takes no permit that would end that
                lane.host = None
            if lane.held_since is not None:
                lanes.limited(lane, False)
            lanes.take(lane)
            self._let_through()
            return call
        if lanes and (lanes.held or not self.keyed):
            self._held()
        elif lanes:
            self._let_through()
        return None

    def line_up(self, call: Call) -> None:
        """Queue a call that has to wait for its limit, the only one of its lane."""
        lane, policies = self._lanes.lane(call.policies), call.policies
        lane.host, lane.comes_at = self, None
        self.entries.append(call)
        self._lanes.shut(lane)
        self._held()
        if policies is not None and policies.waitlist is not None:
            policies.waitlist.stand(lane, call.state.cost, self.clock)

    def _may_stay(self, lane: Lane) -> bool:
        """Whether a worker that takes no call here may wait for the next permit, as nothing else needs the slot."""
        waitlist = lane.waitlists[0]
        return (
            self.stays
            and self.staying is None
            and waitlist is not None
            and not waitlist.shared
            and len(lane.calls) == len(self._lanes)
            and self.clock is REAL
            and self.scheduler.run_queue.pressure <= self._depth
        )

    def stay_no_more(self) -> None:
        """The worker that has stayed is back."""
        lane, self.staying = self.staying, None
        if lane is not None:
            self._lanes.reopen(lane)

    def _held(self) -> None:
        if self._held_since is None:
            self._held_since = self.clock.monotonic()

    def hold(self, lane: Lane) -> None:
        """Somebody waits for the limit in place of a lane, which is shut meanwhile."""
        lane.host = self
        self._lanes.shut(lane)
        self._held()

    def let_go(self, lane: Lane) -> None:
        """He has a permit."""
        lane.host = None
        self._lanes.reopen(lane)
        self._let_through()

    def pass_on(self, after: Actions, quick: bool) -> None:
        """A worker that has stayed has a permit: have another one come for the next.

        Args:
            quick: whether it is likely to be back before that; then somebody looks a little later whether it is.
        """
        if not quick:
            self.offer(after)
        elif not self._looks:
            self._looks = True
            after.append(partial(set_alarm, self.clock, self.clock.monotonic() + NEAR, self._look, quick=True))

    def _look(self) -> None:
        after: Actions = []
        with self.scheduler.lock:
            self._looks = False
            self.offer(after)
        self.scheduler.perform(after)

    def limited(self, now: float, call: Call | None = None) -> float:
        """Seconds that it has waited for limits until now; the lane of a key by itself."""
        if call is not None and call.policies is not None and call.policies.keyed:
            lane = self._lanes.lane(call.policies)
            return lane.held_for + (0.0 if lane.held_since is None else now - lane.held_since)
        return self.held_for + (0.0 if self._held_since is None else now - self._held_since)

    def _let_through(self) -> None:
        if self._held_since is not None:
            self.held_for += self.clock.monotonic() - self._held_since
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
