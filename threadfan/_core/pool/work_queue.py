"""Where calls wait: the base of everything that threads pull from."""

from __future__ import annotations

import sys

from ..base import forks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..scope.scope import Scope
    from .scheduler import Scheduler
    from .session import Loan, Session

    Actions = list[Callable[[], object]]
    """What to do once the lock is released."""

# With a GIL, `next` of an iterator written in C is atomic and can be shared by threads; without one it is not.
GIL = bool(getattr(sys, "_is_gil_enabled", lambda: True)())


class ConcurrencyLimit:
    """How many calls of a view run at once: ``with_options(max_concurrent=…)``.  Guarded by ``scheduler.lock``."""

    __slots__ = ("__weakref__", "active", "calls", "limit")

    def __init__(self, limit: float = float("inf")) -> None:
        self.limit = limit
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """Nothing runs: at the start, and in the child of a fork."""
        self.active = 0
        self.calls: dict[Any, Any] = {}  # its queues of single calls, by depth and rules


class WorkQueue:
    """Pending calls of one origin at one depth.

    Guarded by ``scheduler.lock``: ``active``, ``queued``, ``closed``, ``done``, ``lender`` and ``listeners``.  A queue
    is *done* when it takes no more calls, has none pending, and no session is active at it; that is checked wherever
    one of the three may have become true, so it is noticed exactly once.
    """

    __slots__ = (
        "accepted",
        "active",
        "cancel_at_close",
        "closed",
        "counted",
        "depth",
        "done",
        "ended",
        "enlisted",
        "extra_attempts",
        "failed",
        "generation",
        "group",
        "lender",
        "listeners",
        "place",
        "queued",
        "reason",
        "scheduler",
        "timeout",
    )  # fmt: skip

    def __init__(self, scheduler: Scheduler, group: ConcurrencyLimit, depth: int) -> None:
        self.scheduler = scheduler
        self.generation = forks.generation  # of processes: in the child of a fork it is another
        self.group = group
        self.depth = depth  # 0, or one more than that of the call that made it
        self.place: Any = None  # of a queue of single calls: by which its group has it
        self.timeout: float | None = None  # seconds, when all calls have the same; they then do not announce theirs
        self.active = 0  # sessions at work here
        self.cancel_at_close = False  # whether leaving the fan's `with` cancels it
        self.queued = False  # in the scheduler's ring
        self.closed = False  # takes no more calls
        self.done = False
        self.enlisted = False  # threads may come, or could have
        self.ended: list[bool] = []  # not empty: start no further call (a list, as its truth is read without a lock)
        self.reason: BaseException | None = None  # why it was ended from outside
        self.accepted = 0  # calls ever taken in
        self.failed = 0  # calls settled without a value
        self.counted = 0, 0  # both, as the scheduler has counted them when it was done
        self.extra_attempts = 0  # by hedging, beyond one for each call: they wait or run
        self.lender: Loan | None = None  # the call that waits for this queue and gave its slot away meanwhile
        self.listeners: Actions = []  # called once when done

    def pending(self) -> int:
        """How many calls wait to be pulled."""
        raise NotImplementedError

    def ready(self) -> int:
        """How many of them may be pulled now; those that back off or wait for a rate limit may not."""
        raise NotImplementedError

    def waiting(self) -> int:
        """How many of them back off or wait for a rate limit."""
        return 0

    def unfinished(self) -> bool:
        """Whether calls may follow from what it has handed in elsewhere."""
        return False

    def mend(self) -> None:
        """Count anew what can be counted, after an exception that may have cut something short.  With the lock held."""

    def take(self) -> Any:
        """Pull one entry, or None if others have pulled the last.  Call with the lock held."""
        raise NotImplementedError

    def run(self, session: Session) -> None:
        """Run ``session.first``, then pull and run calls until there are none, others press, or the session is lost."""
        raise NotImplementedError

    def timeout_of(self, key: Any) -> float | None:
        """The timeout of the call ``key`` in seconds."""
        raise NotImplementedError

    def permits_of(self, session: Session, key: Any) -> Any:
        """What attached clients tell of the requests of the call ``key``; None if nobody wants to know."""
        return None

    def unwanted(self) -> bool:
        """Whether the scope in which all its calls were handed in has ended."""
        return False

    def outer_of(self, key: Any) -> Scope | None:
        """The scope in which the call ``key`` was handed in."""
        raise NotImplementedError

    def add_usage(self, key: Any, usage: Usage) -> None:
        """Note tokens that the call ``key`` has used."""
        with self.scheduler.lock:
            self.scheduler.tokens[0] += usage.input_tokens
            self.scheduler.tokens[1] += usage.output_tokens

    def figures_of(self, key: Any) -> dict[str, Any] | None:
        """What the events of the call ``key`` say besides its times, if it is under rules."""
        return None

    def function_of(self, key: Any) -> str:
        """The name of the function that the call ``key`` runs."""
        raise NotImplementedError

    def index_of(self, key: Any) -> Any:
        """The place of the call ``key`` in its input."""
        raise NotImplementedError

    def settle(self, key: Any, raw: Raw, after: Actions) -> bool:
        """Put the outcome of a call that was ended from outside where it belongs.  Call with the lock held.

        Returns:
            False if it has no outcome yet, but will be tried again.
        """
        raise NotImplementedError

    def discard(self, reason: BaseException, after: Actions) -> None:
        """End every call that was not pulled yet.  Call with the lock held."""
        raise NotImplementedError

    def end_running(self, message: str, after: Actions) -> None:
        """Cancel the calls that run.  Call with the lock held."""
        sessions = [session for session in self.scheduler.draining if session.queue is self]
        self.scheduler.timer.cancel_running(sessions, message, after)

    def orphan(self, reason: BaseException) -> None:
        """In the child of a fork: everything that waits here waits in the parent only."""
        raise NotImplementedError
