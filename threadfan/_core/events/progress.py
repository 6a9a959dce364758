"""How far a batch is, told several times a second to whoever shows it."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import current_thread

from ..base.clock import REAL, take_within
from ..base.logs import ERROR, say
from ..base.threads import helper_thread, started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ..base.clock import Clock
    from ..base.threads import Thread
    from ..base.usage import Usage

    class Counted(Protocol):
        """Tells how many calls there are, by what has become of them."""

        def __call__(self) -> tuple[int, int, int, int | None]:
            """``done`` with or without a value, ``failed`` of these, ``running``, and ``total`` if it is known."""

    class Waits(Protocol):
        """Tells for what calls wait, and what they have come to."""

        def __call__(self) -> tuple[int, int, int, int, Usage | None, float]:
            """Those that wait for a slot, a limit, a back-off; retries; tokens; seconds that limits demand for them."""

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
        cancelled: those of them that were cancelled, or never begun, because the batch was to end.
        running: calls that run.
        total: all calls, or None while inputs are still read.
        seconds: since the batch began.
        rate: calls that ended per second, over the last ten seconds, without those that were cancelled.
        remaining: seconds until the end at this rate, or as rate limits demand if that is longer; None while it cannot
            be estimated.
        waiting_slot: calls that wait for a slot.
        waiting_limit: calls that wait for a rate limit.
        waiting_backoff: calls that wait to be tried again.
        retries: attempts that were not the first of their call.
        usage: tokens used so far; None if no call has noted any.
    """

    __slots__ = (
        "cancelled", "done", "failed", "name", "rate", "remaining", "retries", "running", "seconds", "total", "usage",
        "waiting_backoff", "waiting_limit", "waiting_slot",
    )  # fmt: skip

    def __init__(
        self, name: str, done: int, failed: int, running: int, total: int | None, seconds: float, rate: float
    ) -> None:
        self.name: str = name
        self.done: int = done
        self.failed: int = failed
        self.cancelled: int = 0
        self.running: int = running
        self.total: int | None = total
        self.seconds: float = seconds
        self.rate: float = rate
        self.remaining: float | None = (total - done) / rate if total is not None and rate > 0 else None
        self.waiting_slot: int = 0
        self.waiting_limit: int = 0
        self.waiting_backoff: int = 0
        self.retries: int = 0
        self.usage: Usage | None = None

    @property
    def waiting(self) -> int | None:
        """Calls that wait, for a slot, a limit or a back-off; None while inputs are still read."""
        return None if self.total is None else max(0, self.total - self.done - self.running)

    def __repr__(self) -> str:
        of = "" if self.total is None else f" of {self.total}"
        return f"<Progress of {self.name}: {self.done}{of} done, {self.failed} failed, {self.running} running>"


class Gauge:
    """Says how far a batch is whenever somebody asks; from any thread.

    Args:
        name: of the function.
        count: how many calls there are of which kind.
        clock: by which the times are taken.
        waits: for what they wait.
        since: when the batch began; None for now.
        cancelled: how many of those without a value were cancelled.
    """

    def __init__(
        self,
        name: str,
        count: Counted,
        clock: Clock = REAL,
        waits: Waits | None = None,
        since: float | None = None,
        cancelled: Callable[[], int] = lambda: 0,
    ) -> None:
        self._name = name
        self._count = count
        self._cancelled = cancelled
        self._waits = waits
        self._now = clock.monotonic
        self._since = clock.monotonic() if since is None else since
        self._ends: list[tuple[float, int]] = [(self._since, 0)]  # in whose place comes another one, never changed

    def progress(self) -> Progress:
        """How far it is now."""
        done, failed, running, total = self._count()
        cancelled = min(failed, self._cancelled())
        now, ended = self._now(), done - cancelled
        ends = [*self._ends, (now, ended)]
        since = next((place for place in range(len(ends) - 2, 0, -1) if ends[place][0] <= now - RECENT), 0)
        self._ends = ends = ends[since:]
        seconds = now - self._since
        rate = (ended - ends[0][1]) / max(now - ends[0][0], 1e-9)
        found = Progress(self._name, done, failed, running, total, seconds, rate)
        found.cancelled = cancelled
        if self._waits is not None:
            self._tell(found, *self._waits())
        return found

    @staticmethod
    def _tell(
        found: Progress, slot: int, limit: int, backoff: int, retries: int, usage: Usage | None, demanded: float
    ) -> None:
        found.waiting_slot, found.waiting_limit, found.waiting_backoff = slot, limit, backoff
        found.retries, found.usage = retries, usage
        if found.total is not None and demanded > (found.remaining or 0.0):
            found.remaining = demanded


class Meter(Gauge):
    """Looks at a batch from time to time, in a thread of its own, and tells a display; calls pay nothing for it.

    A display that fails is told of once, and closed; the batch goes on.

    Args:
        name: of the function.
        count: how many calls there are of which kind.
        display: what is told.
        clock: by which the times are taken.
        waits: for what they wait.
        cancelled: how many of those without a value were cancelled.
    """

    def __init__(
        self,
        name: str,
        count: Counted,
        display: Display,
        clock: Clock = REAL,
        waits: Waits | None = None,
        cancelled: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(name, count, clock, waits, cancelled=cancelled)
        self._display = display
        self._over: SimpleQueue[None] = SimpleQueue()
        self._thread: Thread = helper_thread(self._run, f"threadfan-progress-{name}")
        self._refused = started(self._thread) is not None  # then nothing is shown

    def close(self, *, wait: bool = True) -> None:
        """Show the end.

        Args:
            wait: until that is done; a garbage collector must not.
        """
        self._over.put(None)
        if wait and not self._refused and self._thread is not current_thread():
            self._thread.join()

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
