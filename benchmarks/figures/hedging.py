"""One call in twenty takes 20 times as long: the 99th percentile with and without a second attempt for stragglers."""

from __future__ import annotations

import inspect
from random import Random
from statistics import quantiles
from typing import TYPE_CHECKING, Any

import threadfan
from benchmarks import harness, peers
from benchmarks.harness import OURS, Figure, Goal
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan
    from threadfan.testing import MessagesServer

WORKERS, CALLS = 8, 1_000
USUAL, SLOW, STRAGGLERS = 0.05, 1.0, 0.05  # seconds, seconds, share of the calls
BUDGET = 0.05  # extra calls, as a share
CUT = Goal(1 / 3)


def measure(plan: Plan) -> Iterator[Figure]:
    """The ratio of the percentiles, and what it takes; nothing where fans cannot hedge."""
    if "hedge" not in inspect.signature(Fan).parameters or not peers.has("requests", "starlette", "uvicorn"):
        return
    from threadfan.testing import MessagesServer

    calls = plan.size(CALLS, 100)
    extra: list[float] = []
    with MessagesServer() as server:
        ways: dict[str, Callable[[], float]] = {
            "plain": lambda: _percentile(server, calls, {}, []),
            OURS: lambda: _percentile(server, calls, {"hedge": threadfan.Hedge(after="p95", budget=BUDGET)}, extra),
        }
        samples = harness.race(ways, plan.size(min(plan.rounds, 3), 1))
    what = f"{calls} calls of {1e3 * USUAL:g} ms, one in twenty {SLOW:g} s"
    ratios = harness.ratios(samples, "plain")
    yield Figure(f"{what}: 99th percentile, hedged ÷ plain", "s", harness.medians(samples), ratios, goal=CUT)
    yield Figure(f"{what}: extra calls", "%", {OURS: 100 * max(extra)}, goal=Goal(100 * BUDGET))


def _percentile(server: MessagesServer, calls: int, options: dict[str, Any], extra: list[float]) -> float:
    """Seconds until 99 of 100 calls are answered; the share of extra requests goes to ``extra``."""
    server.reset()
    get = _get(server, calls)
    with Fan(WORKERS, timeout=30, **options) as fan:
        durations = [outcome.duration for outcome in fan.run(get, range(calls))]
    extra.append((server.stats().requests - calls) / calls)
    return quantiles(durations, n=100, method="inclusive")[98]


def _get(server: MessagesServer, calls: int) -> Callable[[int], object]:
    """One call in each twenty is slow, at a random place; a second attempt is slow with the same odds."""
    from threadfan.clients.requests import Session

    session: Any = Session()
    session.trust_env = False  # the environment may name a proxy
    draw, group = Random(0), round(1 / STRAGGLERS)
    slow_ones = {place + draw.randrange(group) for place in range(0, calls, group)}
    begun: set[int] = set()

    def get(number: int) -> None:
        slow = draw.random() < STRAGGLERS if number in begun else number in slow_ones
        begun.add(number)
        seconds = SLOW if slow else USUAL
        session.get(f"{server.url}/slow?seconds={seconds}").raise_for_status()

    return get
