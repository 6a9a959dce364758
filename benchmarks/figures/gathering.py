"""What a task of a ``gather`` under rate limits costs, when there are many tasks and many limits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.harness import OURS, Figure, Goal
from benchmarks.pools import TIMEOUT
from threadfan import Fan, RateLimit, task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan

WORKERS = 8
GROWTH = Goal(1.1)


def measure(plan: Plan) -> Iterator[Figure]:
    """Few tasks, many times, and many tasks once: the cost of one should be the same."""
    few, many = plan.size(1_000, 20), plan.size(100_000, 200)
    shares: dict[str, Callable[[int], int]] = {  # how many limits for so many tasks
        "one limit": lambda _: 1,
        "a limit for ten tasks": lambda number: number // 10,
        "a limit for each task": lambda number: number,
    }
    with Fan(WORKERS, timeout=TIMEOUT) as fan:
        for name, limits in shares.items():
            once = partial(_gather, fan, limits)
            sizes = {"few": partial(once, few, many // few), "many": partial(once, many, 1)}
            samples = harness.race(sizes, plan.size(min(plan.rounds, 3), 1))
            medians = harness.medians(samples, 1e6 / many)
            yield Figure(f"gather, {name}: µs a task, of {many:,} tasks", "µs", {OURS: medians["many"]})
            growth = harness.ratios(samples, "few")["many"]
            yield Figure(f"gather, {name}: a task of {many:,} to one of {few:,}", "times", {OURS: growth}, goal=GROWTH)


def _nothing() -> None:
    pass


def _gather(fan: Fan, limits: Callable[[int], int], number: int, times: int) -> float:
    # Nobody waits for them.
    own = [RateLimit(10**9, burst=10**6) for _ in range(limits(number))]
    tasks = [task(_nothing).with_options(rate=own[place % len(own)]) for place in range(number)]

    def gather() -> None:
        for _ in range(times):
            fan.gather(*tasks)

    return harness.seconds(gather)
