"""``install`` and ``uninstall``."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from types import new_class

from .._core.base import forks
from .._core.base.locks import Lock
from .attaching import attached
from .calls import Calls
from .fans import Given, NotedFuture, StandIn
from .options import Options
from .sequential import Sequential
from .summary import lines
from .swap import Swap
from .twisted import TwistedPools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from threading import Thread
    from types import TracebackType
    from typing import Self

    from .._core.batches.report import Report
    from .._core.policies.breaker import Breaker
    from .._core.policies.hedge import Hedge
    from .._core.policies.rate_limit import RateLimit
    from .._core.policies.retry import Retry
    from .attaching import Undo


class _State:
    """What there is once in a process; guarded by its lock."""

    lock = Lock()
    current: Installation | None = None


def _in_child() -> None:
    _State.lock = Lock()


forks.in_child(_in_child)


def install(
    max_workers: int | None = None,
    *,
    timeout: float | None = None,
    retry: Retry = None,
    rate: RateLimit | None = None,
    hedge: Hedge | None = None,
    breaker: Breaker | None = None,
    total_timeout: float | None = None,
    attach: Iterable[str] = (),
    sequential: bool = False,
) -> Installation:
    """Make every ``concurrent.futures.ThreadPoolExecutor`` that is created from now on a `Fan`.

    It does not matter by which name, and when, the class was imported.  Objects of subclasses are fans too, and so are
    asyncio's default executor and the pools of Twisted's class ``ThreadPool``.  Executors that exist already stay what
    they are, and so do subclasses with an implementation of their own; ``summary`` names those.

    Args:
        max_workers: for executors that are created without one.
        timeout: for each attempt; and ``total_timeout``, ``retry``, ``rate``, ``hedge``, ``breaker``: as for `Fan`, for
            all of them; they share one rate.
        attach: clients to attach in the whole process (see ``threadfan.attach``): ``"requests"``, ``"subprocess"``.
        sequential: have no threads at all: ``submit`` makes the call at once, without the options above.

    Returns:
        An object that tells what became of the calls (``summary()``, ``report()``) and undoes the installation: by
        ``undo()``, or at the end of ``with install():``.  Executors that were created meanwhile stay fans.

    Raises:
        RuntimeError: fans are installed with other options.  With the same options it has to be undone as often.
        TypeError, ValueError: an argument is wrong; the message says what would be right.
    """
    options = Options(max_workers, timeout, total_timeout, retry, rate, hedge, breaker, attach, sequential)
    with _State.lock:
        current = _State.current
        if current is None:
            current = Installation(options)
            try:
                current.begin()
            except BaseException:
                current.end()
                raise
            _State.current = current
        elif other := options.differing(current.options):
            raise RuntimeError(
                f"fans are installed already, with another {' and another '.join(other)}: uninstall() first, or leave "
                "it as it is"
            )
        current.holders += 1
        return current


def uninstall() -> None:
    """Undo ``install``, however often it was called; it has no effect if nothing is installed."""
    with _State.lock:
        if _State.current is not None:
            _State.current.end()


class Installation:
    """What ``install`` has done."""

    def __init__(self, options: Options) -> None:
        self.options: Options = options
        self.holders: int = 0  # how often it was asked for
        self.calls: Calls = Calls()
        self.swap: Swap = Swap()
        self.missed: list[str] = []
        self._undo: list[Undo] = []

    def begin(self) -> None:
        """Put all in its place.  With the lock held."""
        self._undo, self.missed = attached(self.options.attach)
        before = _before()
        if before:
            self.missed.insert(0, f"{before} executor{'s' if before > 1 else ''} with threads, made before")
        self.swap.put(_kind(self.options, self.calls, self.swap))
        self._undo.append(self.swap.take_back)
        self._undo.append(TwistedPools(self.swap.left).take_back)

    def end(self) -> None:
        """Take all back.  With the lock held."""
        self.holders = 0
        if _State.current is self:
            _State.current = None
        while self._undo:
            self._undo.pop()()

    def undo(self) -> None:
        """Take it back, if nobody else has asked for the same; harmless when it was taken back."""
        with _State.lock:
            self.holders = max(0, self.holders - 1)
            if not self.holders:
                self.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.undo()

    def report(self) -> Report[object]:
        """What became of the calls that have ended, each by its function's name, without arguments and results."""
        return self.calls.report(self.options.timeout)

    def summary(self) -> str:
        """The same in a few lines: how many, the slowest, what limited them, what is stuck, what was not reached."""
        return "\n".join(self.lines(self.report()))

    def lines(self, report: Report[object], reworded: Callable[[str], str] = str) -> Iterator[str]:
        """The same, of a report of its calls.

        Args:
            reworded: gives the advice in other words.
        """
        return lines(report, self.calls.uncounted(), self.swap, self.missed, self.options.max_workers, reworded)

    def __repr__(self) -> str:
        state = "in force" if self.holders else "taken back"
        return f"<Installation: {state}, {self.swap.made} executors>"


def _before() -> int:
    """How many standard pools have threads, as far as this Python keeps a list of those."""
    queues: dict[Thread, object] = getattr(sys.modules["concurrent.futures.thread"], "_threads_queues", {})
    return len({id(queue) for thread, queue in list(queues.items()) if thread.is_alive()})


def _kind(options: Options, calls: Calls, swap: Swap) -> type[ThreadPoolExecutor]:
    """The class that stands in."""
    names: dict[str, object] = {"__module__": ThreadPoolExecutor.__module__, "__doc__": ThreadPoolExecutor.__doc__}
    base: type[ThreadPoolExecutor] = Sequential
    if options.sequential:
        names["_threadfan_noted"] = calls
    else:
        base = StandIn
        future = new_class("Future", (NotedFuture,), {}, lambda namespace: namespace.update(noted=calls))
        names["_threadfan"] = Given(options, future, swap)
    return new_class(ThreadPoolExecutor.__name__, (base,), {}, lambda namespace: namespace.update(names))
