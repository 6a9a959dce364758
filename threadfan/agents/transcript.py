"""Conversations in the form that the API takes back: what is handed in, what is kept of an answer, what is sent.

What it refuses (https://docs.anthropic.com/en/api/messages): a text block without text, an answer that ends with
thoughts, and a last message that is half an answer and ends with white space.  All of that it sends by itself at times.
"""

from __future__ import annotations

from .errors import AnswerBroken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .shapes import Json

_THOUGHTS = ("thinking", "redacted_thinking")
_UNSAID = ("caller", "citations")


def begun(prompt: object) -> list[Json]:
    """A conversation to start from: of a text, of content blocks, of messages, or of an earlier result.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    given = getattr(prompt, "messages", prompt)
    messages = list(map(_said, given)) if isinstance(given, list) else []
    if not messages or not all(isinstance(one, dict) for one in messages):
        raise TypeError(f"an agent takes a text, a list of messages or an AgentResult, not {type(prompt).__name__}")
    if not all("role" in one for one in messages):
        return [{"role": "user", "content": messages}]
    return [taken for one in messages if (taken := _taken(one))["content"] or one["role"] == "user"]


def _taken(message: Json) -> Json:
    """A message with blocks that are plain dicts, without what the API would refuse of an answer."""
    content = message.get("content")
    if not isinstance(content, list):
        return {**message, "content": content}
    blocks = list(map(plain, content))
    return {**message, "content": kept(blocks) if message["role"] == "assistant" else blocks}


def plain(block: object) -> Any:
    """A block or a message of the SDK's as a dict; anything else as it is."""
    to_dict = getattr(block, "to_dict", None)
    return to_dict() if callable(to_dict) and not isinstance(block, dict) else block


def _said(message: object) -> Any:
    """A message as it is sent: of an answer of the SDK's its role and content alone."""
    given = plain(message)
    if isinstance(given, dict) and given.get("type") == "message":
        return {"role": given.get("role"), "content": given.get("content")}
    return given


def kept(blocks: list[Json]) -> list[Json]:
    """What is kept of the blocks of an answer."""
    blocks = [
        _without_nulls(block) for block in blocks if block.get("type") != "text" or (block.get("text") or "").strip()
    ]
    while blocks and blocks[-1].get("type") in _THOUGHTS:
        blocks.pop()
    return blocks


def _without_nulls(block: Json) -> Json:
    """A block as the server has said it: of a stream, some versions of the SDK put in nulls, which the API refuses."""
    return {name: value for name, value in block.items() if value is not None or name not in _UNSAID}


def sent(messages: list[Json]) -> list[Json]:
    """A copy to be sent, of which the model is to go on from the last message if that is its own."""
    last = messages[-1]
    if last["role"] != "assistant":
        return list(messages)
    content = last["content"]
    if isinstance(content, str):
        content = content.rstrip()
    elif content and content[-1].get("type") == "text":
        content = [*content[:-1], {**content[-1], "text": content[-1]["text"].rstrip()}]
    return [*messages[:-1], {**last, "content": content}]


def checked(content: object) -> list[Json]:
    """The blocks of an answer, each with what is relied on here.

    Raises:
        AnswerBroken: there is something else.
    """
    if not isinstance(content, list):
        raise AnswerBroken(f"the answer has {_kind(content)} where a list of content blocks should be")
    return [_checked(block, place) for place, block in enumerate(content)]


def _checked(block: object, place: int) -> Json:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        raise AnswerBroken(f"block {place} of the answer is {_kind(block)} without a type")
    for field in {"text": ("text",), "tool_use": ("id", "name")}.get(block["type"], ()):
        if not isinstance(block.get(field), str):
            raise AnswerBroken(
                f"block {place} of the answer, of type {block['type']}, has {_kind(block.get(field))} where its "
                f"{field} should be"
            )
    if block["type"] == "tool_use" and block.get("input") is None:  # as some servers call a tool that takes nothing
        return {**block, "input": {}}
    result: Json = block
    return result


def _kind(value: object) -> str:
    return "null" if value is None else f"a {type(value).__name__}"
