"""Slots, and the calls that want theirs back.

Guarantees:

- Never more than ``total`` calls run.  A slot is a token: it is free, or on its way with a worker that was woken with
  it, or held by a session.  A call that waits for other calls of its fan *lends* its slot (see ``lending``); a call
  that timed out loses it.
- A lender is first to take a slot back.
"""

from __future__ import annotations

from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from .run_queue import RunQueue
    from .work_queue import Actions, Loan

    class Adaptive(Protocol):
        """How many slots there are to be, where that is found out."""

        @property
        def limit(self) -> int:
            """How many now."""

        @property
        def ceiling(self) -> int:
            """Never more than these."""

        @property
        def pace(self) -> float:
            """How many calls may start in a second; infinity for any number."""


class Slots:
    """Of one scheduler; ``Crew.release`` frees them.  Guarded by its lock: every change."""

    __slots__ = ("_run_queue", "free", "lenders", "total", "waking")

    def __init__(self, total: int, run_queue: RunQueue) -> None:
        self._run_queue = run_queue
        self.total: int = total
        self.free: int = total  # below 0 while there are fewer slots than calls that run
        self.waking: int = 0  # given to workers that have not chosen a queue yet
        self.lenders: list[Loan] = []  # in line for a slot

    def resize(self, total: int) -> None:
        """Have so many from now on; calls that run go on, and the slots they leave are not given out while too many."""
        self.free += total - self.total
        self.total = total
        self.press()

    def press(self) -> None:
        """Have sessions leave their queues while a lender waits, or while there are too few slots."""
        self._run_queue.hurry(bool(self.lenders) or self.free < 0)

    # -- lenders: with the lock held ---------------------------------------------------------------------------------

    def request_back(self, loan: Loan, after: Actions) -> None:
        """Put a lender in line, unless it is there already or has gone on."""
        if loan.session.loan is not loan or loan.returning:
            return
        loan.returning = True
        self.lenders.append(loan)
        if loan.session.lost is not None:
            self.go_on(loan, after)
        else:
            self.serve(after)
            self.press()

    def go_on(self, loan: Loan, after: Actions) -> None:
        """Let a lender in line go on: with the slot it has been given or, its call being over, without."""
        self.lenders.remove(loan)
        loan.session.loan = None
        after.append(partial(loan.gate.put, None))
        self.press()

    def first(self) -> Loan | None:
        """The lender to get the next slot: the deepest of those whose cap has room."""
        best: Loan | None = None
        for loan in self.lenders:
            queue = loan.session.queue
            if queue.cap.active < queue.cap.limit and (best is None or queue.depth > best.session.queue.depth):
                best = loan
        return best

    def serve(self, after: Actions) -> None:
        """Give free slots to lenders in line."""
        while self.free > 0 and self.lenders and (loan := self.first()) is not None:
            self.free -= 1
            loan.session.holds = True
            loan.session.queue.cap.active += 1
            self.go_on(loan, after)
