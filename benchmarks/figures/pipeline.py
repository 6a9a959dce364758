"""Two stages whose calls sometimes take long: items at their own pace against a barrier between the stages.

The lower bound is what no schedule can beat: the longest way of one item, all work over all slots, or the work of one
stage over its limit.  Nobody knows how long a call will take, so whichever starts last may be a long one, and a greedy
order ends up to the length of one call later.  Where items wait for slots that is far from the bound in short runs (48
such items on 12 slots: 1.2 times the bound, whether later stages go first or earlier ones), and so it is where both
stages are equally full, as the second cannot make up for the time in which it had nothing to do.  So the figures are
of cases in which the bound is within reach: a slot for every item, and a long run with one stage that is fuller.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from benchmarks import harness
from benchmarks.figures.tasks import noop
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.pools import TIMEOUT
from threadfan import Fan
from threadfan._core.pipeline.stages import stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan

    Ways = list[tuple[float, float]]

WORKERS = 8
STRAGGLERS = 0.05  # share of the calls
FASTER = Goal(1 / 1.3)
NEAR = Goal(95.0, least=True)
TWICE = "Fan.run twice"


@dataclass(frozen=True)
class Case:
    """One kind of run.

    Args:
        usual: seconds of a usual call, on average: of the first stage and of the second.
        limit: of each stage; None for the slots alone.
        batches: so many runs one after another, each with other durations.
    """

    name: str
    items: int
    slots: int
    usual: tuple[float, float]
    limit: int | None
    batches: int

    def ways(self) -> list[Ways]:
        """Of each batch, seconds of both calls of each item: one call in twenty takes 10 to 20 times as long."""
        return [self._ways(Random(seed)) for seed in range(self.batches)]

    def _ways(self, draw: Random) -> Ways:
        first, second = self.usual
        return [(first * _length(draw), second * _length(draw)) for _ in range(self.items)]

    def bound(self, ways: Ways) -> float:
        """The lower bound of the makespan in seconds."""
        stages: list[float] = [sum(calls) for calls in zip(*ways, strict=True)]
        longest = max(first + second for first, second in ways)
        return max(longest, sum(stages) / self.slots, max(stages) / (self.limit or self.slots))


def _length(draw: Random) -> float:
    return draw.uniform(10, 20) if draw.random() < STRAGGLERS else draw.uniform(0.5, 1.5)


def measure(plan: Plan) -> Iterator[Figure]:
    """How much faster than the barrier, and how near to the bound."""
    few, many = plan.size(40, 6), plan.size(2_000, 40)
    cases = [
        Case("a slot for each item", few, few, (0.05, 0.05), None, plan.size(5, 1)),
        Case("each stage on half of the slots", many, 16, (0.01, 0.006), 8, 1),
    ]
    for case in cases:
        batches = case.ways()
        bound = sum(map(case.bound, batches))
        ways = {STANDARD: _standard, TWICE: _twice, OURS: _pipeline}
        contenders = {name: partial(_all, way, case, batches) for name, way in ways.items()}
        samples = harness.race(contenders, plan.size(min(plan.rounds, 3), 1))
        taken = harness.medians(samples)
        what = f"2 stages, {case.items:,} items, {case.slots} slots, {case.name}"
        note = f"{what}: lower bound {bound:.3f} s; standard: two maps; a stage with a cap is a pool of that size"
        yield Figure(f"{what}: makespan", "s", taken, harness.ratios(samples), FASTER, note=note)
        near = {name: 100 * bound / seconds for name, seconds in taken.items()}
        yield Figure(f"{what}: lower bound ÷ makespan", "%", near, goal=NEAR, least=True)

    yield from _short(plan)


def _short(plan: Plan) -> Iterator[Figure]:
    """What a pipeline adds to each item, and whether it is the same in each run: threads may be in each other's way."""
    items = range(plan.size(10_000, 100))
    for stages, goal in ((1, Goal(10.0)), (2, Goal(20.0))):
        with ThreadPoolExecutor(WORKERS) as pool, Fan(WORKERS, timeout=TIMEOUT) as fan:
            pipeline = fan.pipeline(*[noop] * stages)
            contenders = {
                STANDARD: partial(_mapped, pool, stages, items),
                OURS: partial(harness.seconds, partial(pipeline.run, items)),
            }
            samples = harness.race(contenders, plan.rounds)
        what = f"functions that do nothing, stages: {stages}, {len(items):,} items, {WORKERS} slots"
        yield Figure(f"{what}: µs an item", "µs", harness.medians(samples, 1e6 / len(items)), goal=goal)
        spread = {name: max(seconds) / min(seconds) for name, seconds in samples.items()}
        yield Figure(f"{what}: slowest round to fastest", "times", spread, goal=Goal(1.5))


def _mapped(pool: ThreadPoolExecutor, stages: int, items: range) -> float:
    def run() -> None:
        values: list[object] = list(items)
        for _ in range(stages):
            values = list(pool.map(noop, values))

    return harness.seconds(run)


def _all(way: Callable[[Case, Ways], float], case: Case, batches: list[Ways]) -> float:
    return sum(way(case, one) for one in batches)


def _research(way: tuple[float, float]) -> tuple[float, float]:
    time.sleep(way[0])
    return way


def _analyse(way: tuple[float, float]) -> None:
    time.sleep(way[1])


def _standard(case: Case, ways: Ways) -> float:
    with ThreadPoolExecutor(case.limit or case.slots) as pool:
        return harness.seconds(lambda: list(pool.map(_analyse, list(pool.map(_research, ways)))))


def _twice(case: Case, ways: Ways) -> float:
    with Fan(case.slots, timeout=TIMEOUT) as fan:
        view = fan.with_options(max_concurrent=case.limit)
        return harness.seconds(lambda: view.run(_analyse, view.run(_research, ways).unwrap()).unwrap())


def _pipeline(case: Case, ways: Ways) -> float:
    with Fan(case.slots, timeout=TIMEOUT) as fan:
        stages: list[Any] = [stage(one, max_concurrent=case.limit) for one in (_research, _analyse)]
        return harness.seconds(lambda: fan.pipeline(*stages).run(ways).unwrap())
