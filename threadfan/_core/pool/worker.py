"""A thread and its inbox."""

from __future__ import annotations

import threading
from functools import partial
from queue import SimpleQueue

from ..base import last
from ..base.threads import helper_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.threads import Thread


class Worker:
    """A thread that parks until it is given a slot; what it does with one says ``work``.

    The thread is a daemon, so that one stuck in a call that is over cannot hold up the interpreter; calls that are
    *not* over are waited for at exit by ``shutdown``.  In a subinterpreter it is an ordinary thread, since ending
    one with a daemon alive aborts the process.

    Args:
        work: called with the worker, in its thread, which ends with it.
        name: of the thread.
    """

    __slots__ = (
        "_unstarted", "_work", "ident", "inbox", "parked", "retired", "set_own", "thread", "visiting", "wake", "woken",
    )  # fmt: skip

    def __init__(self, work: Callable[[Worker], object], name: str) -> None:
        self._work = work
        self.inbox: SimpleQueue[bool] = SimpleQueue()  # True: you have a slot; False: look whether it is time to go
        self.wake: Callable[[], None] = partial(self.inbox.put, True)
        self.woken: bool = True  # it has a slot that it has not used yet
        self.parked: bool = False  # it waits for one, or has been given one meanwhile
        self.retired: bool = False
        self.visiting: bool = False
        self.ident: int = 0
        self._unstarted = [True]
        self.set_own: Callable[[], None] | None = None  # sets what the initializer has set in context variables
        self.thread: Thread = helper_thread(self._run, name)

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
        self.thread = last.stand_in()  # type: ignore[assignment]  # one that nobody starts or waits for
        self.visiting = True
        self._run()

    def _run(self) -> None:
        self.ident = threading.get_ident()
        self._work(self)
