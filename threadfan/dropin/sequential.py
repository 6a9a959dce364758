"""An executor without threads: ``submit`` makes the call at once, and returns when it has ended."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import current_thread

from .._core.base.clock import current as current_clock
from .._core.base.errors import TaskCancelled
from .._core.base.generic import TYPE_CHECKING, T
from .._core.base.interrupts import INTERRUPTS
from .._core.base.outcome import CANCELLED, FAILED, SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar, ParamSpec

    from .calls import Calls

    P = ParamSpec("P")


class Sequential(ThreadPoolExecutor):
    """What a threaded run is compared with: the same calls, in the same order, in their caller's thread.

    There are no timeouts, retries and limits.
    """

    # By these names, for subclasses may have any attributes of theirs.
    _threadfan_noted: ClassVar[Calls]
    _threadfan_begin: Callable[[], object] | None

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[object, ...] = (),
    ) -> None:
        super().__init__(max_workers, thread_name_prefix)
        self._threadfan_begin = None if initializer is None else partial(initializer, *initargs)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call ``fn(*args, **kwargs)`` now."""
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        begin, self._threadfan_begin = self._threadfan_begin, None
        if begin is not None:
            begin()
        clock, future, status = current_clock(), Future[T](), SUCCEEDED
        future.set_running_or_notify_cancel()
        result: object = None
        error: BaseException | None = None
        since = clock.monotonic()
        try:
            result = copy_context().run(fn, *args, **kwargs)
        except INTERRUPTS:  # this is not the call's, which is over all the same
            ended = TaskCancelled("the program was interrupted")
            cut = (None, None, since, CANCELLED, ended, since, clock.monotonic(), _thread_name())
            self._threadfan_noted.note(fn, args, cut, ("sequential", 1))
            raise
        except BaseException as caught:
            status, error = FAILED, caught
        raw = (None, None, since, status, result if error is None else error, since, clock.monotonic(), _thread_name())
        self._threadfan_noted.note(fn, args, raw, ("sequential", 1))
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
