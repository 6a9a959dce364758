"""What is sent is what the API takes: of answers that it has sent itself, of messages of the SDK's, of earlier runs."""

import pytest
from anthropic.types import Message, TextBlock, ToolUseBlock

from support.scripted_server import THOUGHT, ScriptedServer, call, message, text
from support.staged_agents import double, results
from threadfan import Fan
from threadfan.agents import Agent, AnswerCut

HIDDEN = {"type": "redacted_thinking", "data": "AAAA"}
GO = {"role": "user", "content": "Go"}


def asked_with(*answers, prompt="Go"):
    """What a run over these answers has sent, and its result or that of the error."""
    script = [("message", answer) for answer in answers]
    with ScriptedServer(*script) as server, Fan(1) as fan, server.client() as client:
        agent = Agent(client, model="m", fan=fan, tools=[double])
        try:
            result = agent(prompt)
        except AnswerCut as error:
            result = agent(error.result)
    return [one["messages"] for one in server.asked], result


@pytest.mark.parametrize("thoughts", [[THOUGHT], [HIDDEN], [THOUGHT, HIDDEN]])
def test_bare_thoughts_are_not_sent_back(thoughts):
    """After a cut they are all that is left of an answer, and the API wants more in a message."""
    cut = message(*thoughts, call("double", number=2), stop="max_tokens")
    (_, again), result = asked_with(cut, message(text("Done.")))
    assert again == [GO]
    assert result.text == "Done."


def test_thoughts_before_a_text_are_kept():
    """They are sent back as they were; only what would end the message goes."""
    cut = message(THOUGHT, text("Well"), THOUGHT, call("double", number=2), stop="max_tokens")
    (_, again), _ = asked_with(cut, message(text("Done.")))
    assert again[1] == {"role": "assistant", "content": [THOUGHT, text("Well")]}


@pytest.mark.parametrize("nothing", ["", " \n"])
def test_texts_without_text_are_not_sent_back(nothing):
    """The API sends them and does not take them."""
    asks = message(text(nothing), THOUGHT, call("double", number=2), stop="tool_use")
    (_, again), _ = asked_with(asks, message(text("Done.")))
    assert [block["type"] for block in again[1]["content"]] == ["thinking", "tool_use"]


def test_nulls_for_what_was_not_said_are_not_sent_back():
    """Some versions of the SDK put them into blocks of a stream, and the API does not take them."""
    seen, asks = text("I see"), call("double", number=2)
    answer = message({**seen, "citations": None}, {**asks, "caller": None}, stop="tool_use")
    (_, again), result = asked_with(answer, message(text("Done.")))
    assert again[1]["content"] == result.messages[1]["content"] == [seen, asks]


def test_half_a_text_is_gone_on_from():
    """The last message may not end with white space if it is the model's own; the result has it as it was."""
    (_, again), result = asked_with(message(text("It was a dark "), stop="max_tokens"), message(text("night")))
    assert again[-1]["content"] == [text("It was a dark")]
    assert [block["content"] for block in result.messages[1:]] == [[text("It was a dark ")], [text("night")]]


def test_blocks_of_the_sdk_end_a_transcript():
    """Their calls are made like those that are dicts."""
    block = ToolUseBlock(id="t1", type="tool_use", name="double", input={"number": 8})
    prompt = [GO, {"role": "assistant", "content": [TextBlock(type="text", text="Let me see."), block]}]
    (sent,), result = asked_with(message(text("Done.")), prompt=prompt)
    assert results(result) == [("16", False)]
    assert sent[1]["content"] == [text("Let me see."), {**call("double", number=8), "id": "t1"}]


@pytest.mark.parametrize("as_dict", [False, True])
def test_a_message_of_the_sdk_is_one_of_a_transcript(as_dict):
    """Of an answer its role and content are sent, and nothing that a request does not have."""
    answer = Message.model_validate(message(text(""), text("Hello."), THOUGHT))
    again = {"role": "user", "content": "And?"}
    (sent,), _ = asked_with(message(text("Done.")), prompt=[GO, answer.to_dict() if as_dict else answer, again])
    assert sent == [GO, {"role": "assistant", "content": [text("Hello.")]}, again]


def test_the_transcript_that_was_handed_in_stays_as_it_was():
    """What is left out is left out of a copy."""
    prompt = [GO, {"role": "assistant", "content": [text(""), text("Hm ")]}]
    asked_with(message(text("Done.")), prompt=prompt)
    assert prompt[1]["content"] == [text(""), text("Hm ")]
