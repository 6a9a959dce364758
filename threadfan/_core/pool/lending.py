"""Slots given away by calls that wait for other calls of their own fan.

A call that is about to wait does three things, in this order: it takes out a ``Loan``, arranges that whoever brings
what it waits for calls ``finish`` with it, and *lends*, unless it is there by now.  Lending looks under the scheduler's
lock, which ``finish`` takes too, so one of the two sees the other: at no moment does a call wait for what has ended
without standing in line for its slot.  And since it is put in line before the call that it waited for frees its own
slot, no other call of its depth starts between the two, which is what bounds the number of threads.
"""

from __future__ import annotations

from functools import partial

from ..base.threads import check_depth
from .session import Loan, here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .scheduler import Scheduler
    from .session import Session
    from .work_queue import Actions, WorkQueue

_FRAMES = 40
"""How deep lending a slot may go: whoever grants it to a new worker makes sure, some frames further down, that there is
room for the thread's start, and it is too late then to keep the slot."""


class Lending:
    """The lenders of one scheduler.  Guarded by ``scheduler.lock``; methods marked so are called with the lock held."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.in_line: list[Loan] = []  # of lenders that want a slot back

    # -- what a call does that waits ---------------------------------------------------------------------------------

    def take_out(self) -> Loan | None:
        """A loan for the call that runs in this thread; None if that is no call of this scheduler."""
        session: Session | None = getattr(here, "session", None)
        return None if session is None or session.scheduler is not self._scheduler else Loan(session)

    def lend(self, loan: Loan, unless: Callable[[], bool]) -> None:
        """Give the slot away, unless what the call waits for is there."""
        after: Actions = []
        check_depth(_FRAMES)
        with self._scheduler.lock:
            if not unless():
                self._lend(loan, after)
        self._scheduler.perform(after)

    def lend_to(self, queue: WorkQueue) -> Loan | None:
        """All of it at once for a call that waits until ``queue`` is done."""
        loan = self.take_out()
        if loan is not None:
            self.await_done(loan, queue)
            self.lend(loan, lambda: queue.done)
        return loan

    def await_done(self, loan: Loan, queue: WorkQueue) -> None:
        """Arrange that the end of ``queue`` finishes the loan."""
        with self._scheduler.lock:
            queue.lender = loan

    def take_back(self, loan: Loan) -> None:
        """Wait until the lender has a slot again (or none is due to it any more, its call being over)."""
        if loan.lent:
            self.finish(loan)
            self._scheduler.clock.wait(loan.gate)

    # -- what others do ----------------------------------------------------------------------------------------------

    def finish(self, loan: Loan) -> None:
        """Put a lender first in line for a slot.

        Called by the thread that brings what the lender waits for, before it frees its own slot; safe to repeat.
        """
        after: Actions = []
        with self._scheduler.lock:
            self.request_back(loan, after)
        self._scheduler.perform(after)

    def request_back(self, loan: Loan, after: Actions) -> None:
        """Put a lender in line, unless it is there already or has gone on.  With the lock held."""
        if loan.session.loan is not loan or loan.returning:
            return
        loan.returning = True
        self.in_line.append(loan)
        if loan.session.lost is not None:
            self.let_go(loan, after)
        else:
            self.serve(after)
            self._scheduler.press()

    def let_go(self, loan: Loan, after: Actions) -> None:
        """Let a lender in line go on: with the slot it has been given or, its call being over, without.

        With the lock held.
        """
        self.in_line.remove(loan)
        loan.session.loan = None
        after.append(partial(loan.gate.put, None))
        self._scheduler.press()

    def first(self) -> Loan | None:
        """The lender to get the next slot: the deepest of those whose group has room.  With the lock held."""
        best: Loan | None = None
        for loan in self.in_line:
            queue = loan.session.queue
            if queue.group.active < queue.group.limit and (best is None or queue.depth > best.session.queue.depth):
                best = loan
        return best

    def serve(self, after: Actions) -> None:
        """Give free slots to lenders in line.  With the lock held."""
        scheduler = self._scheduler
        while scheduler.free > 0 and self.in_line and (loan := self.first()) is not None:
            scheduler.free -= 1
            loan.session.holds = True
            loan.session.queue.group.active += 1
            self.let_go(loan, after)

    def _lend(self, loan: Loan, after: Actions) -> None:
        session = loan.session
        if not session.holds:
            return
        session.holds = False
        if session.lost is None:  # else its call is over, and is due no slot again
            session.loan = loan
            loan.lent = True
            self._scheduler.leave_group(session.queue.group, after)
        self._scheduler.release(after)
