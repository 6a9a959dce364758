"""Agents as tools of agents: to any depth, on one slot, with one sum of tokens."""

import threading

import pytest

from support.controlled import PATIENCE, aside
from support.staged_agents import Held, ask_for, double, fail, results
from threadfan import Fan
from threadfan.agents import TokenLimit, TurnLimit, tool

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")  # of calls that are over, and about to return

LEVELS = 3


def tower(make, fan, *tools, **options):
    """An agent above an agent above an agent with tools; each asks the next, the last one asks its first tool."""
    agent = make(fan, *tools, name="level0", **options)
    for level in range(1, LEVELS):
        agent = make(fan, agent, name=f"level{level}", description=f"Knows more than level {level}.")
    return agent


def script(*calls):
    """What the server answers, so that each agent of the tower asks the one below."""
    down = {f"go {level}": ask_for((f"level{level - 1}", {"task": f"go {level - 1}"})) for level in range(1, LEVELS)}
    return down | {"go 0": ask_for(*calls)}


def test_a_definition(make):
    """A sub-agent takes one text, and needs a name."""
    with Fan(1) as fan:
        definition = tool(make(fan, name="scout", description="Finds out.")).definition
        assert (definition["name"], definition["description"]) == ("scout", "Finds out.")
        assert definition["input_schema"]["required"] == ["task"]
        assert tool(make(fan), name="other").definition["description"].startswith("Hand a task to an assistant")
        with pytest.raises(ValueError, match=r"an agent that is a tool needs a name: Agent\(…, name='researcher'"):
            make(fan, make(fan))


def test_three_levels_on_one_slot(messages_server, make):
    """A call that waits for calls of its own fan lends its slot, so depth needs no more slots than one."""
    messages_server.configure(replies=script(("double", {"number": 3}), ("double", {"number": 4})))
    with Fan(1) as fan:
        result = aside(tower(make, fan, double), f"go {LEVELS - 1}").result(PATIENCE)
        threads = len(fan._threads)
    assert result.text.count("The tools returned:") == LEVELS
    assert "(1) 6; (2) 8" in result.text
    assert threads <= LEVELS


def test_many_towers_on_one_slot(messages_server, make):
    """Agents that are calls of the fan themselves, many at once, come to an end too."""
    messages_server.configure(replies=script(("double", {"number": 3})))
    with Fan(1) as fan:
        report = aside(fan.run, tower(make, fan, double), [f"go {LEVELS - 1}"] * 10).result(PATIENCE)
    assert {result.text.count("The tools returned:") for result in report.unwrap()} == {LEVELS}


def test_sub_agents_run_side_by_side(messages_server, make):
    """Two of one turn are at work at the same time, down to their tools."""
    barrier = threading.Barrier(2)

    def meet() -> None:
        barrier.wait(PATIENCE)

    messages_server.configure(replies={"both": ask_for(*[("scout", {"task": "meet"})] * 2), "meet": ask_for("meet")})
    with Fan(2) as fan:
        result = make(fan, make(fan, meet, name="scout"))("both")
    assert [call.is_error for call in result.tool_calls] == [False, False]


def test_usage_is_summed_up_the_tree(messages_server, make):
    """The result of each agent counts its own requests and those of all below it."""
    messages_server.configure(replies=script(("double", {"number": 3})))
    with Fan(2) as fan:
        result = tower(make, fan, double)(f"go {LEVELS - 1}")
    used = []
    while result.tool_calls:
        used.append(result.usage)
        result = result.tool_calls[0].outcome.value
        if not hasattr(result, "usage"):
            break
    assert [usage.requests for usage in used] == [6, 4, 2]
    assert used[0].input_tokens > used[1].input_tokens > used[2].input_tokens > 0


def test_an_agent_inside_a_plain_tool_counts_too(make):
    """However an agent is called below another one, its tokens are found."""
    with Fan(2) as fan:
        inner = make(fan)

        def research() -> list[str]:
            return [result.text for result in fan.run(inner, ["rivers", "lakes", "seas"]).unwrap()]

        assert make(fan, research)(ask_for("research")).usage.requests == 5
        assert make(fan)("rivers").usage.requests == 1


def test_what_a_sub_agent_has_used_counts_though_it_failed(messages_server, make):
    """Its error is told to the agent above, with what it had said, and its tokens are in the sum."""
    messages_server.configure(
        replies={"begin": ask_for(("scout", {"task": "look"})), "look": "Half of it. " + ask_for("fail")}
    )
    with Fan(1) as fan:
        result = make(fan, make(fan, fail, name="scout", max_turns=1))("begin")
    ((text, is_error),) = results(result)
    assert is_error
    assert text.startswith("TurnLimit: the agent 'scout' has not come to an end")
    assert text.endswith("Until then it had said: Half of it. Please")
    assert isinstance(result.tool_calls[0].outcome.error, TurnLimit)
    assert result.usage.requests == 3


def test_what_a_sub_agent_has_used_counts_though_it_timed_out(clock, messages_server, make):
    """Tokens are noted as they are used, whatever becomes of the call."""
    messages_server.configure(replies={"begin": ask_for(("scout", {"task": "look"})), "look": ask_for("hang")})
    with Held() as held, Fan(2) as fan:
        scout = make(fan, tool(held.wait, name="hang"), name="scout")
        running = aside(make(fan, tool(scout, timeout=5)), "begin")
        assert held.begun.wait(PATIENCE)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        result = running.result(PATIENCE)
        held.let_go(fan)
    assert results(result) == [("timed out: scout did not return within 5 s", True)]
    assert result.usage.requests == 3


def test_one_budget_for_the_whole_tree(messages_server, make):
    """A sub-agent that uses it up is stopped, and so is the agent above, before another request is made."""
    begin = {"begin": ask_for(("level2", {"task": "go 2"}))}
    messages_server.configure(replies=begin | script(*[("double", {"number": 3})] * 50))
    with Fan(2) as fan:
        top = make(fan, tower(make, fan, double), name="top", token_budget=2_000)
        with pytest.raises(TokenLimit, match="the agent 'top' has used") as caught:
            top("begin")
    result = caught.value.result
    ((text, is_error),) = results(result)
    assert is_error
    assert text.startswith("TokenLimit: the agent 'top' has used")
    assert result.usage.total_tokens >= 2_000
    assert result.usage.requests == messages_server.stats().requests == 2 + LEVELS  # the lowest had its results
