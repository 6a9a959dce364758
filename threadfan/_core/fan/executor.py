"""``Fan``: the executor."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue

from ..base import forks  # noqa: F401 -- with the import, for the first fan may be made while another thread forks
from .front import Front

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any, Literal, Never, Self

    from ..calls.options import Functions
    from ..policies.adaptive import Adaptive
    from ..policies.breaker import Breaker
    from ..policies.hedge import Hedge
    from ..policies.rate_limit import RateLimit
    from ..policies.retry import Retry
    from ..pool.scheduler import Scheduler

_making: Any = None  # the module that makes what a fan has


def _imported() -> Any:
    """With the first fan."""
    global _making
    from . import making

    _making = making
    return making


_CO_ASYNC = 0x80 | 0x200  # inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR, without the import of inspect


class Fan(Front, ThreadPoolExecutor):
    """A ``ThreadPoolExecutor`` for tools that block: ordered outcomes, real timeouts, an asyncio side.

    Args:
        max_workers: how many calls run at once; by default as in the standard library, ``min(32, cpus + 4)``.  With
            ``Adaptive()`` the fan finds the number by itself, from calls that are refused (429, 529) and made again.
        thread_name_prefix: for the names of the threads.
        initializer: called with ``initargs`` in each thread before its first call; if it fails, the pool is broken.
        timeout: seconds that each attempt of a call may run, counted from its start; None for no limit.
        total_timeout: seconds for all attempts of a call and the back-offs between them, however many ``retry`` allows;
            waiting for a slot or for ``rate`` does not count.
        idle_timeout: seconds for which a running call may do nothing: neither read bytes through an attached client
            (see ``threadfan.attach``) nor ``touch()`` its scope.  Then it is ended as by ``timeout``.
        fallback: a function that is called with the same arguments when a call has failed for good, and whose result
            is then the call's; or several in a tuple, one after another.  ``retry`` and the timeouts start anew for
            each of them; the other options do not apply.
        retry: what is tried again.  A number: how many times after the first attempt, for transient errors (timeouts,
            broken connections, the HTTP statuses 408, 409, 429 and 5xx).  A ``tenacity.Retrying``: by its rules.  A
            mapping from exception classes or HTTP statuses to either: the first entry that matches decides.  Between
            two attempts a call holds no slot.
        rate: a ``RateLimit``.  A call that waits for it holds no slot, and an answer that says "too many" pauses all
            calls under it.
        hedge: a ``Hedge``: calls that take long get a second attempt beside the first, and the first answer wins; only
            for calls that may be made twice.
        breaker: a ``Breaker``: after some failures in a row that say that a service is down, calls fail at once instead
            of being made, until a trial call succeeds.
        max_abandoned: how many threads that are stuck in timed-out calls are replaced, so that their slots are free;
            beyond that a slot is free when its thread returns.  By default ``4 * max_workers``, at least 64.
        max_queued: how many calls of ``submit`` may wait to begin; None for any number.
        when_full: what ``submit`` does when ``max_queued`` calls wait: ``"wait"``, or ``"raise"`` a ``queue.Full``.
        name: the fan's name in events; by default the prefix of its threads.

    Raises:
        TypeError, ValueError: an argument is wrong; the message says what would be right.
    """

    def __init__(
        self,
        max_workers: int | Adaptive | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        timeout: float | None = None,
        retry: Retry = None,
        rate: RateLimit | None = None,
        hedge: Hedge | None = None,
        breaker: Breaker | None = None,
        total_timeout: float | None = None,
        fallback: Functions | None = None,
        idle_timeout: float | None = None,
        max_abandoned: int | None = None,
        max_queued: int | None = None,
        when_full: Literal["wait", "raise"] = "wait",
        name: str | None = None,
        **misplaced: Never,
    ) -> None:
        making = _making or _imported()
        most, adaptive = max_workers, None
        if misplaced:
            making.refuse(misplaced)
        if type(most) is not int or not 0 < most <= making.MOST_WORKERS:
            most, adaptive = making.workers(max_workers)
        if thread_name_prefix != "" or name is not None:
            making.check_names(thread_name_prefix, name)
        if initializer is not None:
            making.check_initializer(initializer, initargs)
        if timeout is not None or max_abandoned is not None:
            timeout, max_abandoned = making.numbers(timeout, max_abandoned)
        if max_queued is not None or when_full != "wait":
            self._bound = making.bound(max_queued, when_full)
        super().__init__(most, thread_name_prefix, initializer, initargs)
        initialise = None if initializer is None else partial(initializer, *initargs)
        self._given = most, timeout, max_abandoned, name, adaptive, making.current_clock(), initialise
        if not (
            retry is None
            and rate is None
            and hedge is None
            and breaker is None
            and total_timeout is None
            and fallback is None
            and idle_timeout is None
            and adaptive is None
        ):
            self._options = making.options(
                self._given, retry, rate, hedge, breaker, total_timeout, fallback, idle_timeout
            )

    if not TYPE_CHECKING:  # to whom any name would be one of a fan's

        def __getattr__(self, name: str) -> object:
            """What a fan has from its first use on; one that is never used is to cost no more than a standard pool."""
            if name in ("_scheduler", "_options", "_future") and "_given" in vars(self):
                return _making.made(self, name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    # The base class assigns these in __init__; the scheduler is where they are true.

    @property
    def _shutdown(self) -> bool:
        return self._scheduler.closing

    @_shutdown.setter
    def _shutdown(self, _: bool) -> None: ...

    @property  # type: ignore[override]
    def _broken(self) -> str | bool:
        return self._scheduler.broken

    @_broken.setter
    def _broken(self, _: str | bool) -> None: ...

    @property
    def _work_queue(self) -> _WorkQueue:
        return _WorkQueue(self._scheduler)

    @_work_queue.setter
    def _work_queue(self, _: object) -> None: ...

    @property
    def name(self) -> str:
        """The fan's name in events."""
        return self._scheduler.name

    def resize(self, max_workers: int) -> None:
        """Change how many calls run at once; if they become more, calls that wait start at once.

        If they become fewer, nothing is interrupted: calls that run go on, and none starts until enough have ended.

        Args:
            max_workers: as for ``Fan``.

        Raises:
            ValueError: the fan has an ``Adaptive``, which finds the number by itself.
        """
        from .sizes import resize

        self._max_workers = resize(self._scheduler, self._options, max_workers)  # where programs look

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False, timeout: float | None = None) -> None:
        """Take no more calls, and wait for those handed in; threads stuck in calls that are over are not waited for.

        Open streams are cancelled.

        Args:
            wait: return when all calls are done and the threads have ended.
            cancel_futures: cancel everything that has not started; batches raise ``FanClosed``.
            timeout: seconds from now after which everything that is left is cancelled, running calls too; None to let
                it end.  Nothing is raised here: each call and batch that is cut short raises for itself.
        """
        from ..base.errors import FanClosed
        from ..pool import shutdown as lifecycle

        scheduler, until = self._scheduler, None
        if timeout is not None:
            until = lifecycle.latest(scheduler, timeout)
        reason = partial(FanClosed, "the fan was shut down with cancel_futures=True") if cancel_futures else None
        gate = lifecycle.close(scheduler, reason)
        if timeout is not None:
            from ..pool import expiry

            expiry.bound(scheduler, timeout)
        if wait:
            lifecycle.join(scheduler, gate, until=until)
            lifecycle.linger(scheduler)
            self._warn_of_what_is_stuck()

    def _warn_of_what_is_stuck(self) -> None:
        if self._scheduler.lost or self._scheduler.callbacks.stuck():
            from . import stuck  # few programs need it

            stuck.warn(self._scheduler)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Shut down; in an ``async def`` without waiting, which would stall the loop (``async with`` does wait).

        After a Ctrl-C, or if the scope around the block has ended, calls are cancelled, and the exception carries the
        report of the batch that it ended, if there was one; any other exception waits for them, as in the standard
        library.
        """
        from ..base.errors import CallCancelled
        from ..base.interrupts import INTERRUPTS
        from ..base.static import caller, is_a

        try:
            if exc is not None and is_a(exc, (*INTERRUPTS, CallCancelled)):
                self._scheduler.interrupt()
                if exc.__context__ is not None:  # `asyncio.run` has raised it in place of what a batch raised
                    from ..batches.carried import carry

                    carry(exc)
            self.shutdown(wait=not _in_coroutine(caller()))
        except INTERRUPTS as interrupt:  # wherever it fell: nothing may be left that the interpreter waits for
            self._scheduler.interrupt()
            if exc is None:  # it is the first, and what is stuck is not told yet
                try:
                    self.shutdown(timeout=0)
                except RuntimeWarning as warning:
                    interrupt.add_note(str(warning))
            raise
        except RuntimeWarning as warning:  # where warnings are errors: not in place of the one that ends the block
            if exc is None:
                raise
            exc.add_note(str(warning))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """``aclose``; calls are cancelled if the task was, which is what a Ctrl-C does to it."""
        from ..base.static import is_a

        if exc is not None and not is_a(exc, (Exception, SystemExit)):
            self._scheduler.interrupt()
        try:
            await self.aclose()
        except RuntimeWarning as warning:  # as in ``__exit__``
            if exc is None:
                raise
            exc.add_note(str(warning))

    async def aclose(self, *, cancel_futures: bool = False, timeout: float | None = None) -> None:
        """``shutdown``, waiting without blocking the event loop.

        Args:
            cancel_futures: and ``timeout``: as for ``shutdown``.
        """
        from .aio.closing import join

        if timeout is None:
            self.shutdown(wait=False, cancel_futures=cancel_futures)
        else:
            self.shutdown(wait=False, cancel_futures=cancel_futures, timeout=timeout)
        await join(self._scheduler, timeout)
        self._warn_of_what_is_stuck()

    def __repr__(self) -> str:
        figures = self._scheduler.snapshot()
        state = "broken" if self._scheduler.broken else "closed" if self._scheduler.closing else "open"
        running = f"{figures['running']} of {figures['slots']} running"
        return f"<Fan {self.name!r}: {state}, {running}, {figures['queued']} queued>"


class _WorkQueue(SimpleQueue):  # type: ignore[type-arg]
    """What programs look at to learn how many calls are queued; nothing is ever put into it.

    The figures are of a moment, as those of any queue that others use.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def qsize(self) -> int:
        """How many calls have not ended and do not run, for whatever they wait."""
        with self._scheduler.lock:
            return sum(queue.pending() for queue in self._scheduler.queues)

    def empty(self) -> bool:
        """Whether there is none."""
        return not self.qsize()


def _at_exit() -> None:
    """See ``at_exit`` in ``pool.shutdown``, which is imported with the first fan."""
    lifecycle = sys.modules.get(f"{_CORE}.pool.shutdown")
    if lifecycle is not None:
        lifecycle.at_exit()


_CORE = __name__.removesuffix(".fan.executor")
# With the import, for handlers run last in, first out: after those that the program registers, and before that of
# ``concurrent.futures``.
threading._register_atexit(_at_exit)  # type: ignore[attr-defined]

Fan.__module__ = "threadfan"  # from where users have it, and as messages and ``help`` name it


def _in_coroutine(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_globals.get("__name__") == "contextlib":  # an ExitStack
        frame = frame.f_back
    return frame is not None and bool(frame.f_code.co_flags & _CO_ASYNC)
