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
    from typing import Any

    from ..base.clock import Clock
    from ..policies.cost import Cost, Permit
    from .waitlist import Waitlist


class Ticket:
    """One request.  ``permit`` is None if the one that was there before it is used."""

    __slots__ = ("permit",)

    def __init__(self, permit: Permit | None) -> None:
        self.permit = permit


class Permits:
    """What draws them for one call, or for requests that no call makes."""

    __slots__ = ()

    def uncounted(self) -> AbstractContextManager[None]:
        """What is waited inside counts against no timeout of the call's own."""
        return nullcontext()

    def draw(self, line: Waitlist, clock: Clock, cost: Cost | None) -> Any:
        """A permit, as soon as there is one.

        Args:
            cost: what is expected of the request; None for what the limit has learned to expect.

        Raises:
            CallCancelled: the scope has ended meanwhile.
        """
        waiter = _Waiter()
        permit = None if line.shared else line.take(waiter, cost, clock)
        if permit is not None:
            return permit
        try:
            with self.uncounted():
                if line.shared:  # to ask others may take a while too
                    permit = _ask(line, clock, waiter, cost)
                while permit is None:
                    wait_in(current_scope(), waiter.gate, None)
                    permit = _ask(line, clock, waiter, cost)
        finally:
            if permit is None:
                line.leave(waiter, clock)
        return permit

    def wait_to_leave(self, line: Waitlist, clock: Clock) -> None:
        """Wait until a request that has its permit is far enough away from the one before.

        Raises:
            CallCancelled: the scope has ended meanwhile.
        """
        if not line.shared:
            self._wait_to_leave(line, clock, self.uncounted)
            return
        with line.departing(), self.uncounted():  # to ask others may take a while too
            self._wait_to_leave(line, clock, nullcontext)

    @staticmethod
    def _wait_to_leave(line: Waitlist, clock: Clock, uncounted: Callable[[], AbstractContextManager[None]]) -> None:
        wait = line.departs(clock)
        while wait > 0 or (wait := line.leaves(clock)) > 0:
            with uncounted():
                sleep(wait)
            wait = 0.0


def _ask(line: Waitlist, clock: Clock, waiter: _Waiter, cost: Cost | None) -> Permit | None:
    while (permit := line.take(waiter, cost, clock)) is not None:
        if line.confirm(permit, clock):
            break
    return permit


class _Waiter:
    """A call that stands in line, holding its slot."""

    def __init__(self) -> None:
        self.gate: SimpleQueue[None] = SimpleQueue()

    def can_start(self) -> bool:
        return True

    def invite(self) -> None:
        self.gate.put(None)
