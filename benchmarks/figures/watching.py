"""Watching: how much longer a run takes while its progress is told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.figures.journals import WORKERS, nap
from benchmarks.harness import OURS, Figure, Goal
from benchmarks.pools import TIMEOUT
from threadfan import Fan, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan

BARE = "not watched"


def measure(plan: Plan) -> Iterator[Figure]:
    """A ratio: a run of naps of 1 ms whose progress a function is told, to the same without."""
    items = list(range(plan.size(5_000, 300)))
    with Fan(WORKERS, timeout=TIMEOUT) as fan:
        samples = harness.race({OURS: partial(_watched, fan, items), BARE: partial(_bare, fan, items)}, plan.rounds)
    yield Figure(
        f"run of naps of 1 ms on {WORKERS} workers, its progress told ten times a second",
        "ms",
        harness.medians(samples, 1e3),
        harness.ratios(samples, BARE),
        Goal(1.03),
    )


def _watched(fan: Fan, items: list[int]) -> float:
    told: list[Progress] = []
    return harness.seconds(lambda: fan.run(nap, items, progress=told.append))


def _bare(fan: Fan, items: list[int]) -> float:
    return harness.seconds(lambda: fan.run(nap, items))
