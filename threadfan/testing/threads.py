"""A system that gives no more threads."""

from __future__ import annotations

import random
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def refused_threads(
    matching: str = "", *, share: float = 1.0, times: float = float("inf"), seed: int = 0
) -> Iterator[list[str]]:
    """Have threads refused in the ``with`` block, as a container does that has as many as it may.

    ``Thread.start`` raises the RuntimeError that it raises then.

    Args:
        matching: a regular expression; only threads are refused in whose names it is found.
        share: of the starts, 0.0 to 1.0; which ones, is drawn.
        times: how many starts are refused at most.
        seed: of the draws.

    Yields:
        The names of the threads that were refused, in order; it grows.
    """
    draw, refused, start = random.Random(seed).random, list[str](), threading.Thread.start  # noqa: S311 -- repeatable

    def refuse(thread: threading.Thread) -> None:
        if re.search(matching, thread.name) and len(refused) < times and draw() < share:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    threading.Thread.start = refuse  # type: ignore[assignment, method-assign]
    try:
        yield refused
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]
