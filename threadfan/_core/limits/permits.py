"""Permits for requests that are made while a call runs: its thread waits for them, through its scope."""

from __future__ import annotations

from contextlib import nullcontext
from queue import SimpleQueue

from ..scope.scope import current_scope
from ..scope.waiting import sleep, wait_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ..base.clock import Clock
    from ..base.generic import T
    from ..policies.cost import Cost, Permit
    from .rate_waitlist import RateWaitlist
    from .waitlist import Waitlist


class CountedRequest:
    """A request that the limit knows of.  ``permit`` is None for one that uses the permit of the attempt."""

    __slots__ = ("permit",)

    def __init__(self, permit: Permit | None) -> None:
        self.permit = permit


class Permits:
    """What draws them for one call, or for requests that no call makes."""

    __slots__ = ()

    def uncounted(self) -> AbstractContextManager[None]:
        """What is waited inside counts against no timeout of the call's own."""
        return nullcontext()

    def draw(self, waitlist: Waitlist[T], clock: Clock, cost: Cost | None) -> T:
        """A permit, as soon as there is one.

        Args:
            cost: what is expected of the request; None for what the limit has learned to expect.

        Raises:
            CallCancelled: the scope has ended meanwhile.
        """
        waiter = _WaitingCall()
        permit = None if waitlist.shared else waitlist.take(waiter, cost, clock)
        if permit is not None:
            return permit
        try:
            with self.uncounted():
                if waitlist.shared:  # to ask others may take a while too
                    permit = _ask(waitlist, clock, waiter, cost)
                while permit is None:
                    wait_in(current_scope(), waiter.gate, None)
                    permit = _ask(waitlist, clock, waiter, cost)
        finally:
            if permit is None:
                waitlist.leave(waiter, clock)
        return permit

    def wait_to_leave(self, waitlist: RateWaitlist, clock: Clock) -> None:
        """Wait until a request that has its permit is far enough away from the one before.

        Raises:
            CallCancelled: the scope has ended meanwhile.
        """
        if not waitlist.shared:
            self._wait_to_leave(waitlist, clock, self.uncounted)
            return
        with waitlist.departing(), self.uncounted():  # to ask others may take a while too
            self._wait_to_leave(waitlist, clock, nullcontext)

    @staticmethod
    def _wait_to_leave(
        waitlist: RateWaitlist, clock: Clock, uncounted: Callable[[], AbstractContextManager[None]]
    ) -> None:
        wait = waitlist.departs(clock)
        while wait > 0 or (wait := waitlist.leaves(clock)) > 0:
            with uncounted():
                sleep(wait)
            wait = 0.0


def _ask(waitlist: Waitlist[T], clock: Clock, waiter: _WaitingCall, cost: Cost | None) -> T | None:
    while (permit := waitlist.take(waiter, cost, clock)) is not None:
        if waitlist.confirm(permit, clock):
            break
    return permit


class _WaitingCall:
    """A call that waits, holding its slot."""

    comes_at: float | None = None  # it is invited, always

    def __init__(self) -> None:
        self.gate: SimpleQueue[None] = SimpleQueue()

    def can_start(self) -> bool:
        return True

    def invite(self) -> None:
        self.gate.put(None)
