"""How far a batch is, told several times a second to whoever shows it."""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue

from ..base.clock import REAL, take_within
from ..base.logs import ERROR, say
from ..base.threads import helper_thread, started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ..base.clock import Clock
    from ..base.threads import Thread

    class Counted(Protocol):
        """Tells how many calls there are, by what has become of them."""

        def __call__(self) -> tuple[int, int, int, int | None]:
            """``done`` with or without a value, ``failed`` of these, ``running``, and ``total`` if it is known."""

    class Display(Protocol):
        """Shows progress somewhere."""

        def show(self, progress: Progress) -> None:
            """Show how far it is now."""

        def close(self) -> None:
            """No more will come."""


PERIOD = 0.1  # seconds between two looks; arbitrary: what eyes take for steady
DEAREST = 0.02  # of the time at most goes into looking, so that a batch of a million items is looked at less often
RECENT = 10.0  # seconds over which the rate is taken; arbitrary: long enough for calls of some seconds


class Progress:
    """How far a batch is at one moment.

    Attributes:
        name: of the function.
        done: calls that have ended, with or without a value.
        failed: those of them without one.
        running: calls that run.
        total: all calls, or None as long as inputs still come.
        seconds: since the batch began.
        rate: calls that ended per second, over the last ten seconds.
        remaining: seconds until the end at this rate; None while that cannot be told.
    """

    __slots__ = ("done", "failed", "name", "rate", "remaining", "running", "seconds", "total")

    def __init__(
        self, name: str, done: int, failed: int, running: int, total: int | None, seconds: float, rate: float
    ) -> None:
        self.name: str = name
        self.done: int = done
        self.failed: int = failed
        self.running: int = running
        self.total: int | None = total
        self.seconds: float = seconds
        self.rate: float = rate
        self.remaining: float | None = (total - done) / rate if total is not None and rate > 0 else None

    @property
    def waiting(self) -> int | None:
        """Calls that wait, for a slot, a limit or a back-off; None as long as inputs still come."""
        return None if self.total is None else max(0, self.total - self.done - self.running)

    def __repr__(self) -> str:
        of = "" if self.total is None else f" of {self.total}"
        return f"<Progress of {self.name}: {self.done}{of} done, {self.failed} failed, {self.running} running>"


class Meter:
    """Looks at a batch from time to time, in a thread of its own, and tells a display; calls pay nothing for it.

    A display that fails is told of once, and closed; the batch goes on.

    Args:
        name: of the function.
        count: how many calls there are of which kind.
        display: what is told.
        clock: by which the times are taken.
    """

    def __init__(self, name: str, count: Counted, display: Display, clock: Clock = REAL) -> None:
        self._name = name
        self._count = count
        self._display = display
        self._now = clock.monotonic
        self._since = clock.monotonic()
        self._ends: deque[tuple[float, int]] = deque([(self._since, 0)])
        self._over: SimpleQueue[None] = SimpleQueue()
        self._thread: Thread = helper_thread(self._run, f"threadfan-progress-{name}")
        self._refused = started(self._thread) is not None  # then nothing is shown

    def close(self, *, wait: bool = True) -> None:
        """Show the end.

        Args:
            wait: until that is done; a garbage collector must not.
        """
        self._over.put(None)
        if wait and not self._refused:
            self._thread.join()

    def progress(self) -> Progress:
        """How far it is now."""
        done, failed, running, total = self._count()
        now, ends = self._now(), self._ends
        ends.append((now, done))
        while len(ends) > 2 and ends[1][0] <= now - RECENT:
            ends.popleft()
        (since, before), seconds = ends[0], now - self._since
        return Progress(self._name, done, failed, running, total, seconds, (done - before) / max(now - since, 1e-9))

    def _run(self) -> None:
        wait, over = 0.0, False
        try:
            while not over:
                try:
                    take_within(self._over, wait)
                    over = True
                except Empty:
                    pass
                began = REAL.monotonic()
                self._display.show(self.progress())
                wait = max(PERIOD, (REAL.monotonic() - began) / DEAREST)
        except BaseException as error:
            self._failed(error)
        try:
            self._display.close()
        except BaseException as error:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        from logging import getLogger

        say(getLogger("threadfan"), ERROR, "progress cannot be shown", error=error)


class Told:
    """A display that calls a function of the user's."""

    def __init__(self, function: Callable[[Progress], object]) -> None:
        self._function = function

    def show(self, progress: Progress) -> None:
        """Call it."""
        self._function(progress)

    def close(self) -> None:
        """There is nothing to close."""
