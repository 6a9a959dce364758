"""Calls of a view with ``unique=True``, to await."""

from __future__ import annotations

import asyncio

from ...base import checks
from .loops import running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import TypeVar

    from .calls import LoopFuture

    R = TypeVar("R")


def awaited(
    submit: Callable[..., Future[R]], fn: Callable[..., R], args: tuple[object, ...], kwargs: dict[str, object]
) -> LoopFuture[R]:
    """What ``submit`` gives, as a future of the loop that runs here; cancelling it cancels that one."""
    loop = running_loop("fan.call")
    checks.function("fan.call", fn)
    return asyncio.wrap_future(submit(fn, *args, **kwargs), loop=loop)  # type: ignore[return-value]  # as far as users know
