"""A limit for each key: how much longer a run takes whose inputs have thousands of them."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.figures.journals import WORKERS
from benchmarks.harness import OURS, Figure, Goal
from benchmarks.pools import TIMEOUT
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan

WITHOUT = "without by="
GOAL = Goal(1.2)
KEYS, AT_ONCE = 1_000, 4
KEY = itemgetter(0)
"""Written in C: what a function of the user's takes to say the key is not what ``by=`` costs."""


def noop(item: object) -> object:
    """Do nothing."""
    return item


def measure(plan: Plan) -> Iterator[Figure]:
    """Ratios: runs with ``by=`` and a limit for each key, to the same without."""
    items = [(number % KEYS, number) for number in range(plan.size(10_000, 2_000))]
    with Fan(WORKERS, timeout=TIMEOUT) as fan:
        ways = {OURS: partial(_keyed, fan, items), WITHOUT: partial(_bare, fan, items)}
        samples = harness.race(ways, 3 * plan.rounds)  # they are short
    counts = f"{len(items):,} items over {KEYS:,} keys, {AT_ONCE} at once of each"
    yield Figure(
        f"run of no-ops with by=, {counts}, {WORKERS} workers",
        "ms",
        harness.medians(samples, 1e3),
        harness.ratios(samples, WITHOUT),
        GOAL,
    )


def _keyed(fan: Fan, items: list[tuple[int, int]]) -> float:
    return harness.seconds(lambda: fan.run(noop, items, by=KEY, max_concurrent=AT_ONCE))


def _bare(fan: Fan, items: list[tuple[int, int]]) -> float:
    return harness.seconds(lambda: fan.run(noop, items))
