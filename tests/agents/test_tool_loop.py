"""Turns of the loop: what runs, at the same time as what, and what the model is told of it."""

import threading

import pytest
from anthropic import beta_tool
from anthropic.lib.tools import BetaBuiltinFunctionTool, ToolError

from support.controlled import PATIENCE, aside
from support.staged_agents import Held, ask_for, double, fail, results
from threadfan import Fan, current_scope, task
from threadfan.agents import tool

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")  # of calls that are over, and about to return


def test_an_answer_without_tools(make):
    """A prompt is answered in one turn, with text, usage and a transcript."""
    with Fan(1) as fan:
        result = make(fan, system="Be brief.")("What is a waterfall?")
    assert str(result) == result.text
    assert result.text.startswith("About waterfall:")
    assert (result.stop_reason, result.turns, result.tool_calls) == ("end_turn", 1, [])
    assert result.usage.requests == 1
    assert [message["role"] for message in result.messages] == ["user", "assistant"]


def test_the_calls_of_a_turn_run_at_the_same_time(make):
    """Eight tools of one turn all wait for each other."""
    barrier = threading.Barrier(8)

    def meet(number: int) -> int:
        barrier.wait(PATIENCE)
        return number

    with Fan(8) as fan:
        result = make(fan, meet)(ask_for(*(("meet", {"number": number}) for number in range(8))))
    assert results(result) == [(str(number), False) for number in range(8)]
    assert (result.turns, len(result.tool_calls)) == (2, 8)


def test_results_stand_in_the_order_of_the_calls(make):
    """A call that ends last but was asked for first has its result first, in one message with the others."""
    second = threading.Event()

    def slow() -> str:
        assert second.wait(PATIENCE)
        return "slow"

    def quick() -> str:
        second.set()
        return "quick"

    with Fan(2) as fan:
        result = make(fan, slow, quick)(ask_for("slow", "quick"))
    assert [message["role"] for message in result.messages] == ["user", "assistant", "user", "assistant"]
    assert results(result) == [("slow", False), ("quick", False)]
    assert result.text == "The tools returned: (1) slow; (2) quick."
    asked = [block["id"] for block in result.messages[1]["content"]]
    assert [block["tool_use_id"] for block in result.messages[2]["content"]] == asked
    assert [call.id for call in result.tool_calls] == asked


def test_more_calls_than_slots(make):
    """Calls that find no slot wait for one."""
    with Fan(2) as fan:
        result = make(fan, double)(ask_for(*(("double", {"number": number}) for number in range(20))))
    assert results(result) == [(str(2 * number), False) for number in range(20)]


def test_a_failure_is_told_to_the_model(make):
    """A tool that raises gives the type and the message; the other calls of the turn are not touched."""
    with Fan(2) as fan:
        result = make(fan, double, fail)(ask_for(("fail", {"reason": "the mill is shut"}), ("double", {"number": 4})))
    assert results(result) == [("ValueError: the mill is shut", True), ("8", False)]
    assert [call.is_error for call in result.tool_calls] == [True, False]
    assert isinstance(result.tool_calls[0].outcome.error, ValueError)
    assert result.stop_reason == "end_turn"


def test_an_unknown_tool_is_told_which_there_are(messages_server, make):
    """A call of a tool that cannot be run here names those that can."""
    elsewhere = {"name": "elsewhere", "input_schema": {"type": "object"}}
    with Fan(2) as fan:
        result = make(fan, double, fail, elsewhere)(ask_for("elsewhere"))
    assert results(result) == [("there is no tool 'elsewhere'; the tools are: double, fail", True)]


def test_wrong_arguments_are_told_with_the_schema(make):
    """The tool is not called; the model reads what is wrong, and what is right."""
    calls = []

    def note(number: int, place: str) -> None:
        calls.append(number)

    with Fan(2) as fan:
        result = make(fan, note)(ask_for(("note", {"number": "seven", "palce": "Oslo"})))
    ((text, is_error),) = results(result)
    assert is_error
    assert calls == []
    assert text.startswith("wrong arguments for note: number: Input should be a valid integer")
    assert "place: Field required" in text
    assert "palce: Extra inputs are not permitted" in text
    assert '"required": ["number", "place"]' in text


def test_a_tool_that_hangs_times_out(clock, make):
    """At its own timeout the call is an error for the model, and the others of its turn count."""
    with Held() as held, Fan(2) as fan:
        agent = make(fan, tool(held.wait, name="hang", timeout=5), double, tool_timeout=60)
        running = aside(agent, ask_for("hang", ("double", {"number": 1})))
        assert held.begun.wait(PATIENCE)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        result = running.result(PATIENCE)
        held.let_go(fan)
    assert results(result) == [("timed out: hang did not return within 5 s", True), ("2", False)]
    assert result.tool_calls[0].outcome.status == "timed_out"


@pytest.mark.parametrize(("given", "seconds"), [({"tool_timeout": 7}, 7), ({}, 9)])
def test_a_tool_without_a_timeout_of_its_own(clock, make, given, seconds):
    """It has the agent's, or else the fan's."""
    left = []
    with Fan(2, timeout=9) as fan:
        result = make(fan, tool(lambda: left.append(current_scope().remaining()), name="look"), **given)(
            ask_for("look")
        )
    assert left == [seconds]
    assert results(result) == [("(no result)", False)]


def test_several_turns(messages_server, make):
    """The model may ask again with what it has learned, and the transcript holds it all."""
    messages_server.configure(
        replies={"start": 'Let me see. use tool double with {"number": 21}', "42": "So it is 42."}
    )
    with Fan(1) as fan:
        result = make(fan, double)("start")
    assert [block["type"] for block in result.messages[1]["content"]] == ["text", "tool_use"]
    assert (result.text, result.turns, result.usage.requests) == ("So it is 42.", 2, 2)
    assert result.tool_calls[0].turn == 1


def test_a_transcript_is_gone_on_from(make):
    """A result, or its messages and one more, is the beginning of the next run; the old one stays as it was."""
    with Fan(1) as fan:
        agent = make(fan, double)
        first = agent(ask_for(("double", {"number": 2})))
        second = agent([*first.messages, {"role": "user", "content": "Tell me about rivers"}])
    assert len(first.messages) == 4
    assert second.messages[:4] == first.messages
    assert (second.turns, second.tool_calls) == (1, [])
    assert "rivers" in second.text


def test_calls_that_a_transcript_has_left_open_are_made(make):
    """What was asked for and not answered comes first."""
    question = {"role": "user", "content": "Go"}
    asked = {"type": "tool_use", "id": "t1", "name": "double", "input": {"number": 8}}
    with Fan(1) as fan:
        result = make(fan, double)([question, {"role": "assistant", "content": [asked]}])
    assert result.text == "The tools returned: (1) 16."
    assert [call.turn for call in result.tool_calls] == [0]


def test_content_blocks_as_a_prompt(make):
    """A list of blocks is the content of one message."""
    with Fan(1) as fan:
        assert "rivers" in make(fan)([{"type": "text", "text": "Tell me about rivers"}]).text


@pytest.mark.parametrize("prompt", [None, 5, [], ["text"], ("text",)])
def test_no_prompt(make, prompt):
    """What is neither a text nor a conversation is refused by its type, and not shown."""
    with Fan(1) as fan, pytest.raises(TypeError, match=f"AgentResult, not {type(prompt).__name__}"):
        make(fan)(prompt)


def test_tools_of_the_sdk(make):
    """Decorated tools keep their own schema and checks, and the SDK's tool error its own content."""

    @beta_tool(name="triple", description="Three times as much.")
    def times_three(number: int) -> str:
        return str(3 * number)

    @beta_tool
    def picky(number: int) -> str:
        """Take no number."""
        raise ToolError([{"type": "text", "text": f"not {number}"}])

    @beta_tool
    def broken() -> str:
        """Break."""
        raise ValueError("Invalid arguments for me")

    with Fan(2) as fan:
        result = make(fan, times_three, picky, broken)(
            ask_for(("triple", {"number": 3}), ("triple", {"number": "x"}), ("picky", {"number": 1}), "broken")
        )
    told = results(result)
    assert told[0] == ("9", False)
    assert told[1][0].startswith("wrong arguments for triple: number: Input should be a valid integer")
    assert '"required": ["number"]' in told[1][0]
    assert told[2:] == [([{"type": "text", "text": "not 1"}], True), ("ValueError: Invalid arguments for me", True)]


def test_a_built_in_tool_of_the_sdk(messages_server, make):
    """One whose schema the provider knows is told by its type, and called here with what the model sends."""

    class Memory(BetaBuiltinFunctionTool):
        def to_dict(self):
            return {"type": "memory_20250818", "name": "memory"}

        def call(self, input):  # noqa: A002 -- the name is the SDK's
            return f"saw {input['path']}"

    with Fan(1) as fan:
        agent = make(fan, Memory())
        assert results(agent(ask_for(("memory", {"path": "/notes"})))) == [("saw /notes", False)]
    assert agent.toolbox.definitions == [{"type": "memory_20250818", "name": "memory"}]


def test_a_result_that_cannot_be_written(make):
    """It is an error for the model, and none of the loop."""

    def endless() -> list:
        made = []
        made.append(made)
        return made

    with Fan(1) as fan:
        result = make(fan, endless)(ask_for("endless"))
    ((text, is_error),) = results(result)
    assert is_error
    assert text.startswith("the tool's result cannot be written as JSON: ValueError: Circular reference")


def test_tools_are_calls_of_the_fan(make):
    """They see the caller's context and a scope, may use the fan themselves, and are named in its outcomes."""
    seen = []
    with Fan(1) as fan:

        def nested(number: int) -> int:
            seen.append(current_scope().remaining())
            return sum(fan.gather(task(double, number), task(double, number)).unwrap())

        result = make(fan, nested, tool_timeout=30)(ask_for(("nested", {"number": 5})))
    assert results(result) == [("20", False)]
    assert 0 < seen[0] <= 30
    assert result.tool_calls[0].outcome.worker is not None


def test_options_of_a_tool(make):
    """A tool may have its own timeout, retries and rate; a timeout that it leaves open is the agent's."""
    with Fan(1) as fan:
        toolbox = make(fan, tool(double, timeout=3, retry=2, rate=None), fail, tool_timeout=9).toolbox
    own, shared = (toolbox.task({"name": name, "input": {}}).changes for name in ("double", "fail"))
    assert (own["timeout"], own["retry"], own["rate"]) == (3, 2, None)
    assert (shared["timeout"], shared["retry"], shared["rate"]) == (9, None, None)


def test_neither_repr_shows_what_was_said(make):
    """Prompts, inputs and results stay out of what ends in logs."""
    with Fan(1) as fan:
        agent = make(fan, double, name="counter")
        result = agent(ask_for(("double", {"number": 2})))
    assert repr(agent) == "<Agent counter, 1 tools>"
    assert repr(result) == f"<AgentResult: end_turn, 2 turns, 1 tool calls, {result.usage.total_tokens} tokens>"
    assert repr(result.tool_calls) == "[<ToolCall double in turn 1: succeeded>]"
