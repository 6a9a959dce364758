"""``multiprocessing.pool.ThreadPool`` on a fan: the same methods, and what a fan has besides.

In a script that uses it only the import changes::

    from threadfan.adapters.multiprocessing import ThreadPool

    with ThreadPool(20, timeout=30) as pool:
        for page in pool.imap_unordered(fetch, urls):
            ...

What is different: threads that hang hold up neither others nor the program's end, calls have timeouts, retries and
limits, ``terminate`` cancels what runs, a Ctrl-C is heeded at once, and a call that waits for others of its own pool
does not block it.  ``chunksize`` is taken and has no effect: threads take one input at a time.  After ``close`` a pool
refuses further work with ``ValueError``, as the standard one does.
"""

from __future__ import annotations

import os
from concurrent.futures import wait
from functools import partial
from itertools import islice
from multiprocessing import TimeoutError
from operator import attrgetter
from threading import Event

from .._core.base.errors import TaskTimeout
from .._core.base.generic import TYPE_CHECKING, Generic, T
from .._core.fan.executor import Fan
from .._core.fan.front import behind
from .._core.scope.deadlines import fail_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Self

    from .._core.base.outcome import Outcome
    from .._core.batches.report import Report
    from .._core.fan.run import Run
    from .._core.policies.rate_limit import RateLimit
    from .._core.policies.retry import Retry

    Told = Callable[[T], object] | None
    ToldError = Callable[[BaseException], object] | None

__all__ = ["AsyncResult", "IMapIterator", "ThreadPool", "TimeoutError"]


class ThreadPool:
    """The standard library's class of that name, on a fan.

    Args:
        processes: how many threads; by default as many as there are processors.
        initializer: called with ``initargs`` in each thread before its first call.
        timeout: seconds for each attempt of a call, as for ``Fan``.
        retry: what is tried again, as for ``Fan``.
        rate: a ``RateLimit``.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[object, ...] = (),
        *,
        timeout: float | None = None,
        retry: Retry = None,
        rate: RateLimit | None = None,
    ) -> None:
        number = getattr(os, "process_cpu_count", os.cpu_count)() or 1 if processes is None else processes
        if number < 1:
            raise ValueError(f"the number of threads must be at least 1, not {processes!r}")
        self.fan: Fan = Fan(number, "ThreadPool", initializer, initargs, timeout=timeout, retry=retry, rate=rate)
        """The fan: for all that the interface has no method for, such as ``run``, ``stream`` and ``snapshot``."""

    # -- single calls ------------------------------------------------------------------------------------------------

    def apply(self, func: Callable[..., T], args: Iterable[object] = (), kwds: Mapping[str, object] | None = None) -> T:
        """Call a function in a thread, and wait for its result."""
        return self.apply_async(func, args, kwds).get()

    def apply_async(
        self,
        func: Callable[..., T],
        args: Iterable[object] = (),
        kwds: Mapping[str, object] | None = None,
        callback: Told[T] = None,
        error_callback: ToldError = None,
    ) -> AsyncResult[T]:
        """Call a function in a thread.

        Args:
            callback: called with the result, before ``get`` returns it.
            error_callback: called with the error, if it fails.
        """
        self._check_open()
        return AsyncResult(self.fan.submit(func, *args, **(kwds or {})), callback, error_callback)

    # -- many ----------------------------------------------------------------------------------------------------

    def map(self, func: Callable[..., T], iterable: Iterable[object], chunksize: int | None = None) -> list[T]:
        """The results for all inputs, in their order, once all calls have ended; the first error is raised."""
        self._check_open()
        return _values(self.fan.run(func, list(iterable)))

    def starmap(
        self, func: Callable[..., T], iterable: Iterable[Iterable[object]], chunksize: int | None = None
    ) -> list[T]:
        """``map``, for inputs that are tuples of arguments."""
        self._check_open()
        return _values(self.fan.run(func, list(iterable), star=True))

    def map_async(
        self,
        func: Callable[..., T],
        iterable: Iterable[object],
        chunksize: int | None = None,
        callback: Told[list[T]] = None,
        error_callback: ToldError = None,
    ) -> AsyncResult[list[T]]:
        """``map`` in the background; the callback gets the list, or the error callback the first error."""
        return self._mapped(func, list(iterable), callback, error_callback, star=False)

    def starmap_async(
        self,
        func: Callable[..., T],
        iterable: Iterable[Iterable[object]],
        chunksize: int | None = None,
        callback: Told[list[T]] = None,
        error_callback: ToldError = None,
    ) -> AsyncResult[list[T]]:
        """``starmap`` in the background."""
        return self._mapped(func, list(iterable), callback, error_callback, star=True)

    def _mapped(
        self,
        func: Callable[..., T],
        items: list[object] | list[Iterable[object]],
        callback: Told[list[T]],
        error_callback: ToldError,
        *,
        star: bool,
    ) -> AsyncResult[list[T]]:
        self._check_open()
        # The call that waits for the others lends its slot; it has no limits of its own, and is made once.
        alone = self.fan.with_options(timeout=None, retry=None, rate=None)
        future = alone.submit(lambda: _values(self.fan.run(func, items, star=star)))
        return AsyncResult(future, callback, error_callback)

    def imap(self, func: Callable[..., T], iterable: Iterable[object], chunksize: int = 1) -> IMapIterator[T]:
        """Results in the order of the inputs, as they come.  Calls begin at once, and inputs are read meanwhile."""
        return self._started(func, iterable, ordered=True)

    def imap_unordered(self, func: Callable[..., T], iterable: Iterable[object], chunksize: int = 1) -> IMapIterator[T]:
        """Results as calls end."""
        return self._started(func, iterable, ordered=False)

    def _started(self, func: Callable[..., T], iterable: Iterable[object], *, ordered: bool) -> IMapIterator[T]:
        self._check_open()
        failed: list[BaseException] = []
        inputs = iterable if isinstance(iterable, (list, tuple, range)) else _until_it_fails(iter(iterable), failed)
        return IMapIterator(self.fan.start(func, inputs), failed, ordered=ordered)

    # -- the end -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take no more work; what was handed in is done."""
        self.fan.shutdown(wait=False)

    def terminate(self) -> None:
        """End it at once: what is queued never starts, what runs is cancelled and not waited for."""
        behind(self.fan)[0].interrupt()
        self.fan.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for the end, after ``close`` or ``terminate``.

        Raises:
            ValueError: neither was called.
        """
        if self._open():
            raise ValueError("Pool is still running")
        self.fan.shutdown()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """``terminate``, as the standard one does."""
        self.terminate()

    def __repr__(self) -> str:
        return f"<ThreadPool on {self.fan!r}>"

    def _open(self) -> bool:
        return not behind(self.fan)[0].closing

    def _check_open(self) -> None:
        if not self._open():
            raise ValueError("Pool not running")


class AsyncResult(Generic[T]):
    """What the methods that end in ``_async`` return."""

    def __init__(self, future: Future[T], callback: Told[T], error_callback: ToldError) -> None:
        self._future = future
        self._told: Event | None = None
        if callback is not None or error_callback is not None:
            self._told = told = Event()
            future.add_done_callback(partial(_tell, callback, error_callback, told))

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the result is there, for ``timeout`` seconds at most."""
        wait([self._future], timeout)
        if self._told is not None and self._future.done():
            self._told.wait(timeout)

    def ready(self) -> bool:
        """Whether the result is there and the callback, if there is one, has been called."""
        return self._future.done() and (self._told is None or self._told.is_set())

    def successful(self) -> bool:
        """Whether the call ended without an error.

        Raises:
            ValueError: the call has not ended.
        """
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return not self._future.cancelled() and self._future.exception() is None

    def get(self, timeout: float | None = None) -> T:
        """Return the result, or raise the error of the call.

        Raises:
            multiprocessing.TimeoutError: the call has not ended after ``timeout`` seconds.
        """
        try:
            self.wait(timeout)
            if not self.ready():
                raise TimeoutError
            return self._future.result()
        finally:
            del self  # an error's traceback holds this frame: leave no cycle


class IMapIterator(Generic[T]):
    """What ``imap`` and ``imap_unordered`` return; it can be iterated on after ``next`` has raised a call's error."""

    def __init__(self, run: Run[T], failed: list[BaseException], *, ordered: bool) -> None:
        self._run = run
        self._failed = failed  # what the inputs have raised
        self._ordered = ordered
        self._outcomes = iter(run)
        self._seen = 0  # how many of them were taken
        self._early: dict[int, Outcome[T]] = {}  # those before which others are to be handed out
        self._handed_out = 0

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return self.next()

    def next(self, timeout: float | None = None) -> T:
        """Return the next result, or raise the error of its call.

        Raises:
            StopIteration: there is no further result.
            multiprocessing.TimeoutError: it is not there after ``timeout`` seconds; ask for it again later.
        """
        try:
            if timeout is None:
                outcome = self._next()
            else:
                try:
                    with fail_after(timeout) as block:
                        outcome = self._next()
                except TaskTimeout:
                    if not block.cancelled_caught:
                        raise
                    self._outcomes = islice(iter(self._run), self._seen, None)
                    raise TimeoutError from None
            self._handed_out += 1
            return outcome.unwrap()
        finally:
            outcome = None  # type: ignore[assignment]  # an error's traceback holds this frame: leave no cycle
            del self

    def _next(self) -> Outcome[T]:
        while True:
            if self._ordered and self._handed_out in self._early:
                return self._early.pop(self._handed_out)
            outcome = next(self._outcomes, None)
            if outcome is None:
                raise self._failed.pop() if self._failed else StopIteration
            self._seen += 1
            if not self._ordered:
                return outcome
            self._early[outcome.index] = outcome


def _until_it_fails(inputs: Iterator[object], failed: list[BaseException]) -> Iterator[object]:
    """Inputs; an error of theirs is put aside, for what was taken before is to be called."""
    try:
        yield from inputs
    except BaseException as error:
        failed.append(error)


def _values(report: Report[T]) -> list[T]:
    """All values; the error that came first is raised."""
    try:
        if report.failed:
            raise min(report.failed, key=attrgetter("ended")).error or RuntimeError("a call has failed")
        return report.unwrap()
    finally:
        del report  # an error's traceback holds this frame: leave no cycle


def _tell(callback: Told[T], error_callback: ToldError, told: Event, future: Future[T]) -> None:
    try:
        error = None
        try:
            value = future.result()
        except BaseException as failed:
            error = failed
        if error is None and callback is not None:
            callback(value)
        elif error is not None and error_callback is not None:
            error_callback(error)
    finally:
        told.set()
        del error, future
