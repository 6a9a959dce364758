"""Coroutine functions as calls: a thread of the fan stands by while the caller's loop runs the coroutine.

So all that holds for calls holds for them: slots, limits, timeouts, retries, outcomes.  The price is a thread for each
that runs.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import copy_context
from functools import partial, wraps
from queue import SimpleQueue

from ...base import checks
from ...base.errors import TaskCancelled
from ...base.generic import TYPE_CHECKING, Generic, T
from ...base.static import describe
from ...scope.scope import current_scope, scope_var
from ...scope.waiting import wait_in

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any

    from ...base.generic import Coro

    Take = Callable[[str, Callable[..., Any]], Callable[..., Any]]
    """Like that of ``batches.tasks``; what is put in a function's place returns what its coroutine does."""

LOOK = 1.0
"""Seconds between looks whether the loop is still there; arbitrary: a loop that is closed forgets what it was told."""


def taker(loop: asyncio.AbstractEventLoop) -> Take:
    """What checks functions that are handed in from a coroutine, as ``options.function`` does elsewhere."""

    def take(where: str, fn: Callable[..., Any]) -> Callable[..., Any]:
        return _in_loop(fn, loop) if checks.is_coroutine_function(fn, generators=False) else checks.function(where, fn)

    return take


def _in_loop(fn: Callable[..., Coro[T]], loop: asyncio.AbstractEventLoop) -> Callable[..., T]:
    """``fn`` for a thread: has its coroutine run in ``loop``, and cancels it with the call."""

    def run(*args: object, **kwargs: object) -> T:
        scope, standby, context = current_scope(), _Standby(loop, partial(fn, *args, **kwargs)), copy_context()
        context.run(scope_var.set, scope)  # made here: in the loop's thread nobody could tell which call this is
        forget = scope.on_cancel(standby.cancel)
        try:
            loop.call_soon_threadsafe(standby.begin, context=context)
            while not wait_in(scope, standby.gate, scope.clock.monotonic() + LOOK):
                if loop.is_closed():
                    raise RuntimeError(f"the event loop was closed before {describe(fn)} had ended")
            return standby.result()
        finally:
            forget()
            standby.cancel()
            del standby, forget  # an exception's traceback holds this frame: leave no cycle

    return wraps(fn, updated=())(run)


class _Standby(Generic[T]):
    """What a thread waits for: a coroutine that is made in the loop alone, so that none is left that never ran.

    ``begin`` and what the task calls run in the loop; the rest in any thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, make: Callable[[], Coro[T]]) -> None:
        self.gate: SimpleQueue[None] = SimpleQueue()
        self._loop = loop
        self._make = make
        self._task: asyncio.Task[T] | None = None
        self._error: BaseException | None = None
        self._unwanted = False

    def begin(self) -> None:
        """Start it, unless nobody wants it any more."""
        if self._unwanted:
            return
        try:
            self._task = self._loop.create_task(self._make())
        except BaseException as error:  # such as wrong arguments
            self._error = error
            self.gate.put(None)
        else:
            self._task.add_done_callback(lambda _: self.gate.put(None))

    def cancel(self) -> None:
        """Harmless when it has ended."""
        self._unwanted = True
        if self._task is not None and self._task.done():
            return
        with suppress(RuntimeError):  # the loop is closed, and has ended it
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def result(self) -> T:
        """Of one that has ended."""
        try:
            if self._error is not None or self._task is None:
                raise self._error or RuntimeError("the coroutine was not begun")
            if self._task.cancelled():
                raise TaskCancelled("the coroutine was cancelled")
            return self._task.result()
        finally:
            del self  # an error's traceback holds this frame: leave no cycle
