"""One stay of a thread at a queue."""

from __future__ import annotations

import threading
from functools import partial
from queue import SimpleQueue

from ..base.clock import FOREVER
from ..scope.scope import Endless, Scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.usage import Usage
    from .scheduler import Scheduler
    from .work_queue import WorkQueue
    from .worker import Worker

    Lost = tuple[Any, float, str, Any]
    """Of a call that was ended from outside: key, start, name of the function, index."""

GRACE = 0.1
"""Seconds in which a cancelled call may return by itself before its thread is replaced.  Arbitrary: long enough for a
call that heeds its scope, too short to be missed as a slot."""

QUANTUM = 0.0002
"""Seconds that a thread stays at a queue while others wait.  Short against anything a user notices, long against the
two microseconds that a change of queue costs."""

# What this thread is doing for a fan right now: `here.session`, set while it runs calls.
here = threading.local()


class Loan:
    """One wait of a call for other calls, during which its slot is given away.

    Guarded by ``scheduler.lock``: ``lent`` (also read by the call itself) and ``returning``.
    """

    __slots__ = ("gate", "lent", "returning", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.lent = False  # the slot was given away
        self.returning = False  # it is in line for a slot
        self.gate: SimpleQueue[None] = SimpleQueue()  # opened when the call may go on


class CallScope(Scope):
    """The scope of one call of a session.

    Users' functions may have it in a variable, and an error of the call keeps those: so when the call has ended it
    forgets the call, and where its outcome goes.
    """

    __slots__ = ("_claim", "_key", "_session", "_start")

    def __init__(self, session: Session, key: Any, start: float) -> None:
        self._claim = session.claim.get(key)
        queue = session.queue
        super().__init__(clock=session.scheduler.clock, ledger=partial(queue.add_usage, key))
        self._session: Session | None = session
        self._key = key
        self._start = start
        self.meter = queue.permits_of(session, key)
        self.set_deadline()

    def set_deadline(self) -> None:
        """Ask the queue anew how long the call may take."""
        session, key = self._session, self._key
        if session is None:
            return
        queue = session.queue
        timeout, outer = queue.timeout_of(key), queue.outer_of(key)
        deadline = FOREVER if timeout is None else self._start + timeout
        if outer is not None and outer.live:  # a call that has ended by itself leaves those it handed in their time
            deadline = min(deadline, outer.deadline)
        self._deadline = deadline

    @property
    def live(self) -> bool:
        """Whether the call runs, and not by now another attempt of it."""
        session, claim = self._session, self._claim
        return session is not None and claim is not None and session.claim.get(self._key) is claim

    def forget(self) -> None:
        """The call has ended by itself: threads that it has started may use the scope still."""
        session = self._session
        if session is not None:
            self._ledger = partial(_note_late, session.scheduler)
            if self.meter is not None:
                self.meter.forget()
            self._session = self._claim = self._key = None


def _note_late(scheduler: Scheduler, usage: Usage) -> None:
    """Tokens of a call whose outcome is out: the fan counts them all the same."""
    with scheduler.lock:
        scheduler.tokens[0] += usage.input_tokens
        scheduler.tokens[1] += usage.output_tokens


class Session:
    """A thread at work on a queue, holding a slot and running the queue's calls one after another.

    ``claim`` maps the key of the running call to ``(item, queued since, start)``.  It decides who settles the call:
    whoever *pops* the key owns the outcome, be it the thread that ran the call or somebody who ends it early, and
    ``dict.pop`` lets exactly one win without a lock.  A session lives at one queue, so that a key never means two
    calls.

    Guarded by ``scheduler.lock``: ``holds``, ``loan``, ``lost``, ``signalled`` and the scope.
    """

    __slots__ = (
        "claim",
        "first",
        "holds",
        "judging",
        "loan",
        "lost",
        "lost_at",
        "made",
        "queue",
        "scheduler",
        "signalled",
        "worker",
    )  # fmt: skip

    def __init__(self, scheduler: Scheduler, worker: Worker, queue: WorkQueue) -> None:
        self.scheduler = scheduler
        self.worker = worker
        self.queue = queue
        self.claim: dict[Any, tuple[Any, float, float]] = {}
        self.first: Any = None  # the entry it was sent for, taken under the lock so that nobody else is sent for it
        self.holds = True  # a slot
        self.judging = (
            False  # under rules: it has a call, whose attempts have ended or will, and it decides what follows
        )
        self.loan: Loan | None = None  # the slot is given away while the call waits for other calls
        self.lost: Lost | None = None  # the call, if somebody else settled it
        self.lost_at = 0.0  # when, in real seconds, whatever the fan's clock
        self.signalled: Any = None  # the key of a call whose future was told to cancel
        self.made: tuple[Any, CallScope] | None = None  # (key, scope), if the call has asked for it; see `forget_scope`

    def scope(self) -> Scope:
        """The scope of the call that runs now, made when first asked for."""
        if threading.get_ident() != self.worker.ident:
            return Endless(clock=self.scheduler.clock)  # a context copied inside a call must not see the calls after it
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
            scope = CallScope(self, key, start)
            before, self.made = self.made, (key, scope)
            if before is not None:
                before[1].forget()
            ended = self.lost is not None or self.signalled is key
        del before  # without the lock: it may be the last to hold the call before, and what that returned
        if ended:
            scope.cancel()
        return scope

    def _in_child(self) -> Scope:
        """One that never ends: the call goes on in the parent only."""
        return Scope(clock=self.scheduler.clock)

    def busy(self) -> bool:
        """Whether it has a call that has not ended.  With the scheduler's lock held."""
        return self.first is not None or self.judging or bool(self.claim)

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

    def end_scope(self, key: Any) -> None:
        """The call ``key`` heeds that it was cancelled or its time is up: so must all that it has handed in."""
        with self.scheduler.lock:
            scope = self.made_scope(key)
        if scope is not None:
            scope.cancel()

    def extend(self, key: Any) -> None:
        """The call ``key``, which runs, may take longer or shorter than it might before."""
        with self.scheduler.lock:
            scope = self.made_scope(key)
            claim = self.claim.get(key)
            timeout = self.queue.timeout_of(key)
        if scope is not None:
            scope.set_deadline()
        if claim is not None and timeout is not None and timeout < FOREVER:
            self.scheduler.timer.announce(claim[2] + timeout)

    def made_scope(self, key: Any) -> CallScope | None:
        """The scope of the call ``key`` if it was asked for.  Call with the lock held."""
        made = self.made
        return made[1] if made is not None and made[0] is key else None
