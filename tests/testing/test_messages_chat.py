"""The same answers in the format of chat completions."""

import json

import pytest
import requests

TIME = {"type": "function", "function": {"name": "time", "parameters": {"type": "object"}}}


@pytest.fixture
def complete(server):
    """A function that asks for a chat completion, and returns the whole answer."""

    def complete(*lines, **arguments):
        body = {"model": "test-model", "messages": lines, **arguments}
        return requests.post(f"{server.url}/v1/chat/completions", json=body, timeout=30)

    return complete


def said(answer):
    """The message of the only choice, and how it ended."""
    (choice,) = answer.json()["choices"]
    return choice["message"], choice["finish_reason"]


def test_a_text(ask, complete):
    """The text is that of the Messages API, and the tokens are counted."""
    lines = [{"role": "system", "content": "brief"}, {"role": "user", "content": "tell me about rivers"}]
    answer = complete(*lines)
    text = ask.text("tell me about rivers", system="brief")
    assert said(answer) == ({"role": "assistant", "content": text}, "stop")
    assert answer.json()["usage"]["completion_tokens"] == -(-len(text) // 4)
    assert said(complete(*lines, max_tokens=5)) == ({"role": "assistant", "content": text[:20]}, "length")


def test_a_tool_loop(complete):
    """Calls have their arguments as JSON, and results in a row belong to one turn."""
    question = {"role": "user", "content": 'use tool time with {"zone": 1} use tool time with {}'}
    message, end = said(complete(question, tools=[TIME]))
    assert end == "tool_calls"
    assert [json.loads(call["function"]["arguments"]) for call in message["tool_calls"]] == [{"zone": 1}, {}]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": text}
        for call, text in zip(message["tool_calls"], ["noon", "one"], strict=True)
    ]
    message, end = said(complete(question, message, *results, tools=[TIME]))
    assert (message["content"], end) == ("The tools returned: (1) noon; (2) one.", "stop")


def test_a_refusal(complete):
    """Other stop reasons have their names in that format."""
    assert said(complete({"role": "user", "content": "rivers [stop:refusal]"}))[1] == "content_filter"


@pytest.mark.parametrize(
    "lines", [[], [{"role": "robot", "content": "x"}], [{"role": "tool", "content": "x"}], ["text"]]
)
def test_no_request(complete, lines):
    """What is none is refused."""
    assert complete(*lines).status_code == 400


def streamed(answer):
    """The events of an answer that comes as a stream, which ends with a word of its own."""
    assert answer.headers["content-type"] == "text/event-stream"
    *lines, end = answer.text.strip().split("\n\n")
    assert end == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_a_stream(complete):
    """The pieces are the whole text, and the last event says what was used if that was asked for."""
    line = {"role": "user", "content": "tell me about rivers"}
    whole = complete(line).json()
    for options in ({}, {"stream_options": {"include_usage": True}}):
        chunks = streamed(complete(line, stream=True, **options))
        choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
        text = "".join(choice["delta"].get("content") or "" for choice in choices)
        assert text == whole["choices"][0]["message"]["content"]
        assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
        assert chunks[-1]["usage"] == (whole["usage"] if options else None)


def test_a_stream_of_tool_calls(complete):
    """Each comes in one piece."""
    question = {"role": "user", "content": 'use tool time with {"zone": 1}'}
    chunks = streamed(complete(question, tools=[TIME], stream=True))
    (call,) = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert (call["index"], json.loads(call["function"]["arguments"])) == (0, {"zone": 1})
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
