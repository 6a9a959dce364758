"""The threads."""

from __future__ import annotations

import threading
from concurrent.futures._base import LOGGER
from queue import SimpleQueue

from ..base.clock import NOTHING, Asleep
from ..base.logs import CRITICAL, say
from ..base.threads import helper_thread
from .drain import here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .drain import Drain
    from .hub import Hub


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
        except BaseException as error:
            hub.bury(self, error)
            say(LOGGER, CRITICAL, "Exception in worker", error=error)

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
        while (told := self._told()) is not True:
            if told is NOTHING and hub.callbacks.unmanned() and hub.borrow(self):
                hub.callbacks.work()
                hub.give_back(self)
            if self.retired or hub.dismiss(self):
                return False
        return True

    def _told(self) -> Any:
        """What is put into the inbox; ``NOTHING`` if there is something else to do."""
        with Asleep(self.inbox) as asleep:
            self.thread.helps = True  # from here on others may start it at any moment
            told = asleep.receive()
            self.thread.helps = False
        return told
