"""A queue of calls under policies, as its parts know it; ``policy_queues`` has those that there are.

Such a queue *has* a backlog (who waits); ``Attempts`` run its calls, ``Verdicts`` say what follows each attempt, and
``endings`` what follows when a call is ended from outside.  Where outcomes go is the queue's own affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..base.outcome import Raw
    from ..limits.rate_waitlist import RateWaitlist
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from ..scope.scope import Scope
    from .backlog import Backlog
    from .call_queue import Call
    from .long_waits import LongWaits


class PolicyQueue(Protocol):
    """What they ask and tell it."""

    scheduler: Scheduler
    depth: int
    long_waits: LongWaits
    until: float
    """When its time is up: no attempt is waited for beyond it."""
    failed: int
    extra_attempts: int

    @property
    def backlog(self) -> Backlog:
        """Who waits."""

    def pending(self) -> int:
        """How many calls have not ended and do not run."""

    def outer_of(self, key: Call) -> Scope | None:
        """The scope in which the call was handed in."""

    def function_of(self, key: Call) -> str:
        """The name of the function that the call runs."""

    def inputs_under(self, waitlist: RateWaitlist) -> list[Call]:
        """Take out all that wait for this limit and are not in the backlog.

        With the lock held.
        """

    def finish(self, call: Call, raw: Raw) -> None:
        """The call has its outcome.  In a worker, without the lock."""

    def finish_locked(self, call: Call, raw: Raw, after: Actions) -> bool:
        """The same of a call that was ended from outside, and counted as failed; True.  With the lock held."""

    def abandon_locked(self, call: Call, reason: BaseException, after: Actions) -> None:
        """A call of the backlog will not be tried (again).  With the lock held."""
