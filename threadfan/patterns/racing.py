"""The first successes of several tasks: ``race`` needs one, ``quorum`` as many as are asked for.

What still runs when there are enough is cancelled, and its thread comes back; what is queued is dropped.
"""

from __future__ import annotations

from .._core.base import checks
from .._core.base.generic import TYPE_CHECKING, T
from .._core.batches.joiners import FirstSuccess, Quorum

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import overload

    from .._core.base.outcome import Outcome
    from .._core.batches.report import Report
    from .._core.fan.async_calls import AsyncTask, MixedTask
    from .._core.fan.front import Front


def race(fan: Front, /, *tasks: Callable[[], T], **named: Callable[[], T]) -> Outcome[T]:
    """Run different functions side by side until one of them succeeds; the others are cancelled.

    Failures are passed over: the first success wins, not the first to end.

    Args:
        fan: runs them; or a view of it.
        tasks: as for ``fan.gather``.
        named: as for ``fan.gather``.

    Returns:
        The winner's outcome, which always has a value.

    Raises:
        BaseExceptionGroup: all have failed: their errors (an ``ExceptionGroup`` if all are ``Exception``s).
    """
    checks.a_fan("race", fan)
    return fan.join(FirstSuccess(), *tasks, **named)


if TYPE_CHECKING:

    @overload
    async def arace(fan: Front, /, *tasks: AsyncTask[T], **named: AsyncTask[T]) -> Outcome[T]: ...
    @overload
    async def arace(fan: Front, /, *tasks: MixedTask[T], **named: MixedTask[T]) -> Outcome[T]: ...


async def arace(fan: Front, /, *tasks: MixedTask[T], **named: MixedTask[T]) -> Outcome[T]:
    """``race`` for coroutines.  Cancelling the awaiting task cancels all."""
    checks.a_fan("arace", fan)
    return await fan.ajoin(FirstSuccess(), *tasks, **named)


def quorum(fan: Front, needed: int, /, *tasks: Callable[[], T], **named: Callable[[], T]) -> Report[T]:
    """Run different functions side by side until ``needed`` of them have succeeded; the others are cancelled.

    Args:
        fan: runs them; or a view of it.
        needed: how many successes, at least 1.
        tasks: as for ``fan.gather``.
        named: as for ``fan.gather``.

    Returns:
        The report of all, in whose ``succeeded`` the needed outcomes are.  There may be more: calls that ended while
        the rest was cancelled.

    Raises:
        BaseExceptionGroup: so many have failed that no quorum was possible any more, which is noticed at once and
            cancels the rest: their errors.
        ValueError: there are fewer tasks than must succeed.
    """
    checks.a_fan("quorum", fan)
    return fan.join(Quorum(needed), *tasks, **named)


if TYPE_CHECKING:

    @overload
    async def aquorum(fan: Front, needed: int, /, *tasks: AsyncTask[T], **named: AsyncTask[T]) -> Report[T]: ...
    @overload
    async def aquorum(fan: Front, needed: int, /, *tasks: MixedTask[T], **named: MixedTask[T]) -> Report[T]: ...


async def aquorum(fan: Front, needed: int, /, *tasks: MixedTask[T], **named: MixedTask[T]) -> Report[T]:
    """``quorum`` for coroutines.  Cancelling the awaiting task cancels all."""
    checks.a_fan("aquorum", fan)
    return await fan.ajoin(Quorum(needed), *tasks, **named)
