"""Calls that cannot work are refused, with what would be right."""

import re

import pytest

from threadfan import Fan, Hedge
from threadfan.agents import Agent, Answer, tool


class Texts:
    """A client that answers with a plain text."""

    def answer(self, **_):
        """A text, where an ``Answer`` should be."""
        return "Hello."


def search(word: str) -> str:
    """Search."""
    return word


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_turn": 3}, "Agent takes no max_turn=3: did you mean max_turns?"),
        (
            {"retry": 3},
            "Agent takes no retry=3: it is an option of its fan: Agent(…, fan=fan.with_options(retry=3))",
        ),
    ],
)
def test_options_that_an_agent_does_not_take(options, message):
    """They are named, with where they belong."""
    with Fan(1) as fan, pytest.raises(TypeError, match=re.escape(message)):
        Agent(Texts(), model="m", fan=fan, **options)


def test_an_agent_without_a_model():
    """Nobody needs to know how its arguments are read."""
    with Fan(1) as fan, pytest.raises(TypeError, match=r"Agent\(\) missing .*'model'"):
        Agent(Texts(), fan=fan)


def test_options_that_a_tool_does_not_take():
    """The same."""
    with pytest.raises(TypeError, match=r"tool takes no timout=3: did you mean timeout\?"):
        tool(search, timout=3)
    with pytest.raises(
        TypeError, match=r"tool takes no total_timeout=2: .*fan=fan\.with_options\(total_timeout=2\)\);"
    ):
        tool(search, total_timeout=2)
    with pytest.raises(TypeError, match=r"tool takes no hedge=.*: it takes name, .* and alone"):
        tool(search, hedge=Hedge())


def test_tool_as_a_decorator_with_options():
    """It is none."""
    with pytest.raises(TypeError, match=r"is no decorator with options: write tools=\[tool\(search, …\)\]"):
        tool(alone=True)


def test_a_client_that_answers_with_a_text():
    """Its class and that of what it has returned are named, and neither is shown, since one may hold a key."""
    with (
        Fan(1) as fan,
        pytest.raises(TypeError, match=r"answer\(…\) of .*Texts has returned a str; right is an Answer"),
    ):
        Agent(Texts(), model="m", fan=fan)("Go")


def test_a_parameter_without_a_type():
    """It takes whatever the model sends, as the page says."""

    def show(thing):
        return thing

    assert tool(show).definition["input_schema"]["properties"] == {"thing": {}}
    assert tool(show)({"thing": [1]}) == [1]
    assert Answer("x").content == [{"type": "text", "text": "x"}]


@pytest.mark.parametrize("name", ["password", "api_key", "auth_token", "client_secret"])
def test_a_secret_that_is_no_option_is_not_shown(name):
    """Whatever it looks like."""
    with pytest.raises(TypeError, match=f"Agent takes no {name}=…: ") as caught:
        Agent(Texts(), model="m", fan=None, **{name: "hunter2hunter2"})
    assert "hunter2" not in str(caught.value)
