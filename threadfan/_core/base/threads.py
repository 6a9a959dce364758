"""Starting threads, where the system may give none.

Containers and ``ulimit -u`` bound the number of threads, and each needs address space for its stack.  So a start is
never taken for granted: here it is tried, and whoever asks is told whether there is a thread.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from contextvars import Context
from queue import Empty, SimpleQueue

from .clock import take_within
from .locks import aside, in_main_interpreter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _Started(threading.Event):
    """The event by which a thread says that it runs.

    ``Thread.start`` waits for it, two switches of threads for each, a third of the time that starting five hundred of
    them takes: here it need not, and whoever has to know waits with ``wait_until_set``.  It has no lock, which a
    signal's exception could leave taken.

    Args:
        waits: whether ``start`` waits all the same: for a thread that the interpreter's end waits for, which before
            CPython 3.13 says so itself as it begins.
    """

    def __init__(self, waits: bool) -> None:
        self._waits = waits
        self._begun = False
        self._gates: list[SimpleQueue[None]] = []

    def is_set(self) -> bool:
        return self._begun

    def set(self) -> None:
        self._begun = True
        for gate in tuple(self._gates):
            gate.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        return self.wait_until_set(timeout) if self._waits else True

    def wait_until_set(self, timeout: float | None) -> bool:
        """What ``wait`` does elsewhere."""
        gate = SimpleQueue[None]()
        self._gates.append(gate)
        if not self._begun:
            with suppress(Empty):
                gate.get() if timeout is None else take_within(gate, timeout)
        return self._begun

    def _at_fork_reinit(self) -> None:
        self._gates = []  # of threads that the child does not have


class Thread(threading.Thread):
    """A thread whose ``start`` returns at once; ``join`` makes up for it."""

    _started: _Started

    helps = False
    """Whether it does a helper's work now, and so must not run users' code."""
    hurry: Callable[[], object] | None = None
    """Has it end at once if it only waits a while for more to do."""

    def __init__(self, target: Callable[[], object], name: str, daemon: bool) -> None:
        # It would keep, and an initializer would see, the context variables of whoever had it started.
        options: Any = {"context": Context()} if sys.version_info >= (3, 14) else {}
        super().__init__(target=target, name=name, daemon=daemon, **options)
        self._started = _Started(waits=not daemon)

    def wait_until_begun(self, timeout: float | None = None) -> bool:
        """What ``start`` does elsewhere; whether the thread has begun within ``timeout`` seconds."""
        return self._started.wait_until_set(timeout)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended, if need be until it has begun."""
        if not self._started.is_set():
            self.wait_until_begun(timeout)
        super().join(timeout)


def helping() -> bool:
    """Whether this thread does a helper's work, and so must not run users' code."""
    return getattr(threading.current_thread(), "helps", False)


def helper_thread(target: Callable[[], object], name: str) -> Thread:
    """A thread that cannot hold up the interpreter's end.

    In a subinterpreter it is an ordinary thread, since ending one with a daemon alive aborts the process.
    """
    return Thread(target, name, daemon=daemons())


def daemons() -> bool:
    """Whether threads may be left behind at the interpreter's end: not in a subinterpreter."""
    return in_main_interpreter()


def started(thread: Thread) -> Exception | None:
    """Start a thread; None if it runs or soon will, else why the system gives none."""
    try:
        aside(thread.start)  # it has many steps
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RecursionError) and thread.wait_until_begun(1.0):  # raised after the start
            return None
        return error
    return None


def check_depth(frames: int = 30) -> None:
    """Raise RecursionError now if there is no room for what is to follow, which must not stop half-way.

    Args:
        frames: how many calls deep it may go; a start of a thread needs some twelve.
    """
    if frames:
        check_depth(frames - 1)


class Refusals:
    """Starts that were refused in a row: when to try again.

    The first try follows soon, for what refuses may be over in a moment; each further one after twice the time.
    """

    __slots__ = ("_pause", "again", "error")

    SHORTEST = 0.01
    """Seconds; arbitrary: a thousand times what a try costs, and noticed by nobody."""
    LONGEST = 0.1
    """Seconds; arbitrary: what a thread that becomes free may stay unused; ten tries a second cost nothing."""

    def __init__(self) -> None:
        self.granted()

    def granted(self) -> None:
        """A start was not refused."""
        self.error: Exception | None = None
        self.again = float("-inf")  # when another may be tried
        self._pause = self.SHORTEST / 2

    def refused(self, error: Exception, now: float) -> None:
        """A start was refused."""
        self.error = error
        self._pause = min(2 * self._pause, self.LONGEST)
        self.again = now + self._pause


def for_ever(error: Exception) -> bool:
    """Whether a start was refused because the interpreter ends, so that none will be granted any more."""
    return "shutdown" in str(error)


def refusal(error: Exception, rest: str) -> str:
    """The warning that says so."""
    return f"threadfan: no thread could be started ({error or type(error).__name__}); {rest}"
