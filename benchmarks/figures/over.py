"""Short calls on three worker processes of a Dask cluster: ``over`` beside Dask's own ``map`` and ``gather``."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Any

from benchmarks import harness, peers
from benchmarks.harness import OURS, Figure, Goal
from benchmarks.pools import TIMEOUT
from threadfan import over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan

DASK = "client.map, gather"
PROCESSES = 3
IN_FLIGHT = 256
GOAL = Goal(1.15)


def measure(plan: Plan) -> Iterator[Figure]:
    """Calls that do nothing, and calls that take 5 ms each, which travel alone."""
    if not peers.installed("distributed"):
        return
    distributed = peers.load("distributed")
    with (
        distributed.LocalCluster(
            n_workers=PROCESSES, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
        over(client.get_executor(), IN_FLIGHT, timeout=TIMEOUT) as fan,
    ):
        for name, fn, full in (("calls that do nothing", _same, 10_000), ("calls of 5 ms", _nap, 2_000)):
            number, fresh = plan.size(full, 100), count()  # new inputs each time: Dask keeps results of equal ones

            def items(number: int = number, fresh: Iterator[int] = fresh) -> range:
                start = next(fresh) * number
                return range(start, start + number)

            contenders: dict[str, Callable[[], float]] = {
                DASK: _timed(_by_dask, client, fn, items),
                OURS: _timed(_by_fan, fan, fn, items),
            }
            samples = harness.race(contenders, plan.rounds)
            ratios = harness.ratios(samples, DASK)
            goal = GOAL if fn is _same else None
            note = f"{number} calls, {PROCESSES} processes; ratio to Dask's own"
            yield Figure(
                f"over Dask: {name}", "ms a call", harness.medians(samples, 1e3 / number), ratios, goal, note=note
            )


def _timed(work: Callable[..., object], *given: Any) -> Callable[[], float]:
    return lambda: harness.seconds(lambda: work(*given))


def _by_dask(client: Any, fn: Callable[[int], int], items: Callable[[], range]) -> None:
    inputs = items()
    if client.gather(client.map(fn, inputs)) != list(inputs):
        raise AssertionError("Dask has returned something else")


def _by_fan(fan: Any, fn: Callable[[int], int], items: Callable[[], range]) -> None:
    inputs = items()
    if fan.run(fn, inputs).values() != list(inputs):
        raise AssertionError("the fan has returned something else")


def _same(number: int) -> int:
    return number


def _nap(number: int) -> int:
    time.sleep(0.005)
    return number
