"""What the server answers to a text."""

import anthropic
import pytest


def test_text(ask):
    """An answer names the prompt's key words and carries what the API's answers carry."""
    answer = ask("Which is the longest river of Europe?")
    assert "longest, river, Europe" in answer.content[0].text
    assert answer.id.startswith("msg_")
    assert (answer.stop_reason, answer.model, answer.role) == ("end_turn", "test-model", "assistant")
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens == -(-len(answer.content[0].text) // 4)
    assert answer._request_id.startswith("req_")


def test_same_prompt_same_answer(ask):
    """The answer is a function of the prompt and the system prompt."""
    prompts = [("count to 7", "brief"), ("count to 8", "brief"), ("count to 7", "verbose")]
    first = [ask.text(prompt, system=system) for prompt, system in prompts]
    again = [ask.text(prompt, system=system) for prompt, system in prompts]
    assert first == again
    assert len(set(first)) == 3


def test_ids_differ(ask):
    """Two answers to one prompt are two messages."""
    assert ask("hello").id != ask("hello").id


@pytest.mark.parametrize("prompt", ["", "hi", "{curly} {0}", "日本で一番長い川は何ですか", "?!"])
def test_any_prompt(ask, prompt):
    """No prompt is too short or too strange for an answer."""
    assert ask.text(prompt)


def test_max_tokens(ask):
    """An answer longer than max_tokens is cut and says so."""
    whole = ask.text("tell me about rivers")
    cut = ask("tell me about rivers", max_tokens=5)
    assert whole.startswith(cut.content[0].text)
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 5)


def test_prompt_of_blocks(ask):
    """A list of text blocks and a list of system blocks are read like plain texts."""
    blocks = [{"type": "text", "text": "tell me about rivers"}]
    system = [{"type": "text", "text": "brief"}]
    assert ask.text(blocks, system=system) == ask.text("tell me about rivers", system="brief")


def test_beta_client(client):
    """The beta resource of the client is served as well."""
    messages = [{"role": "user", "content": "rivers"}]
    answer = client.beta.messages.create(model="m", max_tokens=99, messages=messages)
    assert "rivers" in answer.content[0].text


def test_first_match_wins(server, ask):
    """A scripted reply is the exact answer, and of two that match the first is taken."""
    server.configure(replies={"urgent mail": "spam", "mail": "ham"})
    assert ask.text("classify this urgent mail") == "spam"
    assert ask.text("classify this mail") == "ham"


def test_cycle(server, ask):
    """A list of replies is cycled through, however the requests are worded."""
    server.configure(replies={"vote": ["yes", "no"]})
    assert [ask.text(f"vote {number}") for number in range(5)] == ["yes", "no", "yes", "no", "yes"]


def test_failed_request_takes_no_reply(server, ask):
    """A request that fails leaves the next reply to the one after it."""
    server.configure(replies={"vote": ["yes", "no"]})
    with pytest.raises(anthropic.InternalServerError):
        ask("vote [fault:500]")
    assert ask.text("vote") == "yes"


@pytest.mark.parametrize("reason", ["pause_turn", "refusal", "something_new"])
def test_stop_reasons(server, ask, reason):
    """A marker in the prompt or in a scripted reply sets the stop reason, and is no part of the text."""
    marked, plain = ask(f"tell me about rivers [stop:{reason}]"), ask("tell me about rivers")
    assert (marked.stop_reason, marked.content) == (reason, plain.content)
    server.configure(replies={"rivers": [f"[stop:{reason}] half", "[stop:end_turn]"]})
    answer = ask("tell me about rivers")
    assert (answer.stop_reason, answer.content[0].text) == (reason, "half")
    assert ask("tell me about rivers").content == []
