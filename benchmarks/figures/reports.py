"""What a report costs beside its calls: its figures and its text, and the memory that its outcomes take."""

from __future__ import annotations

import gc
import json
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.figures.tasks import noop
from benchmarks.harness import OURS, Figure, Goal
from benchmarks.pools import TIMEOUT
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.harness import Plan

WORKERS = 8
BARE = "a list of the results"
ANSWER = '{"id": "msg_%d", "role": "assistant", "text": "There are %d of them.", "usage": {"input": %d, "output": %d}}'


def measure(plan: Plan) -> Iterator[Figure]:
    """Microseconds and bytes for each outcome."""
    count = plan.size(100_000, 3_000)
    with Fan(WORKERS, timeout=TIMEOUT) as fan:
        items = list(range(count))
        runs = {OURS: partial(_shown, fan, items), "the run": partial(_run, fan, items)}
        samples = harness.race(runs, plan.rounds)
        name = f"the figures and the text of a report of {count:,} no-ops"
        yield Figure(name, "µs an outcome", harness.medians(samples, 1e6), goal=Goal(0.5))
        some = items[: plan.size(20_000, 1_000)]
        for what, fn, goal in (("parsed JSON", answer, Goal(2.0)), ("numbers", double, None)):
            grown = {
                BARE: [growth(partial(_listed, fn, some)) / len(some)],
                OURS: [growth(partial(fan.run, fn, some)) / len(some)],
            }
            yield Figure(
                f"memory of a report, results are {what}",
                "bytes an outcome",
                harness.medians(grown),
                harness.ratios(grown, BARE),
                goal,
                note="what tracemalloc sees allocated while the report is held, the results among it, the items not",
            )


def _shown(fan: Fan, items: list[int]) -> float:
    report = fan.run(noop, items)
    return harness.seconds(lambda: repr(report)) / len(items)


def _run(fan: Fan, items: list[int]) -> float:
    return harness.seconds(lambda: fan.run(noop, items)) / len(items)


def _listed(fn: Callable[[int], object], items: list[int]) -> list[object]:
    return [fn(item) for item in items]


def answer(number: int) -> object:
    """What a service says."""
    return json.loads(ANSWER % (number, number, number, number))


def double(number: int) -> int:
    """The least that a result takes which is not shared."""
    return 1_000_000 + 2 * number


def growth(work: Callable[[], Sequence[object]]) -> int:
    """The bytes that are in use because of what ``work()`` has returned."""
    work()  # what is made once
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        result = work()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del result
    return after - before
