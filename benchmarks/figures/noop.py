"""What a pool adds to each call: a function that does nothing, over a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import harness, peers, pools
from benchmarks.figures.contest import contest
from benchmarks.figures.tasks import noop
from benchmarks.harness import STANDARD, Figure, Goal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan
    from benchmarks.pools import Pool

GOAL = Goal(0.07)


def measure(plan: Plan) -> Iterator[Figure]:
    """``run`` and ``map``, on few workers and on many."""
    contenders: dict[str, Pool] = {STANDARD: pools.standard, "Fan.run": pools.fan_run, "Fan.map": pools.fan_map}
    count = plan.size(100_000, 3_000)
    for workers in plan.some(8, 32):
        samples = contest(plan, contenders | peers.pools(), workers, noop, count)
        for way in ("run", "map"):
            ours = harness.as_ours(samples, f"Fan.{way}")
            name = f"{way}: no-op over {count:,} items, {workers} workers"
            yield Figure(name, "µs a call", harness.medians(ours, 1e6), harness.ratios(ours), GOAL)
