"""The threads."""

from __future__ import annotations

import threading
from concurrent.futures._base import LOGGER
from queue import SimpleQueue

from .drain import here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .drain import Drain
    from .hub import Hub

try:
    from _thread import _is_main_interpreter as _in_main_interpreter
except ImportError:  # pragma: no cover - an interpreter without subinterpreters

    def _in_main_interpreter() -> bool:
        return True


class Worker:
    """A thread that parks until it is granted a slot, and pulls calls from the hub's sources while it has one.

    The thread is a daemon, so that one stuck in a call that is over cannot hold up the interpreter; calls that are *not*
    over are waited for at exit by ``lifecycle``.  In a subinterpreter it is an ordinary thread, since ending one with a
    daemon alive aborts the process.
    """

    __slots__ = ("hub", "ident", "inbox", "retired", "thread", "woken")

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self.inbox: SimpleQueue[bool] = SimpleQueue()  # True: you have a slot; False: look whether it is time to go
        self.woken = True  # it has a slot that it has not used yet
        self.retired = False
        self.ident = 0
        self.thread = threading.Thread(target=self._run, name=name, daemon=_in_main_interpreter())

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
