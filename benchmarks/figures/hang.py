"""Calls that hang: what the others wait for, what the caller is told, and when the process ends."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.processes import child

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan

    Reports = list[dict[str, float]]

HANG = 30.0  # seconds
SHORT = 5.0  # seconds; what the others are given, who wait for all of it
WHAT = "20 calls on 4 workers, 4 hang"


def measure(plan: Plan) -> Iterator[Figure]:
    """A hang in ``time.sleep``, then one in ``requests.get``."""
    others, rounds = {}, plan.size(plan.rounds, 1)
    if not plan.quick:
        names = [STANDARD, *(name for name in ("more-executors",) if peers.installed(name))]
        others = {name: _reports(name, 1, str(SHORT)) for name in names}
    yield from _figures("in sleep", _reports(OURS, rounds, str(HANG)), others)
    if peers.has("requests", "starlette", "uvicorn"):
        from threadfan.testing import MessagesServer

        with MessagesServer() as server:
            yield from _figures("in requests.get", _reports(OURS, rounds, str(HANG), f"{server.url}/hang"), {})


def _reports(contender: str, rounds: int, *arguments: str) -> Reports:
    """What a contender's process reports, round after round, and how much later it ends than one without a pool."""
    found = []
    for _ in range(rounds):
        _, base = child("-m", "benchmarks.children.hang", "nothing", *arguments)
        report, delay = child("-m", "benchmarks.children.hang", contender, *arguments)
        found.append({**report, "exit": delay - base})
    return found


def _figures(where: str, ours: Reports, others: dict[str, Reports]) -> Iterator[Figure]:
    reports = {**others, OURS: ours}

    def medians(key: str) -> dict[str, float]:
        return {name: median(report[key] for report in found) for name, found in reports.items()}

    cut = f"; the others' calls hang {SHORT:g} s, not {HANG:g} s" if others else ""
    told = "; ".join(f"{name}: {_told(found[-1])}" for name, found in reports.items())
    makespan = f"{WHAT} {where}: makespan, pool closed"
    yield Figure(makespan, "s", medians("makespan"), goal=Goal(0.75), note=f"ideal 0.7 s{cut}")
    right = Goal(20, least=True)
    yield Figure(f"{WHAT} {where}: right outcomes", "of 20", medians("right"), goal=right, least=True, note=told)
    yield Figure(
        f"{WHAT} {where}: exit after main ends",
        "s",
        medians("exit"),
        goal=Goal(0.1),
        note="less the same without a pool",
    )


def _told(report: dict[str, float]) -> str:
    return f"{report['ok']:g} ok / {report['timed_out']:g} timed out"
