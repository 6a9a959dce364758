"""Calls that compute and never block: one after another, and on two cores, which only helps without a GIL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import harness, machine, pools
from benchmarks.figures.tasks import compute
from benchmarks.harness import OURS, STANDARD, Figure, Goal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan

WORKERS = 2
ONE_BY_ONE = "one after another"
SIZES = {"long": (100_000, 60), "short": (1_000, 3_000)}  # steps of a call, and how many calls


def measure(plan: Plan) -> Iterator[Figure]:
    """Speed-ups of calls of some milliseconds, and of some ten microseconds."""
    goal = Goal(1.8, least=True) if not machine.GIL and machine.cores() >= WORKERS else None
    for size, (steps, full) in SIZES.items():
        items = [steps] * plan.size(full, 4)
        with pools.fan_run(WORKERS) as run, pools.standard(WORKERS) as mapping:
            samples = harness.race(_ways(run, mapping, items), plan.rounds)
        inverse = harness.ratios(samples, ONE_BY_ONE)
        one = harness.medians(samples, 1e6)[ONE_BY_ONE] / len(items)
        yield Figure(
            f"speed-up of {len(items):,} {size} calls that compute, {WORKERS} workers",
            "x",
            {name: 1 / inverse[name] for name in (STANDARD, OURS)},
            goal=goal if size == "long" else None,
            least=True,
            note=f"one of the {size} calls takes {one:,.0f} µs",
        )


def _ways(run: pools.Mapping, mapping: pools.Mapping, items: list[int]) -> dict[str, Callable[[], float]]:
    return {
        ONE_BY_ONE: lambda: harness.seconds(lambda: [compute(item) for item in items]),
        STANDARD: lambda: harness.seconds(lambda: mapping(compute, items)),
        OURS: lambda: harness.seconds(lambda: run(compute, items)),
    }
