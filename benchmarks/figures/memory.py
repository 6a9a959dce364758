"""Memory: by how much a process grows while it streams many items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.processes import child

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan

CONTENDERS = (STANDARD, "ThreadPool.imap", OURS)


def measure(plan: Plan) -> Iterator[Figure]:
    """Once for each contender, in a fresh process: growth hardly varies."""
    count = plan.size(1_000_000, 30_000)
    grown = {}
    for name in CONTENDERS:
        report, _ = child("-m", "benchmarks.children.memory", name, str(count))
        grown[name] = report["megabytes"]
    yield Figure(
        f"growth of memory, {count:,} items in order, after 10,000 to warm up",
        "MB",
        grown,
        goal=Goal(2.0),
        note="the standard library's map and ThreadPool.imap take all inputs at once",
    )
