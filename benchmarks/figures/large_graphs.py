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
BUILT = Goal(25.0)
GROWTH = Goal(1.1)


def measure(plan: Plan) -> Iterator[Figure]:
    """Few tasks, many times, and many tasks once: the cost of one should be the same."""
    few, many = plan.size(1_000, 20), plan.size(100_000, 200)
    shapes: dict[str, tuple[Make, bool]] = {  # with whether all tasks are added one by one
        "a chain": (_chain, True),
        "tasks that follow one": (_spread, True),
        "a task that follows all others": (_fan_in, True),
        "a fan-out": (_fan_out, False),
    }
    with Fan(WORKERS, timeout=TIMEOUT) as fan:
        for name, (make, built) in shapes.items():
            if built:
                yield from _figures(f"building {name}", plan, few, many, partial(_built, fan, make), BUILT)
            yield from _figures(f"running {name}", plan, few, many, partial(_run, fan, make), None)


def _figures(
    name: str, plan: Plan, few: int, many: int, once: Callable[[int], float], goal: Goal | None
) -> Iterator[Figure]:
    """Figures of one shape.

    Args:
        once: gives the seconds that so many tasks take.
    """
    sizes = {"few": lambda: sum(once(few) for _ in range(many // few)) / many, "many": lambda: once(many) / many}
    samples = harness.race(sizes, plan.size(min(plan.rounds, 5), 1))
    yield Figure(
        f"{name}: µs a task, of {many:,} tasks", "µs", {OURS: harness.medians(samples, 1e6)["many"]}, goal=goal
    )
    growth = harness.ratios(samples, "few")["many"]
    yield Figure(f"{name}: a task of {many:,} to one of {few:,}", "times", {OURS: growth}, goal=GROWTH)


def _built(fan: Fan, make: Make, number: int) -> float:
    """To check who waits for whom, too, which is done when the graph is first used."""
    return harness.seconds(lambda: make(fan, number)._checked())


def _run(fan: Fan, make: Make, number: int) -> float:
    graph = make(fan, number)
    graph._checked()
    return harness.seconds(graph.run)


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
