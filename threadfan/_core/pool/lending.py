"""Slots given away by calls that wait for other calls of their own fan.

A call that is about to wait does three things, in this order: it takes out a ``Loan``, arranges that whoever brings
what it waits for calls ``finish`` with it, and *lends*, unless it is there by now.  Lending looks under the hub's lock,
which ``finish`` takes too, so one of the two sees the other: at no moment does a call wait for what has ended without
standing in line for its slot.  And since it is put in line before the call that it waited for frees its own slot, no
other call of its depth starts between the two, which is what bounds the number of threads.
"""

from __future__ import annotations

from functools import partial

from ..base.threads import check_depth
from .session import Loan, here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .scheduler import Hub
    from .session import Drain
    from .work_queue import After, Source

_FRAMES = 40
"""How deep lending a slot may go: whoever grants it to a new worker makes sure, some frames further down, that there is
room for the thread's start, and it is too late then to keep the slot."""


class Loans:
    """The lenders of one hub.  Guarded by ``hub.lock``; methods marked so are called with the lock held."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.in_line: list[Loan] = []  # of lenders that want a slot back

    # -- what a call does that waits ---------------------------------------------------------------------------------

    def take_out(self) -> Loan | None:
        """A loan for the call that runs in this thread; None if it runs no call of this hub, and need not lend."""
        drain: Drain | None = getattr(here, "drain", None)
        return None if drain is None or drain.hub is not self._hub else Loan(drain)

    def lend(self, loan: Loan, unless: Callable[[], bool]) -> None:
        """Give the slot away, unless what the call waits for is there."""
        after: After = []
        check_depth(_FRAMES)
        with self._hub.lock:
            if not unless():
                self._lend(loan, after)
        self._hub.perform(after)

    def lend_to(self, source: Source) -> Loan | None:
        """All of it at once for a call that waits until ``source`` is done."""
        loan = self.take_out()
        if loan is not None:
            self.await_done(loan, source)
            self.lend(loan, lambda: source.done)
        return loan

    def await_done(self, loan: Loan, source: Source) -> None:
        """Arrange that the end of ``source`` finishes the loan."""
        with self._hub.lock:
            source.lender = loan

    def take_back(self, loan: Loan) -> None:
        """Wait until the lender has a slot again (or none is due to it any more, its call being over)."""
        if loan.lent:
            self.finish(loan)
            self._hub.clock.wait(loan.gate)

    # -- what others do ----------------------------------------------------------------------------------------------

    def finish(self, loan: Loan) -> None:
        """Put a lender first in line for a slot.

        Called by the thread that brings what the lender waits for, before it frees its own slot; safe to repeat.
        """
        after: After = []
        with self._hub.lock:
            self.request_back(loan, after)
        self._hub.perform(after)

    def request_back(self, loan: Loan, after: After) -> None:
        """Put a lender in line, unless it is there already or has gone on.  With the lock held."""
        if loan.drain.loan is not loan or loan.returning:
            return
        loan.returning = True
        self.in_line.append(loan)
        if loan.drain.lost is not None:
            self.let_go(loan, after)
        else:
            self.serve(after)
            self._hub.press()

    def let_go(self, loan: Loan, after: After) -> None:
        """Let a lender in line go on: with the slot it has been given or, its call being over, without.

        With the lock held.
        """
        self.in_line.remove(loan)
        loan.drain.loan = None
        after.append(partial(loan.gate.put, None))
        self._hub.press()

    def first(self) -> Loan | None:
        """The lender to get the next slot: the deepest of those whose group has room.  With the lock held."""
        best: Loan | None = None
        for loan in self.in_line:
            source = loan.drain.source
            if source.group.active < source.group.limit and (best is None or source.depth > best.drain.source.depth):
                best = loan
        return best

    def serve(self, after: After) -> None:
        """Give free slots to lenders in line.  With the lock held."""
        hub = self._hub
        while hub.free > 0 and self.in_line and (loan := self.first()) is not None:
            hub.free -= 1
            loan.drain.holds = True
            loan.drain.source.group.active += 1
            self.let_go(loan, after)

    def _lend(self, loan: Loan, after: After) -> None:
        drain = loan.drain
        if not drain.holds:
            return
        drain.holds = False
        if drain.lost is None:  # else its call is over, and is due no slot again
            drain.loan = loan
            loan.lent = True
            self._hub.leave_group(drain.source.group, after)
        self._hub.release(after)
