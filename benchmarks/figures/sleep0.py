"""Calls that let go of the GIL, as every blocking call does: ``time.sleep(0)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import harness, peers, pools
from benchmarks.figures.contest import contest
from benchmarks.figures.tasks import yield_gil
from benchmarks.harness import STANDARD, Figure, Goal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan
    from benchmarks.pools import Pool

GOALS = {8: Goal(0.35), 32: Goal(0.5)}


def measure(plan: Plan) -> Iterator[Figure]:
    """``run``, on few workers and on many."""
    contenders: dict[str, Pool] = {STANDARD: pools.standard, "Fan.run": pools.fan_run}
    count = plan.size(20_000, 500)
    for workers in plan.some(*GOALS):
        samples = contest(plan, contenders | peers.pools(), workers, yield_gil, count)
        ours = harness.as_ours(samples, "Fan.run")
        name = f"run: sleep(0) over {count:,} items, {workers} workers"
        yield Figure(name, "µs a call", harness.medians(ours, 1e6), harness.ratios(ours), GOALS[workers])
