"""Calls of which a tenth fail, in every way there is, under a limit that halves half-way: all succeed, and how soon."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.figures.limits import anthropic_call
from benchmarks.harness import OURS, Figure, Goal
from threadfan import Fan, RateLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan
    from threadfan.testing import Limits, MessagesServer
    from threadfan.testing.stats import Stats

WAYS = ("429", "529", "500", "reset", "hang", "broken")
ODDS = 0.1  # of all of them together
# A 429 among the faults asks to come back at once: what the limit does not ask for is no part of the best possible.
PER_MINUTE, BURST = 9_000, 20
WORKERS = 50
CALL = 0.05  # seconds
TIMEOUT = 2.0  # seconds; it ends the calls that hang
RETRIES = 12
SLOWDOWN = Goal(1.15)


@dataclass(frozen=True)
class Storm:
    """What a run has come to: seconds until the last outcome, items that did not succeed, and the server's counts."""

    seconds: float
    failed: int
    middle: Stats
    end: Stats

    def best(self, items: int) -> float:
        """The least seconds in which a server under these limits can get through the items and the faults it drew."""
        needed = items + sum(self.end.faults.values())
        before = min(self.middle.accepted, needed)
        return (before - BURST) * 60 / PER_MINUTE + (needed - before) * 120 / PER_MINUTE + CALL


def measure(plan: Plan) -> Iterator[Figure]:
    """One run: wall time to the best possible, items that did not succeed, prompts that were answered twice."""
    if not peers.has("anthropic", "starlette", "uvicorn"):
        return
    from threadfan.testing import MessagesServer

    items, odds = plan.size(10_000, 200), dict.fromkeys(WAYS, ODDS / len(WAYS))
    with MessagesServer(latency=CALL, faults=odds, retry_after=0, limits=_limits(1)) as server:
        storm = _storm(server, items)
    what, best = f"{items} items, a tenth of the calls fail, limit halves", storm.best(items)
    yield Figure(
        f"{what}: wall time ÷ best possible",
        "x",
        {OURS: storm.seconds / best},
        goal=SLOWDOWN,
        note=f"{storm.seconds:.1f} s, at best {best:.1f} s; {storm.end.requests} requests, {storm.end.refused} refused "
        f"by the limit, faults {storm.end.faults}",
    )
    yield Figure(f"{what}: items that did not succeed", "", {OURS: storm.failed}, goal=Goal(0.0))
    yield Figure(f"{what}: items answered more than once", "", {OURS: storm.end.answered_again}, goal=Goal(0.0))


def _limits(share: int) -> Limits:
    from threadfan.testing import Limits

    return Limits(requests_per_minute=PER_MINUTE / share, burst=BURST)


def _storm(server: MessagesServer, items: int) -> Storm:
    from threadfan.clients.anthropic import attach

    rate = RateLimit(requests_per_minute=PER_MINUTE, burst=BURST)
    call, failed, middle = anthropic_call(attach(server.client(max_retries=0))), 0, None
    with Fan(WORKERS, timeout=TIMEOUT, retry=RETRIES, rate=rate) as fan:
        start = perf_counter()
        for done, outcome in enumerate(fan.stream(call, range(items)), 1):
            failed += not outcome.ok
            if done == items // 2:
                server.configure(limits=_limits(2))
                middle = server.stats()
        seconds = perf_counter() - start
    end = server.stats()
    return Storm(seconds, failed, middle or end, end)
