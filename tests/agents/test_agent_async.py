"""Agents from coroutines."""

import asyncio
import threading

import pytest

from support.controlled import PATIENCE
from support.staged_agents import ask_for, double
from threadfan import Fan, current_scope
from threadfan.agents import Agent, Answer

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")  # of calls that are over, and about to return


class Looking:
    """A model's client that notes how long the call may take."""

    def answer(self, **asked):
        """Say it."""
        return Answer(f"{current_scope().remaining()}")


def test_an_agent_is_awaited(make):
    """The loop goes on while the agent runs, and the result is the same as that of a blocking call."""

    async def body(agent):
        running = asyncio.ensure_future(agent.arun(prompt))
        ticks = 0
        while not running.done():
            ticks += 1
            await asyncio.sleep(0)
        return await running, ticks

    prompt = ask_for(("double", {"number": 2}))
    with Fan(2) as fan:
        agent = make(fan, double)
        result, ticks = asyncio.run(body(agent))
        assert ticks > 1
        assert result.text == agent(prompt).text == "The tools returned: (1) 4."


def test_many_agents_are_awaited_on_one_slot(make):
    """Each lends the slot to the tools of all of them."""

    async def body(agent):
        return await asyncio.gather(*(agent.arun(ask_for(("double", {"number": number}))) for number in range(10)))

    with Fan(1) as fan:
        results = asyncio.run(body(make(fan, double)))
    assert [result.text for result in results] == [f"The tools returned: (1) {2 * number}." for number in range(10)]


def test_cancelling_the_awaiter_ends_the_tools(make):
    """The cancel goes through the run to the scopes of its tools."""
    begun, ended = threading.Event(), threading.Event()

    def hang() -> None:
        current_scope().on_cancel(ended.set)
        begun.set()
        assert ended.wait(PATIENCE)

    async def body(agent):
        running = asyncio.ensure_future(agent.arun(ask_for("hang")))
        await asyncio.to_thread(begun.wait, PATIENCE)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with Fan(2) as fan:
        asyncio.run(body(make(fan, hang)))
        assert ended.wait(PATIENCE)


def test_a_run_has_no_timeout_of_its_own():
    """As `run` in the caller's own thread, `arun` is not bounded by what the fan gives a single call."""
    with Fan(1, timeout=30, retry=2) as fan:
        agent = Agent(Looking(), model="m", fan=fan)
        assert agent.run("?").text == asyncio.run(agent.arun("?")).text == "inf"
        assert float(fan.run(agent, ["?"])[0].unwrap().text) <= 30
