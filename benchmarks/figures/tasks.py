"""What the calls do."""

from __future__ import annotations

import time


def noop(item: object) -> object:
    """Nothing, so that only the pool's own cost is left."""
    return item


def yield_gil(_: object) -> None:
    """The least that a blocking call does: let go of the GIL and take it back."""
    time.sleep(0)


def nap(_: object) -> None:
    """Fifty milliseconds of waiting."""
    time.sleep(0.05)


def compute(steps: int) -> int:
    """So many additions in Python, which hold the GIL if there is one."""
    total = 0
    for step in range(steps):
        total += step & 7
    return total
