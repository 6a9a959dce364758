"""What all places that keep a limit in common have to agree on, in whole numbers."""

from __future__ import annotations

from .turns import GRACE

PATIENCE = (
    2.0  # seconds for an answer, which hold up one thread; arbitrary: long for a store, short beside an agent's call
)
TICKS = 1_000_000  # a second
NONSENSE = 60.0  # seconds, or ten times what fills the bucket; what is further ahead was said by another clock


def in_ticks(spacing: float, capacity: float) -> tuple[int, int, int, int]:
    """Of a bucket: what a request takes, what it has beyond one, what is too far ahead to be true, and ``GRACE``."""
    cost, room = max(1, round(spacing * TICKS)), max(0, round((capacity - 1) * spacing * TICKS))
    return cost, room, round(max(NONSENSE, 10 * spacing * capacity) * TICKS), min(round(GRACE * TICKS), cost // 4)
