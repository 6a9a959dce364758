"""Waiting for a limit that opens in a moment, in the thread that uses the permit then.

Else a call that waits holds no slot, and is invited by the thread of alarms.  By the time that a worker has come, a
tenth of a millisecond has gone; at a thousand starts a second that is a tenth of the rate.  So a worker that has a slot
and would be back within ``NEAR`` seconds stays: at most one for each limit, and only while nothing else needs the slot.

Guarantees: whoever stays comes back with the permit, or has an input put in line in its place, or leaves the waitlist.
Another worker is sent for the next permit before its call begins, or ``NEAR`` seconds later at most.
"""

from __future__ import annotations

import select
import time

from ..base.clock import REAL
from .near import NEAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ..policies.cost import Permit
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, Session
    from .call_queue import Call
    from .lane_backlog import LaneBacklog
    from .lanes import Lane
    from .policies import Policies

    class Batch(Protocol):
        """An ``InputBatch``, as it is known here."""

        scheduler: Scheduler
        depth: int
        policies: Policies
        lane: Lane
        backlog: LaneBacklog

        def put_in_line(self, after: Actions) -> None:
            """Who has waited for a permit in place of the next input has got none."""


LEAD = 0.00015
"""Seconds before the moment from which on a thread looks at the clock: a sleep ends that much late on a busy machine,
the tenth of it on most."""


def is_near(batch: Batch) -> bool:
    """Whether a worker that has a slot should stay for the next permit.  With the lock held."""
    scheduler, waitlist = batch.scheduler, batch.policies.waitlist
    if waitlist is None or scheduler.clock is not REAL or scheduler.run_queue.pressure > batch.depth:
        return False
    return waitlist.is_near(REAL, NEAR)


def await_permit(batch: Batch, took: float) -> Permit | None:
    """Stay until there is a permit for the next input; None if that takes long, or somebody else stays.

    Args:
        took: seconds of the call before.
    """
    scheduler, lane, backlog, waitlist = batch.scheduler, batch.lane, batch.backlog, batch.policies.waitlist
    if waitlist is None or scheduler.clock is not REAL or scheduler.run_queue.pressure > batch.depth:
        return None
    permit, asked, begun = None, False, time.monotonic()
    after: Actions = []
    with scheduler.lock:
        if lane.shut or lane.calls:
            return None
        backlog.hold(lane)
    try:
        while not asked:
            lane.comes_at = None
            permit = waitlist.take(lane, None, REAL, NEAR)
            asked = lane.comes_at is None
            if lane.comes_at is not None:
                _sleep_until(lane.comes_at)
        return permit
    finally:
        with scheduler.lock:
            if permit is None and lane.host is None:  # it has left meanwhile, and has asked once more since
                lane.host = backlog
                lane.leave(REAL)
            if asked and permit is None:
                batch.put_in_line(after)
            else:
                if permit is None:  # something has struck
                    lane.leave(REAL)
                backlog.let_go(lane)
                backlog.pass_on(after, 2 * took < time.monotonic() - begun)
        scheduler.perform(after)


def stay(backlog: LaneBacklog, session: Session, took: float) -> Call | tuple[()] | None:
    """Stay until the lane for which this was said has a permit; what is to be run then, if anything is.

    Args:
        took: seconds of the call before.
    """
    lane, call, begun = backlog.staying, None, time.monotonic()
    slept = lane is None or lane.comes_at is None
    after: Actions = []
    try:
        if lane is not None and lane.comes_at is not None:
            _sleep_until(lane.comes_at)
        slept = True
    finally:
        with backlog.scheduler.lock:
            backlog.stay_no_more()
            if slept:
                call = backlog.take()
                session.judging = bool(call)  # under the lock: whoever counts calls sees it here or there
            backlog.pass_on(after, bool(call) and 2 * took < time.monotonic() - begun)
        backlog.scheduler.perform(after)
    return call


def _sleep_until(moment: float) -> None:
    """Return at the moment, to some microseconds; other threads run meanwhile."""
    left = moment - time.monotonic()
    if left > LEAD:
        time.sleep(left - LEAD)
    give_way = _giving_way()
    while time.monotonic() < moment:
        give_way(0)


def _giving_way() -> Callable[[int], object]:
    """What lets other threads run, and returns at once if none wants to; for one thread.

    ``time.sleep(0)`` is late by the kernel's slack, where that has any.
    """
    return select.poll().poll if hasattr(select, "poll") else time.sleep
