"""What a tool returns or raises, as content for the model."""

import dataclasses
import datetime
import decimal

import pytest
from anthropic.types import TextBlock
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from threadfan._core.base.usage import Usage
from threadfan.agents import AgentStopped
from threadfan.agents.content import LONGEST, failure, written
from threadfan.agents.result import AgentResult

PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
TEXT = {"type": "text", "text": "hello"}


class Model(BaseModel):
    """Something of pydantic's."""

    day: datetime.date


@dataclasses.dataclass
class Point:
    """Something of the standard library's."""

    x: int


class Kind(BaseModel):
    """Something that has a type as blocks have, and is none."""

    type: str


class Shot(BaseModel):
    """A picture as the Model Context Protocol writes it."""

    type: str = "image"
    data: str
    mimeType: str  # noqa: N815 -- the protocol's
    annotations: dict | None = None


SHOT = Shot(data="AA==", mimeType="image/png")


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text", "text"),
        ("", ""),
        (None, "(no result)"),
        (7, "7"),
        (True, "true"),
        ([], "[]"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (["ä", "日"], '["ä","日"]'),
        ({"type": "text"}, '{"type":"text"}'),
        ({"type": ["text"]}, '{"type":["text"]}'),
        ([{"type": "review", "text": "good"}], '[{"type":"review","text":"good"}]'),
        ([TEXT, {"x": 1}], '[{"type":"text","text":"hello"},{"x":1}]'),
        (PICTURE, [PICTURE]),
        ((TEXT, PICTURE), [TEXT, PICTURE]),
        (["see:", PICTURE], [{"type": "text", "text": "see:"}, PICTURE]),
        (["see:", TEXT], [{"type": "text", "text": "see:"}, TEXT]),
        ([PICTURE, {"x": 1}, None], [PICTURE, {"type": "text", "text": '{"x":1}'}, {"type": "text", "text": "null"}]),
        ([{"type": "text", "text": ""}, "", PICTURE], [PICTURE]),
        ([{"type": "text", "text": ""}], "(no result)"),
        (TextBlock(type="text", text="hello"), [TEXT]),
        ([TextBlock(type="text", text="hello", citations=None), SHOT], [TEXT, PICTURE]),
        (["\ud800", PICTURE], [{"type": "text", "text": "?"}, PICTURE]),
        ([Kind(type="text"), Kind(type="image")], '[{"type":"text"},{"type":"image"}]'),
        (Model(day="2026-01-31"), '{"day":"2026-01-31"}'),
        ([Point(1)], '[{"x":1}]'),
        ({"at": datetime.time(1, 2), "cost": decimal.Decimal("1.5")}, '{"at":"01:02:00","cost":"1.5"}'),
        (b"\xff", '"_w=="'),
        (float("nan"), "NaN"),
        (st, f'"{st}"'),
        ("half \ud800 a character", "half ? a character"),
        (["\ud800"], '["?"]'),
    ],
)
def test_values(value, content):
    """Texts and blocks stay as they are, all else is JSON."""
    assert written(value) == content


def test_a_result_of_an_agent():
    """It is what the agent has said."""
    result = AgentResult("said", [], stop_reason="end_turn", turns=1, usage=Usage(), tool_calls=[])
    assert written(result) == "said"


def test_a_value_that_has_no_json():
    """A list that holds itself cannot be written."""
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="Circular reference"):
        written(endless)


class Mute(Exception):
    """An error whose text fails."""

    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such city"), "ValueError: no such city"),
        (KeyError("Oslo"), "KeyError: 'Oslo'"),
        (SystemExit(3), "SystemExit: 3"),
        (Mute(), "Mute: <Mute whose str fails>"),
        (ValueError("x" * 20_000), ("ValueError: " + "x" * 20_000)[:LONGEST]),
        (ValueError("\udfff"), "ValueError: ?"),
    ],
)
def test_errors(error, text):
    """The type and the message, never longer than a model can stand."""
    assert failure(error) == text


def test_the_error_of_an_agent_tells_what_it_had_said():
    """What a sub-agent has found until its end is not lost."""
    error = AgentStopped("no more turns")
    assert failure(error) == "AgentStopped: no more turns"
    error.result = AgentResult("half of it", [], stop_reason="tool_use", turns=1, usage=Usage(), tool_calls=[])
    assert failure(error) == "AgentStopped: no more turns\nUntil then it had said: half of it"


@settings(max_examples=50)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_whatever_a_tool_returns_can_be_sent(value):
    """The content is a text, and one that a request can hold."""
    content = written(value)
    assert isinstance(content, str)
    content.encode()
