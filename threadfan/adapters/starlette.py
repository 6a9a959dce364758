"""Starlette and FastAPI: what a request has begun ends when its client leaves, or when its time is up.

For example::

    from threadfan.adapters.starlette import ends_with_client

    @app.get("/summary", dependencies=[Depends(ends_with_client(timeout=20), scope="function")])
    def summary(text: str) -> str:
        return summarise(text)  # with attached clients

Guarantees: when the client leaves, or ``timeout`` is over, the endpoint is ended.  A coroutine is cancelled, and with
it the calls that it awaits (``await fan.call(…)``); around a ``def`` endpoint, as around a coroutine, there is a scope
that ends then, as ``fail_after`` makes one, so that attached clients end in its thread.  What heeds neither goes on in
its thread.  The answer has status 499, which nobody sees, if the client has left, and 504 if the time is up, or if what
the endpoint raises says that calls have timed out: a ``TaskTimeout``, or a group of nothing but these and what the
``deadline`` of a batch has cut, as ``report.values()`` raises it.

A ``StreamingResponse`` is sent after the endpoint has ended: its calls end in time if they were begun before that.

With FastAPI before 0.121 leave ``scope`` out.  There, from 0.118 on, dependencies end when the answer was sent, and so
background tasks end with the client, too.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import TYPE_CHECKING, Annotated

from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 -- FastAPI looks it up

from .._core.base import checks
from .._core.base.errors import CallCancelled, TaskCancelled, TaskTimeout
from .._core.base.static import is_a, is_group
from .._core.batches.completion import PAST_DEADLINE
from .._core.scope.alarms import set_alarm
from .._core.scope.deadlines import fail_after

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from typing import Never

    from .._core.scope.scope import Scope

__all__ = ["ends_with_client", "request_scope"]

TOO_LATE, CLIENT_LEFT = 504, 499


@asynccontextmanager
async def request_scope(request: Request, timeout: float | None = None) -> AsyncIterator[Scope]:
    """A block in which a request is worked on.

    As in ``async with request_scope(request, 20) as scope: …``.  It reads the request's body, which Starlette keeps,
    since only after that it can hear of the client's leaving.

    Args:
        request: the one at hand.
        timeout: seconds, or None for no limit.

    Raises:
        HTTPException: 504, the time was up; 499, the client has left.
    """
    ending = asyncio.timeout(timeout)
    block = fail_after(inf if timeout is None else timeout)
    watching: asyncio.Task[None] | None = None
    left: list[bool] = []
    try:
        async with ending:
            with block as scope:
                watching = asyncio.create_task(_end_when_left(request, scope, ending, left))
                yield scope
    except (TimeoutError, CallCancelled, TaskCancelled, BaseExceptionGroup) as error:
        timed_out = _timed_out(error)
        if is_group(error) and not timed_out:
            raise
        if left:
            raise HTTPException(CLIENT_LEFT, "the client has left") from error
        if not timed_out and not ending.expired() and not block.cancelled:
            raise
        raise HTTPException(TOO_LATE, "the request took too long") from error
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])


class _NoQuery:
    """Refuses to be a parameter of a query, as which FastAPI takes ``timeout`` in ``Depends(ends_with_client)``."""

    def __get_pydantic_core_schema__(self, *_: object) -> Never:
        raise TypeError(
            "Depends(ends_with_client) ends nothing, for it is a function that makes a dependency; right is: "
            'Depends(ends_with_client(), scope="function"), or with a timeout: ends_with_client(timeout=20)'
        )


def ends_with_client(
    timeout: Annotated[float | None, _NoQuery()] = None,
) -> Callable[[Request], AsyncGenerator[Scope, None]]:
    """A dependency for FastAPI that is a ``request_scope`` around the endpoint; its value is the scope.

    Args:
        timeout: seconds for the whole request, or None for no limit.
    """
    seconds = checks.seconds("timeout", timeout)

    async def scope_of(request: Request) -> AsyncGenerator[Scope, None]:
        async with request_scope(request, seconds) as scope:
            yield scope

    return scope_of


def _timed_out(error: BaseException) -> bool:
    """Whether it says that calls have timed out or were cut by the deadline of their batch, and nothing else."""
    if is_group(error):
        return all(map(_timed_out, error.exceptions))
    return is_a(error, TaskTimeout) or (is_a(error, TaskCancelled) and str(error).startswith(PAST_DEADLINE))


async def _end_when_left(request: Request, scope: Scope, ending: asyncio.Timeout, left: list[bool]) -> None:
    with suppress(RuntimeError):  # somebody has read the body as a stream
        await request.body()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    left.append(True)
    # In this order, and without an await: once the endpoint is cancelled the block may be left at any moment.
    scope.condemn()
    set_alarm(scope.clock, -inf, scope.cancel)  # its callbacks may block for a moment
    ending.reschedule(-inf)
