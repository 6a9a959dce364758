"""The threads."""

from __future__ import annotations

import _thread
import sys
import threading
from concurrent.futures._base import LOGGER
from contextvars import Context
from queue import SimpleQueue

from . import last
from .drain import here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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
        # It would keep, and an initializer would see, the context variables of whoever had it started.
        options: Any = {"context": Context()} if sys.version_info >= (3, 14) else {}
        super().__init__(target=target, name=name, daemon=daemon, **options)
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

    __slots__ = ("_unstarted", "hub", "ident", "inbox", "parked", "retired", "set_own", "thread", "visiting", "woken")

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self.inbox: SimpleQueue[bool] = SimpleQueue()  # True: you have a slot; False: look whether it is time to go
        self.woken = True  # it has a slot that it has not used yet
        self.parked = False  # it waits for one, or has been given one meanwhile
        self.retired = self.visiting = False
        self.ident = 0
        self._unstarted = [True]
        self.set_own: Callable[[], None] | None = None  # sets what the initializer has set in context variables
        self.thread = helper_thread(self._run, name)

    @property
    def name(self) -> str:
        """The thread's name."""
        return self.thread.name

    def claim_start(self) -> bool:
        """Whether the thread is the caller's to start: one caller's, and only once."""
        try:
            return self._unstarted.pop()
        except IndexError:
            return False

    def visit(self) -> None:
        """Do its work in the main thread, as long as there is any; see ``last``."""
        self.hub.threads.discard(self.thread)
        self.thread = last.stand_in()  # type: ignore[assignment]  # one that nobody starts or waits for
        self.visiting = True
        self._run()

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
        while True:
            drain = hub.turn(self, drain)
            if drain is not None:
                here.drain = drain
                try:
                    drain.source.run(drain)
                except BaseException as error:  # none of the calls': those are caught where they are called
                    hub.crashed(drain, error)
                here.drain = None
            elif self.retired or not self._parked(hub):
                return

    def _parked(self, hub: Hub) -> bool:
        """Wait for a slot; False when the thread should end."""
        while not self.inbox.get():
            if hub.dismiss(self):
                return False
        return True
