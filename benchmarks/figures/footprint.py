"""What a fan costs that does nothing: wake-ups and processor time at rest, and being made and dropped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.processes import child
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan


def measure(plan: Plan) -> Iterator[Figure]:
    """In a process of its own; where the system does not count wake-ups, only the rest."""
    seconds, fans = plan.size(3, 1), plan.size(2_000, 50)
    found = {name: child("-m", "benchmarks.children.footprint", name, str(seconds))[0] for name in (STANDARD, OURS)}
    if all(report["wakeups"] is not None for report in found.values()):
        wakeups = {name: report["wakeups"] for name, report in found.items()}
        yield Figure(f"wake-ups of a pool that has worked, {seconds} s at rest", "wake-ups", wakeups, goal=Goal(0))
    cost = {name: report["processor"] * 1e3 / seconds for name, report in found.items()}
    yield Figure("processor time of a pool at rest", "ms/s", cost, goal=Goal(0.1))
    contenders = {STANDARD: lambda: _made(ThreadPoolExecutor, fans), OURS: lambda: _made(Fan, fans)}
    samples = harness.race(contenders, plan.rounds)
    name = "a pool that is made and dropped"
    yield Figure(name, "µs", harness.medians(samples, 1e6 / fans), harness.ratios(samples), Goal(2.0))


def _made(make: Callable[[int], object], count: int) -> float:
    def work() -> None:
        for _ in range(count):
            make(4)

    return harness.seconds(work)
