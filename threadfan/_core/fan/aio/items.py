"""Inputs from iterables of both kinds."""

from __future__ import annotations

import asyncio
import contextlib

from ...batches import intake
from ...batches.window import PATIENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
    from typing import Any

    Given = tuple[Any, ...]
    """Iterables, asynchronous ones among them."""

    Step = Callable[[], Awaitable[object]]


def check(where: str, fn: Callable[..., object], given: Given, *, star: bool) -> None:
    """``intake.check``, for iterables of both kinds."""
    intake.check(where, fn, at_hand(given), star=star)


def at_hand(given: Given) -> Given:
    """The iterables as far as they can be looked into: of asynchronous ones there is nothing yet."""
    return tuple(() if hasattr(one, "__aiter__") else one for one in given)


async def items_of(given: Given, *, strict: bool) -> AsyncGenerator[object, None]:
    """Items, or tuples of them, from iterables of both kinds; lets the loop breathe."""
    steps = [_steps(one) for one in given]
    breath = asyncio.get_running_loop().time() + PATIENCE
    while True:
        row: list[object] = []
        for step in steps:
            try:
                row.append(await step())
            except StopAsyncIteration:
                if strict and row:
                    raise ValueError(
                        f"the iterables must have equal lengths, but number {len(row) + 1} is shorter"
                    ) from None
                break
        if len(row) < len(steps):
            if strict and not row:
                await _check_all_ended(steps[1:])
            return
        yield row[0] if len(row) == 1 else tuple(row)
        if asyncio.get_running_loop().time() > breath:
            await asyncio.sleep(0)
            breath = asyncio.get_running_loop().time() + PATIENCE


async def _check_all_ended(steps: list[Step]) -> None:
    for step in steps:
        with contextlib.suppress(StopAsyncIteration):
            await step()
            raise ValueError("the iterables must have equal lengths, but the first is shorter")


def _steps(iterable: Any) -> Step:
    """A function to await for each next item; raises ``StopAsyncIteration`` at the end."""
    if hasattr(iterable, "__aiter__"):
        return aiter(iterable).__anext__  # type: ignore[no-any-return]
    iterator: Iterator[object] = iter(iterable)

    async def step() -> object:
        for item in iterator:
            return item
        raise StopAsyncIteration

    return step
