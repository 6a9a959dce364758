"""The threads."""

from __future__ import annotations

import _thread
import threading
from concurrent.futures._base import LOGGER
from queue import SimpleQueue

from .drain import here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .drain import Drain
    from .hub import Hub


class _Started(threading.Event):
    """The event by which a thread says that it runs, which nobody waits for.

    ``Thread.start`` waits for it, two switches of threads for each: for five hundred threads, a third of the time
    that starting them takes.
    """

    def wait(self, timeout: float | None = None) -> bool:
        return True


class _Thread(threading.Thread):
    """A thread whose ``start`` returns at once; ``join`` makes up for it."""

    _started: threading.Event

    def __init__(self, target: Callable[[], object], name: str, daemon: bool) -> None:
        super().__init__(target=target, name=name, daemon=daemon)
        self._started = _Started()

    def wait_until_begun(self, timeout: float | None = None) -> bool:
        """What ``start`` does elsewhere; whether the thread has begun within ``timeout`` seconds."""
        return threading.Event.wait(self._started, timeout)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended, if need be until it has begun."""
        self.wait_until_begun(timeout)
        super().join(timeout)


def helper_thread(target: Callable[[], object], name: str) -> _Thread:
    """A thread that cannot hold up the interpreter's end.

    In a subinterpreter it is an ordinary thread, since ending one with a daemon alive aborts the process.
    """
    main = getattr(_thread, "_is_main_interpreter", None)
    return _Thread(target, name, daemon=main is None or main())


class Worker:
    """A thread that parks until it is granted a slot, and pulls calls from the hub's sources while it has one.

    The thread is a daemon, so that one stuck in a call that is over cannot hold up the interpreter; calls that are
    *not* over are waited for at exit by ``lifecycle``.  In a subinterpreter it is an ordinary thread, since ending
    one with a daemon alive aborts the process.
    """

    __slots__ = ("hub", "ident", "inbox", "retired", "thread", "woken")

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self.inbox: SimpleQueue[bool] = SimpleQueue()  # True: you have a slot; False: look whether it is time to go
        self.woken = True  # it has a slot that it has not used yet
        self.retired = False
        self.ident = 0
        self.thread = helper_thread(self._run, name)

    @property
    def name(self) -> str:
        """The thread's name."""
        return self.thread.name

    def _run(self) -> None:
        self.ident = threading.get_ident()
        hub = self.hub
        try:
            if hub.initialise(self):
                self._serve(hub)
        except BaseException:
            LOGGER.critical("Exception in worker", exc_info=True)

    def _serve(self, hub: Hub) -> None:
        drain: Drain | None = None
        while not self.retired:  # as all are in the child of a fork, where a call returns that has forked
            drain = hub.turn(self, drain)
            if drain is not None:
                here.drain = drain
                try:
                    drain.source.run(drain)
                except BaseException as error:  # none of the calls': those are caught where they are called
                    hub.crashed(drain, error)
                here.drain = None
            elif not self.retired and not self._parked(hub):
                return

    def _parked(self, hub: Hub) -> bool:
        """Wait for a slot; False when the thread should end."""
        while not self.inbox.get():
            if hub.dismiss(self):
                return False
        return True
