"""Helpers: threads that do rounds, which somebody has to do even where no thread can be had.

Guarantees:

- A helper does not die: a round that fails is said once, and the next one follows; so with whatever is raised in its
  thread from outside.
- Where the system gives it no thread, whoever waits does its rounds meanwhile (``clock.chores``): callers that wait for
  calls, calls that wait for others, workers that have nothing to do, other helpers.  Its thread is tried again, each
  time after a longer pause, and takes over when there is one.
- Rounds are never done by two threads at once.
"""

from __future__ import annotations

import threading
from concurrent.futures._base import LOGGER
from queue import Empty, SimpleQueue

from . import clock as clocks
from . import forks
from .clock import FOREVER, Clock
from .locks import Lock
from .logs import CRITICAL, say
from .threads import Refusals, helper_thread, started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_AGAIN = 1.0  # seconds after a round that failed; arbitrary


class Helper:
    """What one thread does in rounds.

    Args:
        name: of the thread.
        clock: by which it waits.
        rounds: does what is due, and gives the moment at which it wants to be called again: ``FOREVER`` for when it is
            told, None when all is done.  It runs no code of users', and does not wait.
        refused: called once with the error if the system gives no thread, and not in ``begin``.
    """

    def __init__(
        self, name: str, clock: Clock, rounds: Callable[[], float | None], refused: Callable[[Exception], object]
    ) -> None:
        self._name = name
        self._clock = clock
        self._rounds = rounds
        self._refused = refused
        self._gate: SimpleQueue[None] = SimpleQueue()
        self._tended = Lock()  # held by the thread that stands in, never twice; guards what follows
        self.begun: bool = False
        self.hurried: bool = False  # it is not to wait for more when all is done
        self._refusals = Refusals()
        self._due = -FOREVER
        self._over = False
        self._failed = False  # which was said
        self._unsaid: Exception | None = None  # why there is no thread
        self.thread: threading.Thread | None = None

    def begin(self) -> None:
        """Have the rounds done from now on; may be called with any lock held, and again."""
        self.begun = True
        clocks.chores.append(self._stand_in)  # first: whatever interrupts this, somebody sees to it
        self._stand_in(may_wait=False)
        if self.thread is None:
            clocks.nudge()

    def tell(self) -> None:
        """Have a round done now."""
        self._gate.put(None)

    def hurry(self) -> None:
        """Let it end now if all is done."""
        self.hurried = True
        self.tell()

    def aside(self, act: Callable[[], object]) -> None:
        """Do in its own thread what may block, for there is no other; others may stand in meanwhile."""
        with self._tended:
            self.thread, self._due = None, -FOREVER
        clocks.add_chore(self._stand_in)
        act()
        with self._tended:
            if self.thread is None and not self._over:
                self.thread = threading.current_thread()
                clocks.drop_chore(self._stand_in)
                self.tell()  # how long it may wait was found before the act, and who stood in took what was told since

    def join(self) -> None:
        """Wait until all is done, which must be soon."""
        thread = self.thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        clocks.drop_chore(self._stand_in)

    def _start(self) -> Exception | None:
        self.thread = thread = helper_thread(self._run, self._name)
        thread.helps = True
        thread.hurry = self.hurry
        try:
            error = started(thread)
        except BaseException:  # an interrupt
            if not thread.wait_until_begun(1.0):  # long enough for any thread that was started
                self.thread = None
            raise
        if error is not None:
            self.thread, self._unsaid = None, error if self._refusals.error is None else self._unsaid
            self._refusals.refused(error, Clock.monotonic())
        return error

    def _run(self) -> None:
        generation = forks.generation  # in a child that a round has forked it is another
        while True:
            try:
                due = self._round()
                if due is None:
                    self._rounds = self._refused = _nothing  # which know whose helper this is: leave no cycle
                    threading.current_thread().__dict__.pop("hurry", None)
                    return
                if self.thread is not threading.current_thread() or forks.generation != generation:
                    return
                self._clock.wait_until(self._gate, None if due == FOREVER else due)
            except BaseException as error:  # raised in this thread from outside
                self._say(error)

    def _round(self) -> float | None:
        try:
            return self._rounds()
        except BaseException as error:
            self._say(error)
            return self._clock.monotonic() + _AGAIN

    def _say(self, error: BaseException) -> None:
        if not self._failed:
            self._failed = True
            say(LOGGER, CRITICAL, "an error in %s, which goes on", self._name, error=error)

    def _stand_in(self, *, may_wait: bool = True) -> None:
        """In a thread that waits for something else: try for a thread again, or do a round if one is due."""
        try:  # in this order: an interrupt must not leave it taken
            if not self._tended.acquire(blocking=False):
                return
            if self.thread is not None or self._over:
                clocks.drop_chore(self._stand_in)
                return
            if Clock.monotonic() >= self._refusals.again and self._start() is None:
                clocks.drop_chore(self._stand_in)
            elif may_wait:  # else it may have locks that a round takes
                self._go_round()
        finally:
            if self._tended._is_owned():  # type: ignore[attr-defined]
                self._tended.release()

    def _go_round(self) -> None:
        if self._unsaid is not None:
            error, self._unsaid = self._unsaid, None
            self._refused(error)
        if self._told() or self._clock.monotonic() >= self._due:
            due = self._round()
            self._over = due is None
            if self._over:
                self._rounds = self._refused = _nothing
            self._due = FOREVER if due is None else due
        if self._over:
            clocks.drop_chore(self._stand_in)

    def _told(self) -> bool:
        told = False
        while True:
            try:
                self._gate.get_nowait()
            except Empty:
                return told
            told = True


def _nothing(*_: object) -> None:
    pass
