"""Ending calls from outside: at their timeout, or because nobody wants them any more.

The deadline timer looks at the running calls when the first of them can be due, in the thread of alarms, which it holds
from first need until the scheduler ends.  It never runs users' code: done-callbacks, callbacks of scopes and log events
are told to ``scheduler.callbacks``.

Guarantees: a look that fails is followed by another; looks are never made by two threads at once; and when a closed
scheduler's threads were waited for, none goes on.
"""

from __future__ import annotations

import time
import warnings
from functools import partial

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled, TaskTimeout
from ..base.locks import Lock, aside
from ..base.outcome import CANCELLED, TIMED_OUT
from ..events import log
from ..scope.alarms import hold
from .work_queue import GRACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from queue import SimpleQueue
    from typing import Protocol

    from ..base.attempt import Status
    from ..scope.alarms import Keeper
    from ..scope.scope import Scope
    from .callbacks import Callbacks
    from .crew import Crew
    from .decisions import Decisions
    from .slots import Slots
    from .terms import Key
    from .work_queue import Actions, Owner, Session, WorkQueue

    class Host(Owner, Protocol):
        """The scheduler, as whoever ends calls knows it."""

        closing: bool
        max_abandoned: int
        at_work: set[Session]
        lost: set[Session]
        abandoned: set[Session]
        callbacks: Callbacks
        crew: Crew
        decisions: Decisions
        slots: Slots

        def mend(self, after: Actions, /) -> None:
            """Make whole what an exception has cut in two."""

        def detach(self, session: Session, after: Actions, /) -> None:
            """The session is no longer at its queue."""

        def check_done(self, queue: WorkQueue, after: Actions, /) -> None:
            """Notice that a queue is done."""

        def dismiss_if_quiet(self, after: Actions, /) -> None:
            """Send the threads of a closing scheduler home once nothing is left to do."""

        def quiet(self) -> bool:
            """Whether nothing runs and nothing will."""


AGAIN = 1.0  # seconds after a look that failed; arbitrary
EVENT = "a structlog processor"  # what does not return, if the word about a call does not get out


class DeadlineTimer:
    """Ends calls.

    Guarded by ``scheduler.lock``: all attributes; methods marked so are called with the lock held.  ``looking`` is
    held during a look, and taken before that lock.
    """

    def __init__(self, scheduler: Host) -> None:
        self._scheduler = scheduler
        self.next_look: float = FOREVER
        self._evictions: list[tuple[float, Session]] = []  # lost sessions whose slots are to be taken, and when
        self._settled_gates: list[SimpleQueue[None]] = []
        self._capped = False
        self.looking: Lock = Lock()
        self._take_back: Callable[[], None] | None = None  # the look that is planned
        self.alarms: Keeper | None = None  # of which the thread looks; held

    def mind(self, due: float, after: Actions) -> None:
        """Look at the running calls no later than ``due``.  With the lock held."""
        alarms = self.alarms
        if alarms is None:
            alarms = self.alarms = hold(self._scheduler.clock, self)
        if due < self.next_look:
            self._plan(due, alarms)
        if not alarms.helper.begun:
            after.append(alarms.helper.begin)

    def _plan(self, due: float, alarms: Keeper) -> None:
        """Look at ``due``, and not when it was planned before."""
        before, self._take_back = self._take_back, alarms.set(due, self.look, quick=True)
        self.next_look = due
        if before is not None:
            before()

    def announce(self, due: float) -> None:
        """A call that has just written its claim will be due at ``due``, before ``next_look``.

        Reading ``next_look`` without the lock is enough to tell that: the deadline timer forgets when it will look
        *before* it reads the claims, so whoever reads an early moment there is seen by that very look.
        """
        after: Actions = []
        with self._scheduler.lock:
            self.mind(due, after)
        self._scheduler.perform(after)

    def forget(self, session: Session, after: Actions) -> None:
        """A lost session's thread came back by itself.  With the lock held."""
        self._evictions = [entry for entry in self._evictions if entry[1] is not session]
        self._tell_settled(after)
        if self._scheduler.closing and self._scheduler.quiet():  # this may have been the last that was watched
            self.stop()

    def when_settled(self, gate: SimpleQueue[None], after: Actions) -> None:
        """Open ``gate`` once no cancelled call has grace left.  With the lock held."""
        self._settled_gates.append(gate)
        self._tell_settled(after)

    def in_grace(self) -> int:
        """How many cancelled calls have grace left."""
        return len(self._evictions)

    def _tell_settled(self, after: Actions) -> None:
        if not self._evictions:
            after.extend(partial(gate.put, None) for gate in self._settled_gates)
            self._settled_gates = []

    def stop(self) -> None:
        """Let go of the thread if there is nothing left to watch.  With the lock held."""
        alarms = self.alarms
        if alarms is None or self._evictions:
            return
        self.next_look, before = FOREVER, self._take_back
        self.alarms = self._take_back = None
        if before is not None:
            before()
        alarms.release(self)

    def join(self) -> None:
        """Wait for a look that has begun."""
        with self.looking:
            pass

    def end(
        self, session: Session, key: Key, status: Status, error: BaseException, after: Actions, *, grace: float = 0.0
    ) -> bool:
        """Settle a running call unless it has just settled itself; say which.  With the lock held.

        Its slot is taken after ``grace`` seconds if its thread has not come back by then.
        """
        scheduler, queue = self._scheduler, session.queue
        claim = session.claim.pop(key, None)
        if claim is None:
            return False
        item, since, start = claim
        now = scheduler.clock.monotonic()
        raw = (queue.index_of(key), item, since, status, error, start, now, session.worker.name)
        function = queue.function_of(key)  # asked for now: a call that has ended forgets it
        session.lost, session.lost_at = (key, start, function, queue.index_of(key)), time.monotonic()
        scheduler.lost.add(session)
        queue.failed += 1
        final = queue.settle(key, raw, after)
        scope = session.made_scope(key)
        if scope is not None:
            scope.condemn()  # at once: nothing may start in it any more
            after.append(partial(_tell_end, scheduler, scope, function))
        if log.in_use() and final:
            figures = queue.figures_of(key)
            after.append(
                lambda: scheduler.callbacks.tell(lambda: log.call_ended(scheduler.name, function, raw, figures), EVENT)
            )
        scheduler.detach(session, after)
        if grace == 0:
            self._evict(session, after)
        elif grace < FOREVER:
            self._evictions.append((now + grace, session))
            self.mind(now + grace, after)
        if scheduler.closing:  # this may have been the last call that anybody waited for
            scheduler.dismiss_if_quiet(after)
        return True

    def cancel(self, queue: WorkQueue, reason: BaseException | None, message: str, *, running: bool = True) -> None:
        """End a queue: what is queued is cancelled, and what runs too unless ``running`` is False."""
        self._scheduler.decisions.suspect()  # perhaps an exception is the reason, wherever that has struck
        aside(partial(self._cancel, queue, reason, message, running))

    def _cancel(self, queue: WorkQueue, reason: BaseException | None, message: str, running: bool) -> None:
        after: Actions = []
        with self._scheduler.lock:
            if self._scheduler.decisions.torn:
                self._scheduler.mend(after)
            queue.ended.append(True)
            queue.closed = True
            queue.reason = reason if queue.reason is None else queue.reason
            queue.discard(TaskCancelled(message), after)
            if running:
                sessions = [session for session in self._scheduler.at_work if session.queue is queue]
                self.cancel_running(sessions, message, after)
                queue.end_running(message, after)
            self._scheduler.check_done(queue, after)
        self._scheduler.perform(after)

    def cancel_running(self, sessions: list[Session], message: str, after: Actions) -> None:
        """End the calls that run in these sessions.  With the lock held."""
        for session in sessions:
            for key in session.claim.copy():
                self.end(session, key, CANCELLED, TaskCancelled(message), after, grace=GRACE)

    def end_call(
        self, session: Session, key: Key, status: Status, error: BaseException, *, grace: float = GRACE
    ) -> None:
        """Settle one running call from outside."""
        aside(partial(_end_call, self._scheduler, self.end, session, key, status, error, grace))

    def evict_all(self, after: Actions) -> None:
        """Replace every thread that is stuck in a call that is over, without grace.  With the lock held."""
        evictions, self._evictions = self._evictions, []
        for _, session in evictions:
            self._evict(session, after)
        self.stop()

    def _evict(self, session: Session, after: Actions) -> None:
        scheduler = self._scheduler
        if len(scheduler.abandoned) >= scheduler.max_abandoned:
            if not self._capped:
                self._capped = True
                after.append(lambda: scheduler.callbacks.tell(partial(_warn_of_cap, scheduler)))
            return
        scheduler.abandoned.add(session)
        scheduler.crew.threads.discard(session.worker.thread)
        if session.holds:
            session.holds = False
            scheduler.crew.release(after)
        elif session.loan is not None and session.loan.returning:
            scheduler.slots.go_on(session.loan, after)
        if log.in_use():
            _, start, function, index = session.lost  # type: ignore[misc]
            seconds = scheduler.clock.monotonic() - start
            after.append(
                lambda: scheduler.callbacks.tell(
                    lambda: log.call_abandoned(scheduler.name, function, index, session.worker.name, seconds), EVENT
                )
            )

    def look(self) -> None:
        """End what is due, and plan the next look."""
        scheduler = self._scheduler
        after: Actions = []
        with self.looking:
            try:
                with scheduler.lock:
                    self._look(after)
            except BaseException:
                with scheduler.lock:
                    self.next_look = FOREVER
                    self.mind(scheduler.clock.monotonic() + AGAIN, after)
                raise
            finally:
                scheduler.perform(after)
                after.clear()  # which knows the errors; whoever waits for the end of the look may let go of them now

    def _look(self, after: Actions) -> None:
        scheduler = self._scheduler
        now, planned = scheduler.clock.monotonic(), self.next_look
        self.next_look = FOREVER  # while it looks, see ``announce``
        due = min(self._sweep(now, after), scheduler.crew.look(now, after))
        if scheduler.closing and not self._evictions and scheduler.quiet():
            self.stop()
            return
        # A planned look stays, even if its call has ended: else each of many short calls would plan one.
        due = min(due, planned) if planned > now else due
        if due < self.next_look:
            self.mind(due, after)

    def _sweep(self, now: float, after: Actions) -> float:
        """End what is due; the moment at which the next may be."""
        next_due = FOREVER
        for session in list(self._scheduler.at_work):
            running = session.claim.copy()
            if not running and session.queue.timeout is not None:
                next_due = min(next_due, now + session.queue.timeout)
            for key, (_, _, start) in running.items():
                timeout = session.queue.timeout_of(key)
                if timeout is None:
                    continue
                if start + timeout > now:
                    next_due = min(next_due, start + timeout)
                else:
                    given = timeout - session.queue.waited_of(key)
                    error = TaskTimeout(f"{session.queue.function_of(key)} did not return within {given:g} s")
                    self.end(session, key, TIMED_OUT, error, after)
        due = [session for moment, session in self._evictions if moment <= now]
        self._evictions = [entry for entry in self._evictions if entry[0] > now]
        for session in due:
            self._evict(session, after)
        self._tell_settled(after)
        return min([next_due, *(moment for moment, _ in self._evictions)])


def _tell_end(scheduler: Host, scope: Scope, function: str) -> None:
    for act in scope.end():
        scheduler.callbacks.tell(act, f"an on_cancel callback of {function}")


def _end_call(
    scheduler: Host,
    end: Callable[..., bool],
    session: Session,
    key: Key,
    status: Status,
    error: BaseException,
    grace: float,
) -> None:
    after: Actions = []
    with scheduler.lock:
        end(session, key, status, error, after, grace=grace)
    scheduler.perform(after)


def _warn_of_cap(scheduler: Host) -> None:
    warnings.warn(
        f"{scheduler.name}: as many threads as max_abandoned allows ({scheduler.max_abandoned}) are "
        f"stuck in calls that are over; from now on a slot comes back only with its thread",
        RuntimeWarning,
        stacklevel=1,
    )
