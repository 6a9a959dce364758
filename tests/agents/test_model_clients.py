"""What stands in for a client: the SDK's, its beta, further arguments, and anything with one method."""

import anthropic
import pytest

from support.controlled import run_program
from support.staged_agents import ask_for, double, results
from threadfan import Fan, Usage
from threadfan.agents import Agent, Answer, MessagesClient, ModelClient


def test_the_import_is_cheap():
    """Neither the SDK nor pydantic is imported before it is used."""
    script = "import sys, threadfan.agents; print(sys.modules.keys() & {'anthropic', 'pydantic', 'docstring_parser'})"
    assert run_program(script)[0] == "set()\n"


class Echo:
    """A model's client without a model: it calls a tool first, and then repeats what it was told."""

    def __init__(self):
        self.asked = []

    def answer(self, **asked):
        """Note what was asked."""
        self.asked.append(asked)
        if len(self.asked) == 1:
            call = {"type": "tool_use", "id": "1", "name": "double", "input": {"number": 3}}
            return Answer([call], "tool_use", Usage(10, 1))
        return Answer(asked["messages"][-1]["content"][0]["content"])


def test_one_method_is_enough():
    """Whatever has `answer` is a client; it gets everything in the form of the Messages API."""
    client: ModelClient = Echo()
    with Fan(1) as fan:
        result = Agent(client, model="small", fan=fan, system="Be brief.", tools=[double], max_tokens=9)("Hello")
    first, second = client.asked
    assert (result.text, result.usage) == ("6", Usage(10, 1, requests=2))
    assert [first[name] for name in ("system", "model", "max_tokens", "on_text")] == ["Be brief.", "small", 9, None]
    assert [tool["name"] for tool in first["tools"]] == ["double"]
    assert first["messages"] == [{"role": "user", "content": "Hello"}]
    assert second["messages"][-1]["content"] == [{"type": "tool_result", "tool_use_id": "1", "content": "6"}]


def test_further_arguments(client):
    """They go with every request, streamed or not."""
    with Fan(1) as fan:
        for on_text in (None, len):
            silent = MessagesClient(client, tool_choice={"type": "none"})
            agent = Agent(silent, model="m", fan=fan, tools=[double], on_text=on_text)
            assert agent(ask_for(("double", {"number": 1}))).turns == 1


def test_the_beta_of_a_client(client):
    """It has the same methods."""
    with Fan(1) as fan:
        result = Agent(client.beta, model="m", fan=fan, tools=[double])(ask_for(("double", {"number": 1})))
    assert results(result) == [("2", False)]


@pytest.mark.parametrize("given", [None, "key", object()])
def test_no_client(given):
    """What cannot be asked is refused."""
    with Fan(1) as fan, pytest.raises(TypeError, match=r"as its client; right is one with messages\.create"):
        Agent(given, model="m", fan=fan)


def test_an_async_client():
    """Its calls would not run in threads; the error names the one that does."""
    with Fan(1) as fan, pytest.raises(TypeError, match="an agent got an AsyncAnthropic; right is Anthropic"):
        Agent(anthropic.AsyncAnthropic(api_key="test"), model="m", fan=fan)
