"""A limit that nobody was told: how much of it is used once the concurrency has been found, and what is refused."""

from __future__ import annotations

from contextlib import closing
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any

import threadfan
from benchmarks import limiters, peers
from benchmarks.figures.limits import CALL, anthropic_call, kinds
from benchmarks.harness import OURS, Figure, Goal
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Permits, Plan
    from threadfan.testing import Limits, MessagesServer

WARM_UP, SPAN = 20, 120  # seconds
SERVED, REFUSED = Goal(90.0, least=True), Goal(3.0)
REPORTED = "bucket of 1"  # has no goal: a limit that allows no burst cannot be found by concurrency


def measure(plan: Plan) -> Iterator[Figure]:
    """Limit used, requests refused and items failed, for each kind of server; nothing where ``Adaptive`` is missing."""
    if not hasattr(threadfan, "Adaptive") or not peers.has("anthropic", "starlette", "uvicorn"):
        return
    from threadfan.testing import MessagesServer

    with MessagesServer(latency=CALL) as server:
        for kind, limits, _ in kinds()[: plan.size(3, 1)]:
            yield from _figures(plan, server, kind, limits)


def _figures(plan: Plan, server: MessagesServer, kind: str, limits: Limits) -> Iterator[Figure]:
    warm_up, span = plan.size(WARM_UP, 1), plan.size(SPAN, 2)
    failed, permits = _run(server, limits, warm_up + span)
    counted = [(moment - warm_up, accepted) for moment, accepted in permits if moment >= warm_up]
    accepted = sum(accepted for _, accepted in counted)
    # The bucket is empty after the warm-up: what it held at the start is not there again.
    allowed = limiters.PER_MINUTE / 60 * span
    goals = (None, None) if kind == REPORTED else (SERVED, REFUSED)
    yield Figure(
        f"{kind}, no rate given: accepted, of the limit",
        "%",
        {OURS: 100 * accepted / allowed},
        goal=goals[0],
        least=True,
        permits={OURS: counted},
    )
    refused = 100 * (1 - accepted / max(1, len(counted)))
    yield Figure(f"{kind}, no rate given: requests refused", "%", {OURS: refused}, goal=goals[1])
    yield Figure(f"{kind}, no rate given: items failed", "", {OURS: failed}, goal=Goal(0.0))


def _run(server: MessagesServer, limits: Limits, seconds: float) -> tuple[int, Permits]:
    """How many items failed, and the permits of the span since the first request."""
    from threadfan.clients.anthropic import attach

    adaptive: Any = threadfan.Adaptive  # where it is missing, nobody comes here
    call = anthropic_call(attach(server.client(max_retries=0)))
    server.reset()
    call(-1)
    server.configure(limits=limits)
    failed, until = 0, monotonic() + seconds
    with Fan(adaptive(start=4, ceiling=64), timeout=30) as fan, closing(fan.stream(call, count())) as outcomes:
        for outcome in outcomes:
            failed += not outcome.ok
            if monotonic() >= until:
                break
    permits = server.permits()
    first = permits[0][0]
    return failed, [(moment - first, accepted) for moment, accepted in permits if moment - first < seconds]
