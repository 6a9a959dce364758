"""What a tool takes of the fan that runs it: its time, and nothing that is meant for requests to a model."""

import pytest

from support.staged_agents import double
from threadfan import Adaptive, Breaker, Fan, Hedge, RateLimit, current_scope
from threadfan.agents import Agent, Answer, tool

LOOK = {"type": "tool_use", "id": "a", "name": "look", "input": {}}


class Looking:
    """A model that asks for the tool `look` once."""

    def answer(self, *, messages, **_):
        """Asks for it, or ends."""
        return Answer([LOOK], "tool_use") if len(messages) == 1 else Answer("done")


class Overloaded(Exception):
    """As of a service that has too much to do."""

    status_code = 429


def looked(fan, look, **options):
    """The outcome of the one call of the tool."""
    (call,) = Agent(Looking(), model="m", fan=fan, tools=[tool(look, name="look", **options)])("Go").tool_calls
    return call.outcome


@pytest.mark.parametrize(
    "options",
    [
        lambda: {"retry": 3},
        lambda: {"hedge": Hedge(after=0.01)},
        lambda: {"breaker": Breaker(1, 3600)},
        lambda: {"fallback": lambda _: "instead"},
        lambda: {"rate": RateLimit(60_000)},
        lambda: {"max_workers": Adaptive(start=2, ceiling=4)},
    ],
    ids=["retry", "hedge", "breaker", "fallback", "rate", "adaptive"],
)
@pytest.mark.parametrize("error", [ConnectionError("reset"), Overloaded("slow down")], ids=["broken", "refused"])
def test_a_tool_is_called_once(options, error):
    """Whatever the fan does for calls that fail, a tool that may not be called twice is not."""
    calls, given = [], options()

    def look():
        calls.append(1)
        raise error

    with Fan(**{"max_workers": 2, **given}) as fan:
        outcome = looked(fan, look)
    assert (len(calls), outcome.error, outcome.attempts) == (1, error, 1)
    if "breaker" in given:
        assert given["breaker"].state == "closed"


def test_a_tool_that_asks_for_it_is_tried_again():
    """With a policy of its own."""
    errors = [ConnectionError("reset")]

    def look():
        if errors:
            raise errors.pop()
        return "found"

    with Fan(2) as fan:
        outcome = looked(fan, look, retry=1)
    assert (outcome.value, outcome.attempts) == ("found", 2)


def test_a_tool_takes_no_permit_of_its_fan():
    """Those are for requests; of its own limit it does."""
    requests, own = RateLimit(60_000, burst=10), RateLimit(60_000)
    taken = {requests: 0, own: 0}

    def counted(limit):
        take = limit.try_take

        def try_take(now, cost):
            taken[limit] += 1
            return take(now, cost)

        limit.try_take = try_take

    counted(requests)
    counted(own)
    with Fan(2, rate=requests) as fan:
        looked(fan, lambda: "plain")
        assert (taken[requests], taken[own]) == (2, 0)  # as many as requests
        looked(fan, lambda: "limited", rate=own)
        assert taken[own] == 1


def test_the_time_of_the_fan_holds():
    """Unless the tool has some of its own, which may be more."""
    with Fan(2, timeout=50, total_timeout=20) as fan:
        assert 0 < looked(fan, lambda: current_scope().remaining()).value <= 20
        assert 50 < looked(fan, lambda: current_scope().remaining(), timeout=90).value <= 90


def test_an_agent_that_is_a_tool_keeps_what_its_requests_are_made_under():
    """The retries, the rate and the breaker; a fallback would be called in the place of the agent."""
    with Fan(2) as fan:
        inner = Agent(Looking(), model="m", fan=fan, tools=[double], name="inner")
        outer = Agent(Looking(), model="m", fan=fan, tools=[inner])
        changes = outer.toolbox.task({"name": "inner", "input": {"task": "Go"}}).changes
    assert changes == {"hedge": None, "fallback": None}
