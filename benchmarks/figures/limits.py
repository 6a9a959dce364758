"""600 requests a minute, 20 workers, 0.2 s calls: how much of a strict limit is used, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import limiters, peers
from benchmarks.harness import OURS, STANDARD, Figure, Goal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Permits, Plan
    from benchmarks.limiters import Call, Way
    from threadfan.testing import Limits, MessagesServer

CALL = 0.2  # seconds
SPAN = 15.0  # seconds
RUN_IN = 0.3  # seconds; the span begins with the first request that reaches the server
ROUNDS = 3
SERVED, REFUSED = Goal(97.0, least=True), Goal(1.0)
NONE_FAILED = Goal(0.0)


@dataclass(frozen=True)
class Trial:
    """What one run of one contender has come to.

    Args:
        served: accepted requests, as a percentage of what the server allows in the span.
        refused: answers with status 429, as a percentage of all requests.
        failed: items that did not succeed.
        items: all that have ended.
        permits: the moments of the requests, from the first one, and whether each was accepted.
    """

    served: float
    refused: float
    failed: float
    items: int
    permits: Permits


def measure(plan: Plan) -> Iterator[Figure]:
    """Three figures for each kind of server: limit used, requests refused, items failed."""
    if not peers.has("anthropic", "starlette", "uvicorn"):
        return
    from threadfan.testing import MessagesServer

    with MessagesServer(latency=CALL) as server:
        for kind, limits, burst in kinds()[: plan.size(3, 1)]:
            trials = _trials(plan, server, limits, _contenders(plan, server, burst))
            yield from _figures(f"{kind}: ", trials)
            if peers.has("requests") and not plan.quick:
                plainly = _trials(plan, server, limits, {OURS: (limiters.ours(burst), _requests(server))})
                yield from _figures(f"{kind}, requests: ", plainly)


def kinds() -> list[tuple[str, Limits, int]]:
    """Servers, each with the burst that a fan is told."""
    from threadfan.testing import Limits

    rate = limiters.PER_MINUTE
    return [
        ("bucket of 1", Limits(requests_per_minute=rate), 1),
        ("bucket of 10", Limits(requests_per_minute=rate, burst=10), 10),
        ("window of 10 in 1 s", Limits(requests_per_minute=rate, burst=10, algorithm="window"), 1),
    ]


def _contenders(plan: Plan, server: MessagesServer, burst: int) -> dict[str, tuple[Way, Call]]:
    """All of them call through the anthropic client; only the fan's leaves what is refused to somebody else."""
    from threadfan.clients.anthropic import attach

    usual = anthropic_call(server.client(max_retries=2))  # the client's own default
    fan = limiters.ours(burst), anthropic_call(attach(server.client(max_retries=0)))
    if plan.quick:
        return {OURS: fan, STANDARD: (limiters.plain(), usual)}
    others = {
        STANDARD: limiters.plain(),
        "semaphore of 2": limiters.semaphore(2),  # 600 a minute times 0.2 s: the best that anyone could choose
        "lock and sleep": limiters.spacing(),
    }
    if peers.installed("pyrate-limiter"):
        others["pyrate-limiter, 600 a minute"] = limiters.pyrate(600, 60_000)
        others["pyrate-limiter, 10 a second"] = limiters.pyrate(10, 1_000)
    return {OURS: fan, **{name: (way, usual) for name, way in others.items()}}


def anthropic_call(client: Any) -> Call:
    """Asks a question of its own in each call."""

    def ask(number: int) -> object:
        question = {"role": "user", "content": f"question {number}"}
        return client.messages.create(model="test-model", max_tokens=100, messages=[question])

    return ask


def _requests(server: MessagesServer) -> Call:
    from threadfan.clients.requests import Session

    session: Any = Session()
    session.trust_env = False  # the environment may name a proxy
    address = f"{server.url}/limited?seconds={CALL}"
    return lambda _: session.get(address).raise_for_status()


def _trials(
    plan: Plan, server: MessagesServer, limits: Limits, contenders: dict[str, tuple[Way, Call]]
) -> dict[str, list[Trial]]:
    """A run of each contender, and of threadfan in every round: a fault of one in a hundred needs more than one."""
    span = plan.size(int(SPAN), 1)
    trials: dict[str, list[Trial]] = {name: [] for name in contenders}
    for turn in range(plan.size(min(plan.rounds, ROUNDS), 1)):
        for name, (way, call) in contenders.items():
            if turn == 0 or name == OURS:
                trials[name].append(_trial(server, limits, span, way, call))
    return trials


def _trial(server: MessagesServer, limits: Limits, span: float, way: Way, call: Call) -> Trial:
    server.reset()
    call(-1)  # what is imported at the first call, and a connection, are not what is measured
    server.configure(limits=limits)
    ended = way(call, span + RUN_IN)
    permits = server.permits()
    first = permits[0][0]
    counted = [(moment - first, accepted) for moment, accepted in permits if moment - first < span]
    accepted = sum(accepted for _, accepted in counted)
    return Trial(
        served=100 * accepted / int(limits.allowed(span)),
        refused=100 * (1 - accepted / len(counted)),
        failed=ended[False],
        items=ended.total(),
        permits=counted,
    )


def _figures(where: str, trials: dict[str, list[Trial]]) -> Iterator[Figure]:
    told = "; ".join(f"{name} {_told(found)}" for name, found in trials.items())
    note = f"{where}{told} (of the limit / 429 / items failed)"

    def medians(pick: Callable[[Trial], float]) -> dict[str, float]:
        return {name: median(map(pick, found)) for name, found in trials.items()}

    yield Figure(
        f"{where}accepted, of what is allowed",
        "%",
        medians(lambda trial: trial.served),
        goal=SERVED,
        least=True,
        note=note,
        permits={name: found[-1].permits for name, found in trials.items()},
    )
    yield Figure(f"{where}requests refused", "%", medians(lambda trial: trial.refused), goal=REFUSED)
    worst = {name: max(trial.failed for trial in found) for name, found in trials.items()}
    yield Figure(f"{where}items failed", "", worst, goal=NONE_FAILED)


def _told(trials: list[Trial]) -> str:
    return ", ".join(
        f"{trial.served:.1f} % / {trial.refused:.1f} % / {trial.failed:g} of {trial.items}" for trial in trials
    )
