"""The same as a stream: outcomes one by one, with a bounded window."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import harness, peers, pools
from benchmarks.figures.contest import contest
from benchmarks.figures.tasks import noop
from benchmarks.harness import STANDARD, Figure, Goal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan
    from benchmarks.pools import Pool

GOALS = {"ordered": Goal(0.09), "unordered": Goal(0.08)}


def measure(plan: Plan) -> Iterator[Figure]:
    """Both orders, on few workers and on many, with the default window."""
    contenders: dict[str, Pool] = {
        STANDARD: pools.standard,
        "Fan.ordered": partial(pools.fan_stream, ordered=True),
        "Fan.unordered": partial(pools.fan_stream, ordered=False),
    }
    count = plan.size(100_000, 3_000)
    for workers in plan.some(8, 32):
        samples = contest(plan, contenders | peers.streams(), workers, noop, count)
        for order, goal in GOALS.items():
            ours = harness.as_ours(samples, f"Fan.{order}")
            name = f"{order} stream: no-op over {count:,} items, {workers} workers"
            note = "the standard library and ThreadPool.imap take all inputs at once, without a window"
            yield Figure(name, "µs a call", harness.medians(ours, 1e6), harness.ratios(ours), goal, note=note)
