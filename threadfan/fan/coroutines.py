"""Coroutine functions as calls: a thread of the fan stands by while the caller's loop runs the coroutine.

So all that holds for calls holds for them: slots, limits, timeouts, retries, outcomes.  The price is a thread for each
that runs.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from functools import partial, wraps
from queue import SimpleQueue

from ..control.scope import bearer, current_scope
from ..executor import options as checks
from ..executor.waiting import wait_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def taker(loop: asyncio.AbstractEventLoop) -> Callable[[str, Callable[..., Any]], Callable[..., Any]]:
    """What checks functions that are handed in from a coroutine, as ``options.function`` does elsewhere."""

    def take(where: str, fn: Callable[..., Any]) -> Callable[..., Any]:
        return _in_loop(fn, loop) if checks.is_coroutine_function(fn, generators=False) else checks.function(where, fn)

    return take


def _in_loop(fn: Callable[..., Any], loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """``fn`` for a thread: has its coroutine run in ``loop``, and cancels it with the call."""

    def run(*args: Any, **kwargs: Any) -> Any:
        scope, gate, context = current_scope(), SimpleQueue[None](), copy_context()
        context.run(bearer.set, scope)  # made here: in the loop's thread nobody could tell which call this is
        coroutine = fn(*args, **kwargs)
        try:
            future = context.run(asyncio.run_coroutine_threadsafe, coroutine, loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise
        future.add_done_callback(gate.put)  # type: ignore[arg-type]
        forget = scope.on_cancel(partial(_cancel, future))
        try:
            wait_in(scope, gate, None)
            return future.result()
        finally:
            forget()
            future.cancel()
            del future  # an exception's traceback holds this frame: leave no cycle

    return wraps(fn, updated=())(run)


def _cancel(future: Any) -> None:
    future.cancel()
