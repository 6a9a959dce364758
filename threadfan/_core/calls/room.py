"""A bound on how many submitted calls wait to begin: ``Fan(max_queued=…)``.  Imported only where there is one.

Each such call has a place in the fan's ``Room`` from the moment that it is handed in until it begins, or is never to.
Who finds no place waits for one, in order, or is told so at once.

Guarantees: a wait ends with the scope that it is in, and with the fan, and leaves nothing behind.  A call of the same
fan lends its slot while it waits, so that what has the places can begin; such calls keep their threads, of which there
may be as many more as there are places.
"""

from __future__ import annotations

import queue
from collections import deque
from queue import SimpleQueue

from ..base import forks
from ..base.generic import TYPE_CHECKING, T
from ..base.locks import Lock
from ..base.threads import check_depth
from ..scope.scope import scope_here
from ..scope.waiting import wait_in
from .future import Future

if TYPE_CHECKING:
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import ConcurrencyLimit, Loan, Session
    from .policies import Policies


class _Waiter:
    """Who waits for a place.

    Args:
        loan: of the slot that its call lends meanwhile, if it is a call of the same fan.
    """

    __slots__ = ("gate", "loan", "over")

    def __init__(self, loan: Loan | None) -> None:
        self.gate: SimpleQueue[None] = SimpleQueue()
        self.loan = loan
        self.over = False  # it has a place, or the fan is closed

    def tell(self, scheduler: Scheduler) -> None:
        """It need not wait any more."""
        if self.loan is not None:
            scheduler.lending.finish(self.loan)
        self.gate.put(None)


class Room:
    """The places of one fan.  Guarded by ``_lock``: everything.

    Args:
        most: how many there are.
        waits: whether those wait who find none.
    """

    def __init__(self, most: int, waits: bool) -> None:
        self._most = most
        self._waits = waits
        self._forked()
        forks.renew(self, Room._forked)

    def _forked(self) -> None:
        """In the child of a fork: those in it, and those who wait, are the parent's."""
        self._lock = Lock()
        self._taken = 0
        self._line: deque[_Waiter] = deque()

    def enter(self, scheduler: Scheduler) -> None:
        """Take a place.

        Raises:
            queue.Full: there is none, and nobody is to wait.
            RuntimeError: the fan was closed.
            CallCancelled: the call or block that hands it in has ended.
        """
        check_depth()  # before anything is lent
        waiter = _Waiter(scheduler.lending.take_out())
        try:
            if not self._takes_place(waiter, scheduler):
                self._wait(waiter, scheduler)
        except BaseException:
            self._give_up(waiter, scheduler)
            raise

    def leave(self, scheduler: Scheduler) -> None:
        """A place is free."""
        with self._lock:
            waiter = self._line.popleft() if self._line else None
            if waiter is None:
                self._taken = max(0, self._taken - 1)  # in the child of a fork, calls of the parent's leave too
            else:
                waiter.over = True
        if waiter is not None:
            waiter.tell(scheduler)

    def close(self, scheduler: Scheduler) -> None:
        """The fan takes no more calls: nobody is to wait."""
        with self._lock:
            line = list(self._line)
            self._line.clear()
            self._taken += len(line)  # they give them back when they see that it is closed
            for waiter in line:
                waiter.over = True
        for waiter in line:
            waiter.tell(scheduler)

    def _takes_place(self, waiter: _Waiter, scheduler: Scheduler) -> bool:
        """Take one if there is one, else stand in line."""
        with self._lock:
            if self._taken < self._most:  # then nobody waits
                waiter.over = True
                self._taken += 1
                return True
            if not self._waits:
                raise queue.Full(
                    f"{self._taken} calls wait to begin, as many as max_queued allows: try again later, or make "
                    f'the fan with when_full="wait"'
                )
            self._line.append(waiter)
        scheduler.check_open()  # whoever closes it says so first, and then looks for those in line
        return False

    def _wait(self, waiter: _Waiter, scheduler: Scheduler) -> None:
        scope = scope_here()
        if waiter.loan is not None:
            scheduler.lending.lend(waiter.loan, unless=lambda: waiter.over)
        try:
            if scope is None:
                scheduler.clock.wait(waiter.gate)
            else:
                wait_in(scope, waiter.gate, None)
        finally:
            if waiter.loan is not None:
                scheduler.lending.take_back(waiter.loan)
        if scope is not None:
            scope.check()

    def _give_up(self, waiter: _Waiter, scheduler: Scheduler) -> None:
        with self._lock:
            has_place = waiter.over
            if waiter in self._line:
                self._line.remove(waiter)
        if has_place:
            self.leave(scheduler)


class BoundedFuture(Future[T]):
    """A submitted call that has a place in its fan's room until it begins."""

    def hand_in(self, scheduler: Scheduler, home: ConcurrencyLimit, policies: Policies | None) -> None:
        """As of any, but first it needs a place."""
        if scheduler.room is not None:
            scheduler.room.enter(scheduler)
            self._cell["placed"] = scheduler.room
        try:
            super().hand_in(scheduler, home, policies)
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        room = self._cell.pop("placed", None)  # once, whoever comes first
        if room is not None:
            room.leave(self._scheduler)

    def begin(self, session: Session) -> bool:
        """It does not wait any more."""
        self._leave()
        return super().begin(session)

    def _cancelled(self) -> None:
        self._leave()
        super()._cancelled()

    def _refused(self, reason: BaseException) -> None:
        self._leave()
        super()._refused(reason)
