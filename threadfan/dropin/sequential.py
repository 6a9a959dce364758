"""An executor without threads: ``submit`` makes the call at once, and returns when it has ended."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from threading import current_thread

from .._core.base.clock import current as current_clock
from .._core.base.generic import TYPE_CHECKING, T
from .._core.base.outcome import FAILED, SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar, ParamSpec

    from .calls import Calls

    P = ParamSpec("P")


class Sequential(ThreadPoolExecutor):
    """What a threaded run is compared with: the same calls, in the same order, in their caller's thread.

    There are no timeouts, retries and limits.
    """

    _noted: ClassVar[Calls]
    _ready = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call ``fn(*args, **kwargs)`` now."""
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if not self._ready:
            self._ready = True
            if self._initializer is not None:
                self._initializer(*self._initargs)
        clock, future, status = current_clock(), Future[T](), SUCCEEDED
        future.set_running_or_notify_cancel()
        result: object = None
        error: BaseException | None = None
        since = clock.monotonic()
        try:
            result = copy_context().run(fn, *args, **kwargs)
        except KeyboardInterrupt:  # this is not the call's
            raise
        except BaseException as caught:
            status, error = FAILED, caught
        raw = (None, None, since, status, result if error is None else error, since, clock.monotonic(), _thread_name())
        self._noted.note(fn, args, raw, ("sequential", 1))
        try:
            future.set_result(result) if error is None else future.set_exception(error)  # type: ignore[arg-type]
            return future
        finally:
            del error, raw, future  # an error's traceback holds this frame: leave no cycle

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing is left to be done."""
        with self._shutdown_lock:
            self._shutdown = True


def _thread_name() -> str:
    return current_thread().name
