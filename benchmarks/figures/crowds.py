"""Crowds in one process: threads that are blocked at once, calls that wait for a limit, keys; in time and memory."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.processes import child

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan

    Found = dict[str, list[dict[str, float]]]


def measure(plan: Plan) -> Iterator[Figure]:
    """Each measurement in a process of its own, in rounds."""
    for count in (plan.size(500, 20), plan.size(2_000, 40)):
        yield from _blocked(plan, count)
    yield from _waiting(plan, plan.size(1_000, 50), plan.size(100_000, 500))
    yield from _keys(plan, plan.size(1_000, 50), plan.size(10_000, 100))


def _rounds(plan: Plan, case: str, ways: dict[str, tuple[str, int]]) -> Found:
    found: Found = {name: [] for name in ways}
    for turn in range(plan.rounds):
        order = list(ways)
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            contender, count = ways[name]
            found[name].append(child("-m", "benchmarks.children.crowds", case, contender, str(count))[0])
    return found


def _medians(found: Found, key: str, scale: float = 1.0) -> dict[str, float]:
    return {name: scale * median(report[key] for report in reports) for name, reports in found.items()}


def _ratios(found: Found, key: str, base: str) -> dict[str, float]:
    return {
        name: median(one[key] / other[key] for one, other in zip(reports, found[base], strict=True))
        for name, reports in found.items()
    }


def _blocked(plan: Plan, count: int) -> Iterator[Figure]:
    """From nothing until all threads are in their calls; memory then; and until the pool is closed again."""
    found = _rounds(plan, "blocked", {STANDARD: ("standard", count), OURS: ("threadfan", count)})
    what = f"{count:,} calls blocked at once"
    start, end = (
        f"{what}: from a new pool until all of them run",
        f"{what}: from their release until the pool is closed",
    )
    yield Figure(start, "ms", _medians(found, "start", 1e3), _ratios(found, "start", STANDARD), Goal(1.5))
    yield Figure(end, "ms", _medians(found, "end", 1e3), _ratios(found, "end", STANDARD), Goal(2.0))
    megabytes = _medians(found, "megabytes"), _ratios(found, "megabytes", STANDARD)
    yield Figure(f"{what}: memory", "MB", *megabytes, Goal(1.5), note="with the stacks of the threads, as far as used")
    yield Figure(f"{what}: processor time meanwhile", "ms/s", _medians(found, "rest", 1e3), goal=Goal(5.0))


def _waiting(plan: Plan, few: int, many: int) -> Iterator[Figure]:
    """To hand a call in, and for the first of them to be let through, of so many and of so many."""
    small = f"{few:,} calls"
    found = _rounds(plan, "waiting", {small: ("threadfan", few), OURS: ("threadfan", many)})
    for what, key in (("to hand one in", "handed_in"), ("for each that is let through", "passed")):
        name = f"{many:,} calls wait for a limit, to {few:,}: processor time {what}"
        yield Figure(name, "µs", _medians(found, key, 1e6), _ratios(found, key, small), Goal(1.1))
    each = {OURS: _medians(found, "kilobytes")[OURS]}
    yield Figure(f"{many:,} calls wait for a limit: memory of each, its future included", "kB", each, goal=Goal(2.0))


def _keys(plan: Plan, few: int, many: int) -> Iterator[Figure]:
    """Ten items of each key."""
    small = f"{few:,} keys"
    found = _rounds(plan, "keys", {small: ("threadfan", few), OURS: ("threadfan", many)})
    name = f"by= with {many:,} keys of ten items each, to {few:,} keys"
    yield Figure(name, "µs an item", _medians(found, "each", 1e6), _ratios(found, "each", small), Goal(1.1))
    per_item = {OURS: _medians(found, "megabytes")[OURS] * 1e3 / (10 * many)}
    yield Figure(f"by= with {many:,} keys: memory of each item, its outcome included", "kB", per_item, goal=Goal(0.5))
