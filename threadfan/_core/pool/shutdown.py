"""The ends of things: of the interpreter, of a fan that nobody holds any more, and of threads in the child of a fork.

At interpreter exit every call that is neither timed out nor cancelled finishes first, as with the standard library's
pool; threads that are stuck in calls that are over are not waited for.  After a Ctrl-C that ended the program, what
runs is cancelled instead.  This runs before ``concurrent.futures``' own
exit handler, because handlers run last in, first out.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from concurrent.futures import thread as standard
from concurrent.futures.thread import BrokenThreadPool
from functools import partial
from queue import SimpleQueue

from ..base import forks, last
from ..base.clock import Clock
from ..base.errors import TaskCancelled
from ..base.locks import aside
from ..base.outcome import CANCELLED
from .session import GRACE, here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .scheduler import Hub
    from .work_queue import After

MOMENT = 0.005
"""Seconds that a thread may take to come back when its time for that is over.  Arbitrary: a loaded machine may not have
let it run yet."""

_hubs: set[weakref.ref[Hub]] = set()
_exiting = False


def register(hub: Hub) -> None:
    """Have this hub's calls finished at exit, and its threads forgotten in the child of a fork."""
    _hubs.add(weakref.ref(hub, _hubs.discard))
    forks.renew(hub)


def _alive() -> list[Hub]:
    # A plain set of references, and not a WeakSet: that one cannot be listed while other threads add to it.
    return [hub for reference in list(_hubs) if (hub := reference()) is not None]


def exiting() -> bool:
    """Whether the interpreter has begun to end."""
    return _exiting or standard._shutdown


def refuse(hub: Hub) -> None:
    """Say why no new calls may be handed in."""
    if hub.broken:
        raise BrokenThreadPool(hub.broken)
    if hub.closing and not exiting():
        raise RuntimeError(
            "cannot schedule new futures after shutdown: make a new Fan, or hand in all calls inside its `with` block"
        )
    raise RuntimeError("cannot schedule new futures after interpreter shutdown")


def close(hub: Hub) -> SimpleQueue[None]:
    """Take no more calls; threads end when what was handed in is done.  The gate is opened then."""
    gate: SimpleQueue[None] = SimpleQueue()
    aside(partial(_close, hub, gate))
    return gate


def _close(hub: Hub, gate: SimpleQueue[None]) -> None:
    after: After = []
    with hub.lock:
        hub.closing = True
        if hub.torn:
            hub.mend(after)
        if hub.dismissed:
            gate.put(None)
        else:
            hub.quiet_gates.append(gate)
            _end_disowned(hub, after)
            hub.dismiss_if_quiet(after)
    hub.perform(after)


def _end_disowned(hub: Hub, after: After) -> None:
    """Do not wait for calls that asyncio has cancelled while they ran: to the standard pool they are running calls."""
    for drain in list(hub.draining):
        key = drain.signalled
        message = getattr(key, "disowned", "")
        if message:
            hub.watchdog.end(drain, key, CANCELLED, TaskCancelled(message), after, grace=GRACE)


def end_streams(hub: Hub) -> None:
    """Cancel streams that are open: nobody reads them to their end."""
    with hub.lock:
        streams = [source for source in hub.sources if source.cancel_at_close]
    for stream in streams:
        hub.watchdog.cancel(stream, None, "the fan was closed")


def join(hub: Hub, gate: SimpleQueue[None], wait: Callable[[SimpleQueue[None]], object] | None = None) -> None:
    """Wait until a closed hub's calls are done and its threads have ended, save those stuck in calls that are over.

    Args:
        wait: how to wait for the gate.
    """
    if getattr(here, "drain", None) is not None and here.drain.hub is hub:
        raise RuntimeError("cannot join current thread: a call must not shut down its own fan and wait for itself")
    try:
        (wait or hub.clock.wait)(gate)
    except KeyboardInterrupt:
        hub.interrupt()
        raise
    gate.put(None)  # for whoever else waits
    settled: SimpleQueue[None] = SimpleQueue()
    aside(partial(_tell_settled, hub, settled))
    Clock().wait(settled, GRACE)  # real seconds, whatever the fan's clock: nobody would move that one now
    waited_for: list[threading.Thread] = []
    aside(partial(_evict_all, hub, waited_for))
    for thread in waited_for:
        thread.join()
    # Last, for those before it may still have told it something.
    if hub.watchdog.helper is not None:
        hub.watchdog.helper.join()
    hub.callbacks.join()


def _tell_settled(hub: Hub, settled: SimpleQueue[None]) -> None:
    after: After = []
    with hub.lock:
        hub.watchdog.when_settled(settled, after)
    hub.perform(after)


def _evict_all(hub: Hub, waited_for: list[threading.Thread]) -> None:
    after: After = []
    with hub.lock:
        hub.watchdog.evict_all(after)
        stuck = {drain.worker.thread for drain in hub.lost}
        waited_for.extend(thread for thread in hub.threads if thread not in stuck)
    hub.perform(after)


def linger(hub: Hub) -> None:
    """Wait a moment for threads whose calls have only just ended: they may be on their way, and not stuck."""
    with hub.lock:
        late = [(drain.worker.thread, drain.lost_at) for drain in hub.lost]
    end = time.monotonic() + MOMENT
    for thread, since in late:
        thread.join(max(0.0, max(end, since + GRACE) - time.monotonic()))


def orphaned(hub: Hub, _: object) -> None:
    """The fan was garbage-collected: close, without taking a lock, since this runs wherever the collector does."""
    hub.closing = True
    for worker in hub.workers.copy():
        worker.inbox.put(False)


def _at_exit() -> None:
    global _exiting
    _exiting = True
    for hub in _alive():  # at once: what is handed in from now on is refused
        hub.closing = True
    if isinstance(getattr(sys, "last_value", None), KeyboardInterrupt):  # Ctrl-C, and nobody has dealt with it
        for hub in _alive():
            hub.interrupt()
    for hub in _alive():
        end_streams(hub)
    gates = [(hub, close(hub)) for hub in _alive()]
    for hub, gate in gates:
        join(hub, gate, last.wait)


def _after_fork_in_child() -> None:
    # Only the thread that forked lives on here.  Calls that wait or run in the parent end in the parent.
    here.drain = None


threading._register_atexit(_at_exit)  # type: ignore[attr-defined]
forks.in_child(_after_fork_in_child)
