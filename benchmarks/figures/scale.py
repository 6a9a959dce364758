"""Whether a call costs the same among a thousand and among a million."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.figures.tasks import noop
from benchmarks.harness import OURS, Figure, Goal
from benchmarks.pools import TIMEOUT, exhaust
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan

WORKERS = 8


def measure(plan: Plan) -> Iterator[Figure]:
    """``run`` and ``stream``: many small ones in a row, and one with as many items."""
    few, many = plan.size(1_000, 100), plan.size(1_000_000, 10_000)
    with Fan(WORKERS, timeout=TIMEOUT) as fan:
        ways: dict[str, Callable[[int], object]] = {
            "run": lambda count: fan.run(noop, range(count)),
            "ordered stream": lambda count: exhaust(fan.stream(noop, range(count), ordered=True)),
            "unordered stream": lambda count: exhaust(fan.stream(noop, range(count))),
        }
        for name, way in ways.items():
            small = f"{few:,} items"
            samples = harness.race(
                {
                    small: _timed(way, few, many // few),
                    OURS: _timed(way, many, 1),
                },
                plan.rounds,
            )
            yield Figure(
                f"{name}: no-op over {many:,} items, to {few:,}",
                "µs a call",
                harness.medians(samples, 1e6),
                harness.ratios(samples, small),
                Goal(1.1),
            )


def _timed(way: Callable[[int], object], count: int, times: int) -> Callable[[], float]:
    """Seconds for each of ``count`` items, so many times in a row."""

    def work() -> None:
        for _ in range(times):
            way(count)

    return lambda: harness.seconds(work) / (count * times)
