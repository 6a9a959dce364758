"""Priorities: how much longer runs take that have one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.figures.journals import WORKERS
from benchmarks.figures.tasks import noop
from benchmarks.harness import OURS, Figure, Goal
from benchmarks.pools import TIMEOUT
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan

WITHOUT = "without"
GOAL = Goal(1.03)


def measure(plan: Plan) -> Iterator[Figure]:
    """Ratios: one run with a priority, and two at once with different ones, to the same without."""
    items = list(range(plan.size(100_000, 3_000)))
    for number, what in ((1, "run of no-ops with a priority"), (2, "two such runs at once, with different ones")):
        with Fan(WORKERS, timeout=TIMEOUT) as fan, Fan(WORKERS, timeout=TIMEOUT) as plain:
            ways = {OURS: partial(_ranked, fan, items, number), WITHOUT: partial(_bare, plain, items, number)}
            samples = harness.race(ways, 3 * plan.rounds)  # they are short
        yield Figure(
            f"{what}, {len(items):,} items, {WORKERS} workers",
            "ms",
            harness.medians(samples, 1e3),
            harness.ratios(samples, WITHOUT),
            GOAL,
        )


def _ranked(fan: Fan, items: list[int], number: int) -> float:
    return harness.seconds(
        lambda: [run.result() for run in [fan.start(noop, items, priority=1 + one) for one in range(number)]]
    )


def _bare(fan: Fan, items: list[int], number: int) -> float:
    return harness.seconds(lambda: [run.result() for run in [fan.start(noop, items) for _ in range(number)]])
