"""What a graph adds to each of its tasks, beside LangGraph and beside futures wired by hand."""

from __future__ import annotations

import operator
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from benchmarks import harness, peers
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.pools import TIMEOUT
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.harness import Plan

    Layers = Sequence[int]  # how many tasks stand side by side; each depends on all of the layer before

WORKERS = 8
LANGGRAPH, CALLBACKS = "langgraph", "add_done_callback"
GOAL = Goal(0.05)


class State(TypedDict):
    """What LangGraph's nodes share; a reducer, since several of them write at once."""

    results: Annotated[list[int], operator.add]


def measure(plan: Plan) -> Iterator[Figure]:
    """A row of tasks, fan-outs of three and their fan-ins one after another, and one such alone."""
    long = plan.size(25, 3)
    shapes: dict[str, tuple[Layers, int]] = {
        f"a chain of {4 * long} tasks": ([1] * (4 * long), 30),
        f"{long} fan-outs of 3 in a row, {4 * long + 1} tasks": ([1, *[3, 1] * long], 30),
        "one fan-out of 3, 5 tasks": ([1, 3, 1], 200),
    }
    for name, (layers, full) in shapes.items():
        with ThreadPoolExecutor(WORKERS) as pool, Fan(WORKERS, timeout=TIMEOUT) as fan:
            runs = _contenders(pool, fan, layers)
            times = plan.size(full, 2)
            samples = harness.race({peer: _timed(run, times, sum(layers)) for peer, run in runs.items()}, plan.rounds)
        medians = harness.medians(samples, 1e6)
        yield Figure(f"graph: {name}", "µs a task", medians, harness.ratios(samples))
        if LANGGRAPH in samples:
            ratios = harness.ratios(samples, LANGGRAPH)
            ours = {peer: ratios[peer] for peer in (LANGGRAPH, OURS)}
            goal = GOAL if len(layers) > 3 else None  # else two changes of threads outweigh the tasks
            yield Figure(
                f"graph: {name}, LangGraph = 1", "µs a task", {peer: medians[peer] for peer in ours}, ours, goal
            )


def _contenders(pool: ThreadPoolExecutor, fan: Fan, layers: Layers) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {
        STANDARD: lambda: _by_results(pool, layers),
        CALLBACKS: lambda: _by_callbacks(pool, layers),
        OURS: _graph(fan, layers).run,
    }
    if peers.installed(LANGGRAPH):
        compiled = _langgraph(layers)
        found[LANGGRAPH] = lambda: compiled.invoke({"results": []}, {"recursion_limit": 10_000})
    return found


def _timed(run: Callable[[], object], times: int, tasks: int) -> Callable[[], float]:
    def repeat() -> None:
        for _ in range(times):
            run()

    return lambda: harness.seconds(repeat) / (times * tasks)


def _noop(*_: object) -> int:
    return 1


def _take(**_: int) -> int:
    return 1


def _node(_: State) -> dict[str, list[int]]:
    return {"results": [1]}


def _by_results(pool: ThreadPoolExecutor, layers: Layers) -> None:
    """Wait for each layer, then hand in the next."""
    results: list[int] = []
    for width in layers:
        futures = [pool.submit(_noop, *results) for _ in range(width)]
        results = [future.result() for future in futures]


def _by_callbacks(pool: ThreadPoolExecutor, layers: Layers) -> None:
    """Hand in the next layer in the thread that ends the last one."""
    done, lock = threading.Event(), threading.Lock()
    left = 0

    def hand_in(layer: int) -> None:
        nonlocal left
        left = layers[layer]

        def count_down(_: Future[int]) -> None:
            nonlocal left
            with lock:
                left -= 1
                last = not left
            if last and layer + 1 < len(layers):
                hand_in(layer + 1)
            elif last:
                done.set()

        for _ in range(layers[layer]):
            pool.submit(_noop).add_done_callback(count_down)

    hand_in(0)
    done.wait()


def _names(layers: Layers) -> list[list[str]]:
    return [[f"t{layer}_{place}" for place in range(width)] for layer, width in enumerate(layers)]


def _graph(fan: Fan, layers: Layers) -> Any:
    graph = fan.graph()
    before: list[str] = []
    for layer in _names(layers):
        for name in layer:
            graph.add(_take, name=name, depends_on=before)
        before = layer
    return graph


def _langgraph(layers: Layers) -> Any:
    module: Any = import_module("langgraph.graph")
    builder = module.StateGraph(State)
    before: list[str] = [module.START]
    for layer in _names(layers):
        for name in layer:
            builder.add_node(name, _node)
            builder.add_edge(before if len(before) > 1 else before[0], name)
        before = layer
    builder.add_edge(before[0], module.END)
    return builder.compile()
