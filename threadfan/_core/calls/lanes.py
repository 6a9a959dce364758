"""Calls under policies that wait for a slot, sorted by the limits that they wait for.

Guarantees: what is taken is the first call of all whose limit has not just refused one; the cost of adding, taking and
removing one does not grow with the number of calls, and with that of different limits only as its logarithm.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from ..base.clock import Clock
    from ..limits.adaptive_limit import Start
    from ..limits.rate_waitlist import RateWaitlist
    from ..limits.waitlist import Waitlist
    from .call_queue import Call
    from .policies import Policies

    Limits = tuple[RateWaitlist | None, Waitlist[Start] | None]

    class Host(Protocol):
        """Whose the calls of a lane are."""

        def can_start(self) -> bool:
            """Whether one of its calls could use a permit now."""

        def invite(self, lane: Lane) -> None:
            """A limit is open for the first call of the lane."""


class Lane:
    """Calls under the same limits, and what stands in their waitlists for them.  Guarded by the scheduler's lock."""

    __slots__ = ("calls", "comes_at", "held_for", "held_since", "host", "shut", "waitlists")

    def __init__(self, waitlists: Limits) -> None:
        self.waitlists = waitlists
        self.calls: OrderedDict[Call, int] = OrderedDict()  # with their numbers in the order of all lanes
        self.shut = False  # a limit has refused its first call, and will invite it
        self.comes_at: float | None = None  # if a worker stays for its next permit
        self.held_for = 0.0  # seconds that it has waited for limits, if it is that of a key
        self.held_since: float | None = None  # since when it does
        self.host: Host | None = None  # while it may stand in a waitlist; else the two would hold each other

    @property
    def first(self) -> Call:
        """The call that comes next."""
        return next(iter(self.calls))

    @property
    def number(self) -> int:
        """That call's place among those of all lanes."""
        return next(iter(self.calls.values()))

    def can_start(self) -> bool:
        """Whether it could use a permit now."""
        host = self.host
        return host is not None and host.can_start()

    def invite(self) -> None:
        """It is its turn."""
        host = self.host
        if host is not None:  # else it has just gone
            host.invite(self)

    def leave(self, clock: Clock) -> None:
        """It needs no permit any more."""
        if self.host is not None:
            for waitlist in self.waitlists:
                if waitlist is not None:
                    waitlist.leave(self, clock)
            self.host = None


class Lanes:
    """All that wait for a slot, in order.  Guarded by the scheduler's lock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lanes: dict[object, Lane] = {}  # by what its policies say
        self._open: list[tuple[int, Lane]] = []  # a heap with each lane that is open, and what it was before
        self._length = 0
        self._last = self._first = 0  # the numbers given out at either end
        self.ready = 0  # how many calls are in open lanes
        self.held = 0  # how many lanes of keys wait for a limit, and not for a call of their key to end

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Call]:
        numbered = [(number, call) for lane in self._lanes.values() for call, number in lane.calls.items()]
        return iter([call for _, call in sorted(numbered, key=_number)])

    def __contains__(self, call: Call) -> bool:
        return call in self.lane(call.policies).calls

    def append(self, call: Call) -> None:
        """Add a call behind all others."""
        self._last += 1
        lane = self.lane(call.policies)
        lane.calls[call] = self._last
        self._added(lane, new_first=len(lane.calls) == 1)

    def appendleft(self, call: Call) -> None:
        """Add a call before all others."""
        self._first -= 1
        lane = self.lane(call.policies)
        lane.calls[call] = self._first
        lane.calls.move_to_end(call, last=False)
        self._added(lane, new_first=True)

    def others(self, call: Call) -> bool:
        """Whether any waits for the same limits."""
        return bool(self.lane(call.policies).calls)

    def remove(self, call: Call) -> None:
        """Take a call out; ValueError if it is not there."""
        lane = self.lane(call.policies)
        if call not in lane.calls:
            raise ValueError("it does not wait here")
        was_first = lane.first is call
        self._pop(lane, call)
        if not lane.calls:
            lane.shut = False  # first: a lane that is shut, and stands in no waitlist, would never be opened
            self.limited(lane, False)
            lane.leave(self._clock)
        elif was_first and not lane.shut:
            heapq.heappush(self._open, (lane.number, lane))

    def clear(self) -> None:
        """Take out all; lanes keep their places in waitlists until they leave."""
        for lane in self._lanes.values():
            lane.calls.clear()
            lane.shut = False
            self.limited(lane, False)
        self._open.clear()
        self._length = self.ready = 0

    def mend(self) -> None:
        """Count anew, by what is in the lanes: an exception may have cut short what changed them.

        See ``Scheduler.mend``.
        """
        lanes = [lane for lane in self._lanes.values() if lane.calls]
        self._length = sum(len(lane.calls) for lane in lanes)
        self.ready = sum(len(lane.calls) for lane in lanes if not lane.shut)
        self.held = sum(lane.held_since is not None for lane in self._lanes.values())
        self._open = [(lane.number, lane) for lane in lanes if not lane.shut]
        heapq.heapify(self._open)

    # -- by lanes ----------------------------------------------------------------------------------------------------

    def lane(self, policies: Policies | None) -> Lane:
        """Where calls under these policies stand; it stays the same."""
        key = None if policies is None else policies.lane
        lane = self._lanes.get(key)
        if lane is None:
            limits = (None, None) if policies is None else (policies.waitlist, policies.pace)
            lane = self._lanes[key] = Lane(limits)
        return lane

    def next_lane(self) -> Lane | None:
        """The open lane with the first call."""
        while self._open:
            number, lane = self._open[0]
            if not lane.shut and lane.calls and lane.number == number:
                return lane
            heapq.heappop(self._open)
        return None

    def take(self, lane: Lane) -> Call:
        """Take out the first call of the lane that ``next_lane`` has given."""
        call, _ = lane.calls.popitem(last=False)
        self._length -= 1
        self.ready -= 1
        if lane.calls:
            heapq.heapreplace(self._open, (lane.number, lane))
        else:
            heapq.heappop(self._open)
        return call

    def shut(self, lane: Lane) -> None:
        """A limit has refused the first call of a lane."""
        lane.shut = True
        self.ready -= len(lane.calls)

    def open(self, lane: Lane) -> bool:
        """The limit invites it; False if there is nobody in it."""
        if lane.calls and lane.shut:
            lane.shut = False
            self.ready += len(lane.calls)
            heapq.heappush(self._open, (lane.number, lane))
        return bool(lane.calls)

    def reopen(self, lane: Lane) -> None:
        """Whoever was the next one for a lane that is shut has come back."""
        if lane.shut:
            lane.shut = False
            if lane.calls:
                self.ready += len(lane.calls)
                heapq.heappush(self._open, (lane.number, lane))

    # -- of lanes of keys: what each waits for -------------------------------------------------------------------------

    def limited(self, lane: Lane, waits: bool) -> None:
        """Whether it waits for a limit now."""
        if waits is (lane.held_since is not None):
            return
        now = self._clock.monotonic()
        if waits:
            lane.held_since = now
            self.held += 1
        else:
            lane.held_for += now - lane.held_since  # type: ignore[operator]  # it did
            lane.held_since = None
            self.held -= 1

    def leave_waitlists(self) -> None:
        """No lane needs a permit any more."""
        for lane in self._lanes.values():
            lane.leave(self._clock)

    def _added(self, lane: Lane, *, new_first: bool) -> None:
        self._length += 1
        if not lane.shut:
            self.ready += 1
            if new_first:
                heapq.heappush(self._open, (lane.number, lane))

    def _pop(self, lane: Lane, call: Call) -> None:
        del lane.calls[call]
        self._length -= 1
        if not lane.shut:
            self.ready -= 1


def _number(numbered: tuple[int, Call]) -> int:
    return numbered[0]
