"""The threads."""

from __future__ import annotations

import threading
from concurrent.futures._base import LOGGER
from queue import SimpleQueue

from ..base import last
from ..base.clock import NOTHING, Asleep
from ..base.logs import CRITICAL, say
from ..base.threads import helper_thread
from .session import here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .scheduler import Scheduler
    from .session import Session


class Worker:
    """A thread that parks until it is granted a slot, and pulls calls from the scheduler's queues while it has one.

    The thread is a daemon, so that one stuck in a call that is over cannot hold up the interpreter; calls that are
    *not* over are waited for at exit by ``lifecycle``.  In a subinterpreter it is an ordinary thread, since ending
    one with a daemon alive aborts the process.
    """

    __slots__ = (
        "_unstarted",
        "ident",
        "inbox",
        "parked",
        "retired",
        "scheduler",
        "set_own",
        "thread",
        "visiting",
        "woken",
    )

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.scheduler = scheduler
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
        self.scheduler.threads.discard(self.thread)
        self.thread = last.stand_in()  # type: ignore[assignment]  # one that nobody starts or waits for
        self.visiting = True
        self._run()

    def _run(self) -> None:
        self.ident = threading.get_ident()
        scheduler = self.scheduler
        try:
            if scheduler.initialise(self):
                self._serve(scheduler)
        except BaseException as error:
            scheduler.bury(self, error)
            say(LOGGER, CRITICAL, "Exception in worker", error=error)

    def _serve(self, scheduler: Scheduler) -> None:
        session: Session | None = None
        while not self.retired:  # as all are in the child of a fork, where a call returns that has forked
            session = scheduler.turn(self, session)
            if session is not None:
                here.session = session
                try:
                    session.queue.run(session)
                except BaseException as error:  # none of the calls': those are caught where they are called
                    scheduler.crashed(session, error)
                here.session = None
            elif not self.retired and not self._parked(scheduler):
                return

    def _parked(self, scheduler: Scheduler) -> bool:
        """Wait for a slot; False when the thread should end."""
        while (told := self._told()) is not True:
            if told is NOTHING and scheduler.callbacks.unmanned() and scheduler.borrow(self):
                scheduler.callbacks.work()
                scheduler.give_back(self)
            if self.retired or scheduler.dismiss(self):
                return False
        return True

    def _told(self) -> Any:
        """What is put into the inbox; ``NOTHING`` if there is something else to do."""
        with Asleep(self.inbox) as asleep:
            self.thread.helps = True  # from here on others may start it at any moment
            told = asleep.receive()
            self.thread.helps = False
        return told
