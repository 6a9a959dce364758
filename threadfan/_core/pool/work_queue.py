"""Where calls wait, and the stays of threads there: what the whole pool is about.

A ``WorkQueue`` has calls pending; a ``Session`` is the stay of one worker at one queue, in which it runs calls of it
one after another.  The two know each other, so they stand in one file.
"""

from __future__ import annotations

import threading
from functools import partial
from queue import SimpleQueue

from ..base import forks
from ..base.clock import FOREVER
from ..scope.scope import Endless, Scope
from .call_scope import CallScope
from .terms import Terms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Context
    from typing import Any, Protocol

    from ..base.clock import Clock
    from ..base.locks import Lock
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..scope.scope import RequestListener
    from .figures import Figures
    from .terms import Claim, Key
    from .worker import Worker

    class Ended(Protocol):
        """What may have been ended."""

        ended_by: Callable[[], str | None] | None

    Actions = list[Callable[[], object]]
    """What was decided under the lock and is done once it is released."""

    Lost = tuple[Key, float, str, object]
    """Of a call that was ended from outside: key, start, name of the function, index."""

    class Waiting(Protocol):
        """The gate of somebody who waits for the end of a call."""

        def put(self, _: None, /) -> object:
            """Open it."""

    class Timer(Protocol):
        """Looks at the running calls when the first of them can be due."""

        @property
        def next_look(self) -> float:
            """When it will."""

        def mind(self, due: float, after: Actions, /) -> None:
            """Look no later than ``due``.  With the lock held."""

        def announce(self, due: float, /) -> None:
            """A call that has just written its claim will be due at ``due``, before ``next_look``."""

    class Owner(Protocol):
        """The scheduler, as queues, sessions and workers know it."""

        name: str
        lock: Lock
        clock: Clock
        figures: Figures

        @property
        def timer(self) -> Timer:
            """What ends late calls."""

        @property
        def perform(self) -> Callable[[Actions], None]:
            """Does what was decided under the lock."""


GRACE = 0.1
"""Seconds in which a cancelled call may return by itself before its slot is taken.  Arbitrary: long enough for a
call that heeds its scope, too short to be missed as a slot."""

QUANTUM = 0.0002
"""Seconds that a thread stays at a queue while others wait.  Short against anything a user notices, long against the
two microseconds that a change of queue costs."""

# What this thread is doing for a fan right now: `here.session`, set while it runs calls.
here = threading.local()


class ConcurrencyLimit:
    """How many calls of a view run at once: ``with_options(max_concurrent=…)``.  Guarded by ``scheduler.lock``.

    Args:
        limit: so many.
        lasting: whether its queues of single calls stay when nothing is in them: those of the fan itself.
    """

    __slots__ = ("__weakref__", "active", "lasting", "limit", "look_at", "queues")

    def __init__(self, limit: float = float("inf"), *, lasting: bool = False) -> None:
        self.limit: float = limit
        self.lasting: bool = lasting
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """Nothing runs: at the start, and in the child of a fork."""
        self.active: int = 0
        self.queues: dict[Any, Any] = {}  # those of single calls, by depth and rules
        self.look_at: int = 0  # look for idle ones when they are so many


class WorkQueue(Terms):
    """Pending calls of one origin at one depth.

    Guarded by ``scheduler.lock``: ``active``, ``queued``, ``closed``, ``done``, ``lender`` and ``listeners``.  A queue
    is *done* when it takes no more calls, has none pending, and no session is active at it; that is checked wherever
    one of the three may have become true, so it is noticed exactly once.
    """

    __slots__ = (
        "accepted", "active", "cancel_at_close", "cap", "closed", "counted", "depth", "done", "ended",
        "ended_by", "enlisted", "extra_attempts", "failed", "generation", "lasting", "lender", "listeners", "paused",
        "queued", "rank", "reason", "scheduler",
    )  # fmt: skip

    def __init__(self, scheduler: Owner, cap: ConcurrencyLimit, depth: int) -> None:
        self.scheduler: Owner = scheduler
        self.generation: int = forks.generation  # of processes: in the child of a fork it is another
        self.cap: ConcurrencyLimit = cap
        self.depth: int = depth  # 0, or one more than that of the call that made it
        self.rank: int = depth  # that, and the priority if it has one: see ``ranked``
        self.lasting: bool = cap.lasting  # it stays when nothing is in it
        self.name = ""
        self.timeout: float | None = None
        self.outer: Scope | None = None
        self.active: int = 0  # sessions at work here
        self.cancel_at_close: bool = False  # whether leaving the fan's `with` cancels it
        self.paused: bool = False  # starts no call for now, and says that none is ready
        self.queued: bool = False  # in the scheduler's ring
        self.closed: bool = False  # takes no more calls
        self.done: bool = False
        self.enlisted: bool = False  # threads may come, or could have
        self.ended: list[bool] = []  # not empty: start no further call (a list, as its truth is read without a lock)
        self.ended_by: Callable[[], str | None] | None = None  # who can say why, where it is no error
        self.reason: BaseException | None = None  # why it was ended from outside
        self.accepted: int = 0  # calls ever taken in
        self.failed: int = 0  # calls settled without a value
        self.counted: tuple[int, int] = 0, 0  # both, as the scheduler has counted them when it was done
        self.extra_attempts: int = 0  # by hedging, beyond one for each call: they wait or run
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

    def begins(self, key: Key, start: float, /) -> Context:
        """An attempt of a call under policies, which has just written its claim, starts; the context to run it in."""
        raise NotImplementedError

    def permits_of(self, session: Session, key: Key) -> RequestListener | None:
        """What attached clients tell of the requests of the call ``key``; None if nobody wants to know."""
        return None

    def limited(self, now: float) -> float:
        """Seconds in which no call could start because of a rate limit."""
        return 0.0

    def pauses(self) -> int:
        """How often its limits have had all calls pause."""
        return 0

    def limits(self) -> set[Any]:
        """The limits that its calls may wait for."""
        return set()

    def unwanted(self) -> bool:
        """Whether the scope in which all its calls were handed in has ended."""
        return self.outer is not None and self.outer.cancelled

    def add_usage(self, key: Key, usage: Usage) -> None:
        """Note tokens that the call ``key`` has used."""
        with self.scheduler.lock:
            self.scheduler.figures.count_tokens(usage)

    def settle(self, key: Key, raw: Raw, after: Actions) -> bool:
        """Put the outcome of a call that was ended from outside where it belongs.  Call with the lock held.

        Returns:
            False if it has no outcome yet, but will be tried again.
        """
        raise NotImplementedError

    def discard(self, reason: BaseException, after: Actions) -> None:
        """End every call that was not pulled yet.  Call with the lock held."""
        raise NotImplementedError

    def end_running(self, message: str, after: Actions) -> None:
        """Cancel what it has handed in elsewhere and runs; its own calls are cancelled.  Call with the lock held."""

    def left(self) -> None:
        """A session has left it, or the fan is closed and nothing is left to do.  With the lock held."""

    def orphan(self, reason: BaseException) -> None:
        """In the child of a fork: everything that waits here waits in the parent only."""
        raise NotImplementedError


class Loan:
    """One wait of a call for other calls, during which its slot is given away.

    Guarded by ``scheduler.lock``: ``lent`` (also read by the call itself) and ``returning``.
    """

    __slots__ = ("gate", "lent", "returning", "session")

    def __init__(self, session: Session) -> None:
        self.session: Session = session
        self.lent: bool = False  # the slot was given away
        self.returning: bool = False  # it is in line for a slot
        self.gate: SimpleQueue[None] = SimpleQueue()  # opened when the call may go on


class Session:
    """A thread at work on a queue, holding a slot and running the queue's calls one after another.

    ``claim`` maps the key of the running call to ``(item, queued since, start)``.  It decides who settles the call:
    whoever *pops* the key owns the outcome, be it the thread that ran the call or somebody who ends it early, and
    ``dict.pop`` lets exactly one win without a lock.  A session lives at one queue, so that a key never means two
    calls.

    Guarded by ``scheduler.lock``: ``holds``, ``loan``, ``lost``, ``signalled`` and the scope.
    """

    __slots__ = (
        "claim", "first", "holds", "judging", "loan", "lost", "lost_at", "made", "queue", "scheduler", "signalled",
        "waiting", "worker",
    )  # fmt: skip

    def __init__(self, scheduler: Owner, worker: Worker, queue: WorkQueue) -> None:
        self.scheduler: Owner = scheduler
        self.worker: Worker = worker
        self.queue: WorkQueue = queue
        self.claim: dict[Key, Claim] = {}
        self.first: Any = None  # the entry it was sent for, taken under the lock so that nobody else is sent for it
        self.holds: bool = True  # a slot
        self.judging: bool = False  # it has a call under policies in hand, whose claim is not there yet, or gone
        self.loan: Loan | None = None  # the slot is given away while the call waits for other calls
        self.lost: Lost | None = None  # the call, if somebody else settled it
        self.lost_at: float = 0.0  # when, in real seconds, whatever the fan's clock
        self.signalled: Key = None  # the key of a call whose future was told to cancel
        self.made: tuple[Key, CallScope] | None = None  # (key, scope), if the call has asked for it; see `forget_scope`
        self.waiting: Sequence[Waiting] = ()  # those who wait for the call that has just ended

    def scope(self) -> Scope:
        """The scope of the call that runs now, made when first asked for."""
        if threading.get_ident() != self.worker.ident:
            return Endless(clock=self.scheduler.clock)  # a context copied inside a call must not see the calls after it
        made = self.made
        if made is not None and made[0] in self.claim:  # who ends the call meanwhile cancels this scope
            return made[1]
        with self.scheduler.lock:
            if self.lost is not None:
                key, start = self.lost[:2]
            elif self.claim:
                key, (_, _, start) = next(iter(self.claim.items()))
            else:
                return Endless(clock=self.scheduler.clock)
            scope = self.made_scope(key)
            if scope is not None:
                return scope
            scope = self._new_scope(key, start)
            before, self.made = self.made, (key, scope)
            if before is not None:
                before[1].forget()
            ended = self.lost is not None or self.signalled is key
        del before  # without the lock: it may be the last to hold the call before, and what that returned
        if ended:
            scope.cancel()
        return scope

    def _new_scope(self, key: Key, start: float) -> CallScope:
        scheduler, queue = self.scheduler, self.queue
        late = partial(_note_late, scheduler)
        scope = CallScope(key, start, self.claim, queue, clock=scheduler.clock, late=late)
        scope.permits = queue.permits_of(self, key)
        return scope

    def _in_child(self) -> Scope:
        """One that never ends: the call goes on in the parent only."""
        return Scope(clock=self.scheduler.clock)

    def wake(self) -> None:
        """Wake those who wait for the call that has just ended."""
        waiting, self.waiting = self.waiting, ()
        for one in waiting:
            one.put(None)

    def busy(self) -> bool:
        """Whether it has a call that has not ended.  With the scheduler's lock held."""
        return bool(self.first) or self.judging or bool(self.claim)  # it may have been sent to wait for a permit first

    def forget_scope(self) -> object:
        """The call at hand has ended, or its attempt: the next has a scope of its own.

        With the scheduler's lock held, or by the call's own thread once it has popped the claim: then nobody else
        looks.

        Returns:
            What is to be dropped once the lock is released, for it may be the last to hold things of the user's.
        """
        made, before, self.made, self.signalled = self.made, (self.made, self.signalled), None, None
        if made is not None:
            made[1].forget()
        return before

    def end_scope(self, key: Key) -> None:
        """The call ``key`` heeds that it was cancelled or its time is up: so must all that it has handed in."""
        with self.scheduler.lock:
            scope = self.made_scope(key)
        if scope is not None:
            scope.cancel()

    def extend(self, key: Key) -> None:
        """The call ``key``, which runs, may take longer or shorter than it might before."""
        with self.scheduler.lock:
            scope = self.made_scope(key)
            claim = self.claim.get(key)
            timeout = self.queue.timeout_of(key)
        if scope is not None:
            scope.set_deadline()
        if claim is not None and timeout is not None and timeout < FOREVER:
            self.scheduler.timer.announce(claim[2] + timeout)

    def made_scope(self, key: Key) -> CallScope | None:
        """The scope of the call ``key`` if it was asked for.  Call with the lock held."""
        made = self.made
        return made[1] if made is not None and made[0] is key else None


def why_ended(queue: Ended) -> str:
    """Why no call of a queue that was ended starts any more."""
    return (None if queue.ended_by is None else queue.ended_by()) or "the batch had ended"


def _note_late(scheduler: Owner, usage: Usage) -> None:
    """Tokens of a call whose outcome is out: the fan counts them all the same."""
    with scheduler.lock:
        scheduler.figures.count_tokens(usage)
