"""A turn of an agent with 8 tool calls of 0.3 s: our loop, and the Anthropic SDK's own."""

from __future__ import annotations

import inspect
import json
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import harness, peers
from benchmarks.harness import OURS, Figure, Goal
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan
    from threadfan.testing import MessagesServer

CALLS = 8
NAP = 0.3  # seconds
GOAL = 0.35  # seconds
SDK = "tool_runner of the SDK"
REQUEST: Any = {"model": "test-model", "max_tokens": 1000}


def nap(seconds: float) -> str:
    """Wait.

    Args:
        seconds: how long
    """
    time.sleep(seconds)
    return "done"


def measure(plan: Plan) -> Iterator[Figure]:
    """From the prompt to the answer: two requests to a server without latency, and the calls between them."""
    if not peers.has("anthropic", "starlette", "uvicorn"):
        return
    from threadfan.testing import MessagesServer

    seconds = NAP if not plan.quick else NAP / 10
    prompt = "Please " + " ".join([f"use tool nap with {json.dumps({'seconds': seconds})}"] * CALLS)
    with ExitStack() as stack:
        server = stack.enter_context(MessagesServer())
        ways = {OURS: _ours(stack, server), SDK: partial(_sdk, server.client())}
        timed = {name: partial(harness.seconds, partial(way, prompt)) for name, way in ways.items()}
        samples = harness.race(timed, plan.rounds)
    yield Figure(
        f"an agent's turn with {CALLS} tool calls of {seconds:g} s", "s", harness.medians(samples), goal=Goal(GOAL)
    )


def _ours(stack: ExitStack, server: MessagesServer) -> Any:
    from threadfan.agents import Agent

    fan = stack.enter_context(Fan(CALLS, timeout=30))
    agent = Agent(server.client(), fan=fan, tools=[nap], **REQUEST)

    def run(prompt: str) -> None:
        _check(len([call for call in agent(prompt).tool_calls if not call.is_error]))

    return run


def _sdk(client: Any, prompt: str) -> None:
    from anthropic import beta_tool

    runner_of: Any = client.beta.messages.tool_runner
    # Newer versions would leave the history to the service, which the server here does not keep.
    whole = {"thread": False} if "thread" in inspect.signature(runner_of).parameters else {}
    question = {"role": "user", "content": prompt}
    runner = runner_of(tools=[beta_tool(nap)], messages=[question], **REQUEST, **whole)
    _check(runner.until_done().content[0].text.count("done"))


def _check(done: int) -> None:
    if done != CALLS:
        raise RuntimeError(f"{done} of {CALLS} tool calls have ended well")
