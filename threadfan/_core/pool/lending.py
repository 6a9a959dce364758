"""Slots given away by calls that wait for other calls of their own fan.

A call that is about to wait does three things, in this order: it takes out a ``Loan``, arranges that whoever brings
what it waits for calls ``finish`` with it, and *lends*, unless it is there by now.  Lending looks under the scheduler's
lock, which ``finish`` takes too, so one of the two sees the other: at no moment does a call wait for what has ended
without standing in line for its slot.  And since it is put in line before the call that it waited for frees its own
slot, no other call of its depth starts between the two, which is what bounds the number of threads.
"""

from __future__ import annotations

from ..base.threads import check_depth
from .work_queue import Loan, here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .crew import Crew
    from .work_queue import Actions, Owner, Session, WorkQueue

_FRAMES = 40
"""How deep lending a slot may go: whoever grants it to a new worker makes sure, some frames further down, that there is
room for the thread's start, and it is too late then to keep the slot."""


class Lending:
    """What a call of one scheduler does that waits for others; who is in line for a slot say its ``Slots``."""

    def __init__(self, owner: Owner, crew: Crew) -> None:
        self._owner = owner
        self._crew = crew

    def take_out(self) -> Loan | None:
        """A loan for the call that runs in this thread; None if that is no call of this scheduler."""
        session: Session | None = getattr(here, "session", None)
        return None if session is None or session.scheduler is not self._owner else Loan(session)

    def lend(self, loan: Loan, unless: Callable[[], bool]) -> None:
        """Give the slot away, unless what the call waits for is there."""
        after: Actions = []
        check_depth(_FRAMES)
        with self._owner.lock:
            if not unless():
                self._lend(loan, after)
        self._owner.perform(after)

    def lend_to(self, queue: WorkQueue) -> Loan | None:
        """All of it at once for a call that waits until ``queue`` is done."""
        loan = self.take_out()
        if loan is not None:
            self.await_done(loan, queue)
            self.lend(loan, lambda: queue.done)
        return loan

    def await_done(self, loan: Loan, queue: WorkQueue) -> None:
        """Arrange that the end of ``queue`` finishes the loan."""
        with self._owner.lock:
            queue.lender = loan

    def take_back(self, loan: Loan) -> None:
        """Wait until the lender has a slot again (or none is due to it any more, its call being over)."""
        if loan.lent:
            self.finish(loan)
            self._owner.clock.wait(loan.gate)

    def finish(self, loan: Loan) -> None:
        """Put a lender first in line for a slot.

        Called by the thread that brings what the lender waits for, before it frees its own slot; safe to repeat.
        """
        after: Actions = []
        with self._owner.lock:
            self._crew.slots.request_back(loan, after)
        self._owner.perform(after)

    def _lend(self, loan: Loan, after: Actions) -> None:
        session = loan.session
        if not session.holds:
            return
        session.holds = False
        if session.lost is None:  # else its call is over, and is due no slot again
            session.loan = loan
            loan.lent = True
            self._crew.leave_cap(session.queue.cap, after)
        self._crew.release(after)
