"""The ends of things: of the interpreter, of a fan that nobody holds any more, and of threads in the child of a fork.

At interpreter exit every call that is neither timed out nor cancelled finishes first, as with the standard library's
pool; threads that are stuck in calls that are over are not waited for.  After a Ctrl-C that ended the program, what
runs is cancelled instead.  The handler for that is registered when the package is imported, see ``fan.executor``.
"""

from __future__ import annotations

import sys
import time
import weakref
from functools import partial
from queue import SimpleQueue

from ..base import forks, last
from ..base.checks import pause
from ..base.clock import REAL
from ..base.errors import TaskCancelled
from ..base.interrupts import INTERRUPTS
from ..base.locks import aside
from ..base.outcome import CANCELLED
from .work_queue import GRACE, here

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from .scheduler import Scheduler
    from .work_queue import Actions

MOMENT = 0.005
"""Seconds that a thread may take to come back when its time for that is over.  Arbitrary: a loaded machine may not have
let it run yet."""

SPARE = 1.0
"""Seconds more than it was given for which whoever closes a fan waits for what cannot be cancelled: a done-callback
that blocks its worker, an initializer.  Arbitrary; as for callbacks that have threads of their own."""

_schedulers: set[weakref.ref[Scheduler]] = set()


def register(scheduler: Scheduler) -> None:
    """Have this scheduler's calls finished at exit."""
    _schedulers.add(weakref.ref(scheduler, _schedulers.discard))


def alive() -> list[Scheduler]:
    """Those that there are."""
    # A plain set of references, and not a WeakSet: that one cannot be listed while other threads add to it.
    return [scheduler for reference in list(_schedulers) if (scheduler := reference()) is not None]


def close(scheduler: Scheduler, reason: Callable[[], BaseException] | None = None) -> SimpleQueue[None]:
    """Take no more calls, and cancel open streams; threads end when what was handed in is done.

    Args:
        reason: makes what ends all that has not started, for each queue its own; None to let it run.

    Returns:
        A gate that is opened when all is done.
    """
    gate: SimpleQueue[None] = SimpleQueue()
    aside(partial(_close, scheduler, reason, gate))
    return gate


def _close(scheduler: Scheduler, reason: Callable[[], BaseException] | None, gate: SimpleQueue[None]) -> None:
    after: Actions = []
    with scheduler.lock:
        scheduler.closing = True
        if scheduler.decisions.torn:
            scheduler.mend(after)
        if reason is not None:
            for queue in list(scheduler.queues):
                queue.discard(reason(), after)
        if scheduler.room is not None:
            after.append(partial(scheduler.room.close, scheduler))
    scheduler.perform(after)
    _end_streams(scheduler)
    after = []
    with scheduler.lock:
        if scheduler.decisions.torn:
            scheduler.mend(after)
        if scheduler.dismissed:
            gate.put(None)
        else:
            scheduler.quiet_gates.append(gate)
            _end_disowned(scheduler, after)
            scheduler.dismiss_if_quiet(after)
    scheduler.perform(after)


def _end_disowned(scheduler: Scheduler, after: Actions) -> None:
    """Do not wait for calls that asyncio has cancelled while they ran: to the standard pool they are running calls."""
    for session in list(scheduler.at_work):
        key = session.signalled
        message = getattr(key, "disowned", "")
        if message:
            scheduler.timer.end(session, key, CANCELLED, TaskCancelled(message), after, grace=GRACE)


def _end_streams(scheduler: Scheduler) -> None:
    """Cancel streams that are open, for nobody reads them to their end, and batches that are paused."""
    with scheduler.lock:
        streams = [queue for queue in scheduler.queues if queue.cancel_at_close or queue.paused]
    for stream in streams:
        scheduler.timer.cancel(stream, None, "the fan was closed")


def latest(scheduler: Scheduler, timeout: float) -> float:
    """Until when, on its clock, whoever closes it with a ``timeout`` waits at most."""
    return scheduler.clock.monotonic() + pause("shutdown(timeout=…)", timeout) + SPARE


def join(
    scheduler: Scheduler,
    gate: SimpleQueue[None],
    wait: Callable[[SimpleQueue[None]], object] | None = None,
    until: float | None = None,
) -> None:
    """Wait until a closed scheduler's calls are done and its threads have ended.

    Save those threads that are stuck in calls that are over.

    Args:
        wait: how to wait for the gate.
        until: when, on its clock, to give up; then threads get a moment to end, and those that do not are left.
    """
    if getattr(here, "session", None) is not None and here.session.scheduler is scheduler:
        raise RuntimeError("cannot join current thread: a call must not shut down its own fan and wait for itself")
    try:
        if until is not None:
            if not scheduler.clock.wait_until(gate, until):
                return
        else:
            (wait or scheduler.clock.wait)(gate)
    except INTERRUPTS:
        scheduler.interrupt()
        raise
    gate.put(None)  # for whoever else waits
    waited_for = list(scheduler.crew.threads)
    if scheduler.lost:
        settled: SimpleQueue[None] = SimpleQueue()
        aside(partial(_tell_settled, scheduler, settled))
        REAL.wait(settled, GRACE)  # whatever the fan's clock: nobody would move that one now
        waited_for = []
        aside(partial(_evict_all, scheduler, waited_for))
    end = None if until is None else time.monotonic() + SPARE
    for thread in waited_for:
        thread.join(None if end is None else max(0.0, end - time.monotonic()))
    scheduler.timer.join()
    scheduler.callbacks.join()  # last, for those before it may still have told it something


def _tell_settled(scheduler: Scheduler, settled: SimpleQueue[None]) -> None:
    after: Actions = []
    with scheduler.lock:
        scheduler.timer.when_settled(settled, after)
    scheduler.perform(after)


def _evict_all(scheduler: Scheduler, waited_for: list[threading.Thread]) -> None:
    after: Actions = []
    with scheduler.lock:
        scheduler.timer.evict_all(after)
        stuck = {session.worker.thread for session in scheduler.lost}
        waited_for.extend(thread for thread in scheduler.crew.threads if thread not in stuck)
    scheduler.perform(after)


def linger(scheduler: Scheduler) -> None:
    """Wait a moment for threads whose calls have only just ended: they may be on their way, and not stuck."""
    with scheduler.lock:
        late = [(session.worker.thread, session.lost_at) for session in scheduler.lost]
    end = time.monotonic() + MOMENT
    for thread, since in late:
        thread.join(max(0.0, max(end, since + GRACE) - time.monotonic()))


def orphaned(scheduler: Scheduler, _: object) -> None:
    """The fan was garbage-collected: close, without taking a lock, since this runs wherever the collector does."""
    scheduler.closing = True
    # One that goes sends the next, and those at work notice by themselves; who has been borrowed is not idle.
    for worker in scheduler.crew.idle[-1:] or scheduler.crew.workers.copy():
        worker.inbox.put(False)


def at_exit() -> None:
    """The interpreter ends: finish what was handed in."""
    last.begin()
    for scheduler in alive():  # at once: what is handed in from now on is refused
        scheduler.closing = True
    if isinstance(getattr(sys, "last_value", None), KeyboardInterrupt):  # Ctrl-C, and nobody has dealt with it
        for scheduler in alive():
            scheduler.interrupt()
    gates = [(scheduler, close(scheduler)) for scheduler in alive()]
    for scheduler, gate in gates:
        join(scheduler, gate, last.wait)


def _after_fork_in_child() -> None:
    # Only the thread that forked lives on here.  Calls that wait or run in the parent end in the parent.
    here.session = None


forks.in_child(_after_fork_in_child)
