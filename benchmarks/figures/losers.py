"""Votes and races over the real client: what a certain majority costs, and how soon losers' threads are free."""

from __future__ import annotations

from contextlib import ExitStack
from queue import SimpleQueue
from statistics import median
from threading import Event
from typing import TYPE_CHECKING, Any

from benchmarks import peers
from benchmarks.harness import OURS, Figure, Goal
from threadfan import Fan, task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan

VOTERS, NEEDED = 9, 5
RACERS = 3
RACES = 20  # in a round
GOAL = 50.0  # milliseconds
PATIENCE = 60.0  # seconds; a loser that is not back by then is none that ends


def measure(plan: Plan) -> Iterator[Figure]:
    """Losers hang in the server, and would for ever."""
    if not peers.has("anthropic", "starlette", "uvicorn"):
        return
    from threadfan.clients import anthropic
    from threadfan.testing import MessagesServer

    with ExitStack() as stack:
        server = stack.enter_context(MessagesServer(replies={"agree": "yes"}))
        client: Any = anthropic.attach(server.client(), max_retries=0)

        def ask(prompt: str) -> str:
            message = {"role": "user", "content": prompt}
            answer = client.messages.create(model="test-model", max_tokens=9, messages=[message])
            return str(answer.content[0].text)

        late = [one for _ in range(plan.size(RACES, 2) * plan.rounds) for one in _race(ask)]
        for name, found in (("median", median(late)), (f"worst of {len(late)}", max(late))):
            goal = Goal(GOAL) if name == "median" else None
            what = f"a race of {RACERS}, the losers hang: their threads free after it, {name}"
            yield Figure(what, "ms", {OURS: 1e3 * found}, goal=goal)
        server.reset()
        _vote(ask)
        what = f"a vote of {VOTERS}, the first {NEEDED} agree, the others hang: answers that were waited for"
        yield Figure(what, "", {OURS: server.stats().statuses.get(200, 0)}, goal=Goal(NEEDED))


def _race(ask: Any) -> list[float]:
    """Seconds from the end of a race until each loser has left the client."""
    from threadfan.patterns import race

    ends: SimpleQueue[float] = SimpleQueue()
    hanging = [Event() for _ in range(RACERS - 1)]

    with Fan(RACERS) as fan:
        clock = fan._scheduler.clock.monotonic

        def lose(number: int) -> str:
            hanging[number].set()
            try:
                return str(ask("[fault:hang] agree"))
            finally:
                ends.put(clock())

        def win() -> str:
            for begun in hanging:
                begun.wait(PATIENCE)
            return str(ask("agree"))

        race(fan, win, *(task(lose, number) for number in range(RACERS - 1)))
        over = clock()
        return [max(0.0, ends.get(timeout=PATIENCE) - over) for _ in hanging]


def _vote(ask: Any) -> None:
    from threadfan.patterns import vote

    prompts = ["agree"] * NEEDED + ["[fault:hang] agree"] * (VOTERS - NEEDED)
    with Fan(VOTERS) as fan:
        found = vote(fan, *(task(ask, prompt) for prompt in prompts))
    if found.winner != "yes" or not found.certain:
        raise RuntimeError(f"{found!r} is not certain")
