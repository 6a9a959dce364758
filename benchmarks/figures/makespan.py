"""Many threads, from nothing: how close a cold pool comes to the ideal."""

from __future__ import annotations

import gc
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks import harness, peers, pools
from benchmarks.figures.tasks import nap
from benchmarks.harness import OURS, STANDARD, Figure, Goal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan
    from benchmarks.pools import Pool

GOALS = {100: 97.5, 500: 92.0}
FEW = {20: 97.5}  # for a quick run
NAP = 0.05  # seconds


def measure(plan: Plan) -> Iterator[Figure]:
    """Ten naps for each worker; one in a quick run."""
    naps = plan.size(10, 1)
    contenders: dict[str, Pool] = {STANDARD: pools.standard, OURS: pools.fan_run, **peers.pools()}
    for workers, bound in (FEW if plan.quick else GOALS).items():
        samples = harness.race(
            {name: _cold(pool, workers, naps) for name, pool in contenders.items()},
            plan.rounds,
        )
        yield Figure(
            f"{naps * workers} x 50 ms on {workers} workers, cold: ideal ÷ actual",
            "%",
            harness.medians(samples),
            goal=Goal(bound, least=True, lead=True),
            least=True,
            note="threadfan must not be behind the best peer either",
        )


def _cold(pool: Pool, workers: int, naps: int) -> Callable[[], float]:
    """The percentage of the ideal that a new pool reaches, from its making to the last result, without its closing."""

    def measure_once() -> float:
        gc.collect()
        with ExitStack() as stack:
            start = time.perf_counter()
            stack.enter_context(pool(workers))(nap, range(naps * workers))
            return 100 * naps * NAP / (time.perf_counter() - start)

    return measure_once
