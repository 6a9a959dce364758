"""What a worker does in its thread: pull calls while it has a slot, and park while it has none.

Guarantee: a thread that ends because something other than a call has failed in it gives back all that it had, and the
calls that it ran have that for an error.
"""

from __future__ import annotations

from concurrent.futures._base import LOGGER
from concurrent.futures.thread import BrokenThreadPool

from ..base.clock import FOREVER, NOTHING, receive
from ..base.logs import CRITICAL, say
from ..base.outcome import FAILED
from .work_queue import here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .deadline_timer import DeadlineTimer, Host
    from .work_queue import Actions, Session, WorkQueue
    from .worker import Worker

    class Foreman(Host, Protocol):
        """The scheduler, as a worker that works knows it."""

        broken: str | bool
        dismissed: bool
        initialise: Callable[[], object] | None
        queues: set[WorkQueue]
        timer: DeadlineTimer

        def offer(self, queue: WorkQueue, after: Actions, /) -> None:
            """Have a queue worked on."""

        def turn(self, worker: Worker, left: Session | None, /) -> Session | None:
            """Leave one queue and enter the next."""

        def leave(self, session: Session, after: Actions, /) -> bool:
            """End a stay at a queue; say whether the worker still has its slot."""


def work(scheduler: Foreman, worker: Worker) -> None:
    """What there is to do, until it is time to go."""
    try:
        if _initialised(scheduler, worker):
            _serve(scheduler, worker)
    except BaseException as error:
        _bury(scheduler, worker, error)
        say(LOGGER, CRITICAL, "Exception in worker", error=error)


def _serve(scheduler: Foreman, worker: Worker) -> None:
    crew = scheduler.crew
    left: Session | None = None
    session: Session | None
    while not worker.retired:  # as all are in the child of a fork, where a call returns that has forked
        try:
            session = scheduler.turn(worker, left)
        finally:
            if left is not None and left.waiting:
                for one in left.waiting:  # now: who hands in the next call is to find this worker parked
                    one.put(None)
                del one
            left = None
        while session is None:
            if worker.retired or not _parked(scheduler, worker):
                return
            session = crew.arrive(worker) if worker in crew.coming else scheduler.turn(worker, None)
        here.session = session
        try:
            session.queue.run(session)
        except BaseException as error:  # none of the calls': those are caught where they are called
            _crashed(scheduler, session, error)
        here.session = None
        left = session


def _parked(scheduler: Foreman, worker: Worker) -> bool:
    """Wait for a slot; False when the thread should end."""
    while (told := _told(worker)) is not True:
        if told is NOTHING and scheduler.callbacks.unmanned() and scheduler.crew.borrow(worker):
            scheduler.callbacks.work()
            scheduler.crew.give_back(worker)
        if worker.retired or _dismissed(scheduler, worker):
            return False
    return True


def _told(worker: Worker) -> object:
    """Wait for what is put into the inbox; ``NOTHING`` if there is something else to do."""
    worker.thread.helps = True  # from here on others may start it at any moment
    told = receive(worker.inbox)
    worker.thread.helps = False
    return told


def _dismissed(scheduler: Foreman, worker: Worker) -> bool:
    """Whether a parked worker should end: the fan is closed or gone, and nothing is left to do."""
    after: Actions = []
    with scheduler.lock:
        # Once all were sent home nobody is told twice: what a feeder adds then is not this worker's any more.
        if worker.woken or not scheduler.closing or not (scheduler.dismissed or scheduler.quiet()):
            return False
        scheduler.crew.forget(worker, after)
        scheduler.dismiss_if_quiet(after)
    scheduler.perform(after)
    return True


def _initialised(scheduler: Foreman, worker: Worker) -> bool:
    """Run the user's initializer in a new thread; False if it failed, which breaks the pool."""
    if scheduler.initialise is None:
        return True
    from ..base.variables import setter_of_own  # imported before, by whoever has made the scheduler

    try:
        scheduler.initialise()
        worker.set_own = setter_of_own()
    except BaseException as error:
        say(LOGGER, CRITICAL, "Exception in initializer:", error=error)
        after: Actions = []
        with scheduler.lock:
            scheduler.slots.waking -= 1
            scheduler.crew.forget(worker, after)
            _fail(scheduler, "A thread initializer failed, the thread pool is not usable anymore", after)
            scheduler.crew.release(after)
            if scheduler.closing:
                scheduler.dismiss_if_quiet(after)
        scheduler.perform(after)
        return False
    return True


def _fail(scheduler: Foreman, message: str, after: Actions) -> None:
    """The pool is broken: nothing more will start.  With the lock held."""
    scheduler.broken = message
    for queue in list(scheduler.queues):
        queue.discard(BrokenThreadPool(message), after)


def _bury(scheduler: Foreman, worker: Worker, error: BaseException) -> None:
    """A thread is about to die that should not: what it had goes to others."""
    after: Actions = []
    with scheduler.lock:
        scheduler.crew.forget(worker, after)
        scheduler.crew.coming.pop(worker, None)
        scheduler.crew.threads.discard(worker.thread)
        if worker.woken:
            worker.woken = False
            scheduler.slots.waking -= 1
            scheduler.crew.release(after)
        for session in [session for session in (*scheduler.at_work, *scheduler.lost) if session.worker is worker]:
            for key in session.claim.copy():
                scheduler.timer.end(session, key, FAILED, error, after, grace=FOREVER)
            if session.loan is not None and session.loan.returning:
                scheduler.slots.go_on(session.loan, after)
            if scheduler.leave(session, after):
                session.holds = False
                scheduler.crew.release(after)
            if session.queue.ready():  # what it was sent for stands in no ring
                scheduler.offer(session.queue, after)
            after.append(session.wake)
        if scheduler.closing:
            scheduler.dismiss_if_quiet(after)
    scheduler.perform(after)


def _crashed(scheduler: Foreman, session: Session, error: BaseException) -> None:
    """Something other than a call failed in a session: its call fails with that, and the thread goes on."""
    for key in session.claim.copy():
        scheduler.timer.end_call(session, key, FAILED, error, grace=FOREVER)
    say(LOGGER, CRITICAL, "an error between calls in %s", session.worker.name, error=error)
