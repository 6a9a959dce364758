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
