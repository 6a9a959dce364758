"""How the server calls tools and what it does with their results."""

import anthropic
import pytest

WEATHER = {
    "name": "weather",
    "description": "Tells the weather of a place.",
    "input_schema": {
        "type": "object",
        "properties": {
            "place": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"enum": ["celsius", "kelvin"]},
            "note": {"type": "string"},
        },
        "required": ["place", "days", "unit"],
    },
}
TIME = {"name": "time", "description": "Tells the time of a place.", "input_schema": {"type": "object"}}


def calls(message):
    """Returns the calls of a message, which must hold nothing else."""
    assert message.stop_reason == "tool_use"
    return [(block.name, block.input) for block in message.content]


def test_several_calls_in_one_turn(ask):
    """Each phrase in the prompt becomes a call with its own id, in order."""
    prompt = 'use tool weather with {"place": {"name": "Oslo"}} and use tool time with {} and stop'
    answer = ask(prompt, tools=[WEATHER, TIME])
    assert calls(answer) == [("weather", {"place": {"name": "Oslo"}}), ("time", {})]
    assert len({block.id for block in answer.content}) == 2


def test_tool_loop(ask):
    """Results that are sent back are quoted in their order, errors as errors."""
    question = {"role": "user", "content": "use tool time with {} use tool time with {} use tool time with {}"}
    turn = ask(question["content"], tools=[TIME])
    contents = ["noon", [{"type": "text", "text": "one"}], "no clock"]
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": content, "is_error": content == "no clock"}
        for block, content in zip(turn.content, contents, strict=True)
    ]
    messages = [question, {"role": "assistant", "content": turn.content}, {"role": "user", "content": results}]
    answer = ask("", messages=messages, tools=[TIME], tool_choice={"type": "any"})
    assert answer.content[0].text == "The tools returned: (1) noon; (2) one; (3) error: no clock."


@pytest.mark.parametrize("choice", [{"type": "tool", "name": "weather"}, {"type": "any"}])
def test_forced_call(ask, choice):
    """A forced tool is called with the smallest input that its schema allows."""
    answer = ask("hello", tools=[WEATHER, TIME], tool_choice=choice)
    assert calls(answer) == [("weather", {"place": "text", "days": 1, "unit": "celsius"})]


def test_forbidden_calls(ask):
    """Without tools, or with tool_choice none, the phrase is plain text."""
    assert ask.text("use tool time with {}")
    assert ask.text("use tool time with {}", tools=[TIME], tool_choice={"type": "none"})


def test_no_parallel_calls(ask):
    """A client that disables parallel calls gets the first only."""
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    prompt = "use tool time with {} use tool weather with {}"
    assert calls(ask(prompt, tools=[WEATHER, TIME], tool_choice=choice)) == [("time", {})]


@pytest.mark.parametrize("prompt", ["use tool hammer with {}", "use tool time with {broken"])
def test_wrong_phrase(ask, prompt):
    """A phrase with an unknown tool or with broken JSON is an error, not a silent text."""
    with pytest.raises(anthropic.BadRequestError, match=r"hammer|JSON object"):
        ask(prompt, tools=[TIME])


@pytest.mark.parametrize(("answered", "complaint"), [([], "immediately after: t1"), (["t1", "t9"], "blocks: t9")])
def test_unpaired_results(ask, answered, complaint):
    """A forgotten result and a result nobody asked for are refused, as by the real API."""
    results = [{"type": "tool_result", "tool_use_id": name, "content": "x"} for name in answered]
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "time", "input": {}}]},
        {"role": "user", "content": [*results, {"type": "text", "text": "well?"}]},
    ]
    with pytest.raises(anthropic.BadRequestError, match=complaint):
        ask("", messages=messages, tools=[TIME])


def test_scripted_tool_call(server, ask):
    """A scripted reply that holds the phrase calls the tool, so whole agent runs can be laid down."""
    server.configure(replies={"rain": 'use tool weather with {"place": "Oslo"}'})
    assert calls(ask("will it rain?", tools=[WEATHER])) == [("weather", {"place": "Oslo"})]


def test_streamed_calls(client):
    """Streamed tool calls have the inputs of the prompt."""
    prompt = f'use tool weather with {{"place": "{"Llanfair" * 9}"}} use tool time with {{}}'
    messages = [{"role": "user", "content": prompt}]
    with client.messages.stream(model="m", max_tokens=9, messages=messages, tools=[WEATHER, TIME]) as stream:
        assert calls(stream.get_final_message()) == [("weather", {"place": "Llanfair" * 9}), ("time", {})]


def test_text_before_calls(server, ask):
    """In a scripted reply, what stands before the first phrase is a text of the same answer."""
    server.configure(replies={"rain": 'Let me see: use tool weather with {"place": "Oslo"} use tool time with {}'})
    answer = ask("will it rain?", tools=[WEATHER, TIME])
    assert [block.type for block in answer.content] == ["text", "tool_use", "tool_use"]
    assert answer.content[0].text == "Let me see:"
    assert answer.stop_reason == "tool_use"


def test_a_call_with_another_stop_reason(client, ask):
    """An answer that is cut off in a call looks like that, streamed too."""
    prompt = "use tool time with {} [stop:max_tokens]"
    assert [block.type for block in ask(prompt, tools=[TIME]).content] == ["tool_use"]
    assert ask(prompt, tools=[TIME]).stop_reason == "max_tokens"
    messages = [{"role": "user", "content": prompt}]
    with client.messages.stream(model="m", max_tokens=9, messages=messages, tools=[TIME]) as stream:
        assert stream.get_final_message().stop_reason == "max_tokens"
