"""What a task of a graph costs when there are many: to build the graph, and to run it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.harness import OURS, Figure, Goal
from benchmarks.pools import TIMEOUT
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan
    from threadfan import Graph

    Make = Callable[[Fan, int], Graph]

WORKERS = 8
BUILT, RUN = Goal(25.0), Goal(7.0)
GROWTH = Goal(1.1)


def measure(plan: Plan) -> Iterator[Figure]:
    """Few tasks, many times, and many tasks once: the cost of one should be the same."""
    few, many = plan.size(1_000, 20), plan.size(100_000, 200)
    shapes: dict[str, tuple[Make, Goal | None, Goal | None]] = {  # with the goals of building and of running it
        "a chain": (_chain, BUILT, RUN),
        "tasks that follow one": (_spread, BUILT, None),
        "a task that follows all others": (_fan_in, BUILT, None),
        "a fan-out": (_fan_out, None, None),
    }
    with Fan(WORKERS, timeout=TIMEOUT) as fan:
        for name, (make, built, run) in shapes.items():
            if built is not None:  # all tasks are added one by one
                yield from _figures(f"building {name}", plan, few, many, partial(_built, fan, make), built)
            yield from _figures(f"running {name}", plan, few, many, partial(_run, fan, make), run)


def _figures(
    name: str, plan: Plan, few: int, many: int, seconds: Callable[[int, int], float], goal: Goal | None
) -> Iterator[Figure]:
    """Figures of one shape.

    Args:
        seconds: that so many tasks take, so many times.
    """
    sizes = {"few": lambda: seconds(few, many // few) / many, "many": lambda: seconds(many, 1) / many}
    samples = harness.race(sizes, plan.size(min(plan.rounds, 5), 1))
    medians = harness.medians(samples, 1e6)
    yield Figure(f"{name}: µs a task, of {many:,} tasks", "µs", {OURS: medians["many"]}, goal=goal)
    growth = harness.ratios(samples, "few")["many"]
    yield Figure(f"{name}: a task of {many:,} to one of {few:,}", "times", {OURS: growth}, goal=GROWTH)


def _built(fan: Fan, make: Make, number: int, times: int) -> float:
    """To check who waits for whom, too, which is done when the graph is first used."""

    def build() -> None:
        for _ in range(times):
            make(fan, number)._checked()

    return harness.seconds(build)


def _run(fan: Fan, make: Make, number: int, times: int) -> float:
    graph = make(fan, number)
    graph._checked()

    def run() -> None:
        for _ in range(times):
            graph.run()

    return harness.seconds(run)


def _nothing() -> None:
    pass


def _chain(fan: Fan, number: int) -> Graph:
    graph = fan.graph()
    before: list[str] = []
    for place in range(number):
        graph.add(_nothing, name=f"t{place}", depends_on=before)
        before = [f"t{place}"]
    return graph


def _spread(fan: Fan, number: int) -> Graph:
    graph = fan.graph()
    graph.add(_nothing, name="first")
    for place in range(number):
        graph.add(_nothing, name=f"t{place}", depends_on=["first"])
    return graph


def _fan_in(fan: Fan, number: int) -> Graph:
    graph = fan.graph()
    names = [f"t{place}" for place in range(number)]
    for name in names:
        graph.add(_nothing, name=name)
    graph.add(_nothing, name="last", depends_on=names)
    return graph


def _fan_out(fan: Fan, number: int) -> Graph:
    graph = fan.graph()
    graph.add(lambda: range(number), name="items")
    graph.add(lambda item: item, name="one", each={"item": "items"})
    graph.add(len, name="number", depends_on={"obj": "one"})
    return graph
