"""Calls that compute and never block: one after another, and on two cores, which only helps without a GIL."""

from __future__ import annotations

from functools import partial
from statistics import median
from time import process_time
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
        used: dict[str, list[float]] = {name: [] for name in (ONE_BY_ONE, STANDARD, OURS)}
        with pools.fan_run(WORKERS) as run, pools.standard(WORKERS) as mapping:
            samples = harness.race(_ways(run, mapping, items, used), plan.rounds)
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
        if goal is not None and size == "long":
            yield _by_processor(goal, used)


def _by_processor(goal: Goal | None, used: dict[str, list[float]]) -> Figure:
    """What the speed-up is with two free cores, however busy they are now: what threads take from each other counts."""
    alone = used[ONE_BY_ONE][1:]  # the first is a warm-up
    return Figure(
        f"the same with {WORKERS} free cores, by the processor time of the long calls",
        "x",
        {
            name: median(WORKERS * one / both for one, both in zip(alone, used[name][1:], strict=True))
            for name in (STANDARD, OURS)
        },
        goal=goal,
        least=True,
    )


def _ways(
    run: pools.Mapping, mapping: pools.Mapping, items: list[int], used: dict[str, list[float]]
) -> dict[str, Callable[[], float]]:
    works: dict[str, Callable[[], object]] = {
        ONE_BY_ONE: lambda: [compute(item) for item in items],
        STANDARD: lambda: mapping(compute, items),
        OURS: lambda: run(compute, items),
    }
    return {name: partial(_timed, work, used[name]) for name, work in works.items()}


def _timed(work: Callable[[], object], used: list[float]) -> float:
    """Seconds; those of the processor are added to ``used``."""
    before = process_time()
    seconds = harness.seconds(work)
    used.append(process_time() - before)
    return seconds
