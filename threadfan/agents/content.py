"""What a tool call has come to, as content for the model."""

from __future__ import annotations

import json

from .._core.base.errors import TaskTimeout
from .._core.base.texts import text_of
from .errors import AgentStopped, ToolFailed
from .result import AgentResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._core.base.outcome import Outcome
    from .shapes import Content, Json

NOTHING = "(no result)"
LONGEST = 10_000
"""Characters of an error's text.  Arbitrary: enough for any message, too little to fill a context window."""

_BLOCKS = {"text": "text", "image": "source", "document": "source", "search_result": "content",
           "tool_reference": "tool_name"}  # fmt: skip
"""The blocks that a tool result may hold, each with what tells it from other data that has a ``type``."""


def content_of(outcome: Outcome[object]) -> tuple[Content, bool]:
    """What the model is told of a tool call, and whether it is an error."""
    if outcome.error is not None:
        return failure(outcome.error), True
    try:
        return written(outcome.value), False
    except Exception as error:
        return f"the tool's result cannot be written as JSON: {_named(error)}", True


def written(value: object) -> Content:
    """What a tool has returned, as content: texts and content blocks as they are, the rest as JSON.

    In a list with blocks texts become blocks too, and beside a picture or a document so does all else, as JSON: what is
    thousands of characters to a reader of JSON is a picture to the model.

    Raises:
        Exception: there is no JSON for it, as for a list that holds itself.
    """
    if value is None:
        return NOTHING
    if isinstance(value, str | AgentResult):
        return _encodable(str(value))
    parts = [_block(part) for part in (value if isinstance(value, list | tuple) else [value])]
    if any(_is_media(part) for part in parts) or (any(map(_is_block, parts)) and all(map(_may_be_block, parts))):
        return [block for block in map(_as_block, parts) if block.get("text") != ""] or NOTHING
    return _encodable(_json(value))


def _block(part: object) -> Any:
    """A content block of the SDK's, or of the Model Context Protocol's, as the dict that the API takes."""
    kind = getattr(part, "type", None)
    if isinstance(kind, str) and not isinstance(part, dict):
        to_dict = getattr(part, "to_dict", None) or getattr(part, "model_dump", None)
        found = to_dict() if callable(to_dict) else None
        if isinstance(found, dict):
            part = {name: value for name, value in found.items() if value is not None}
    if isinstance(part, dict) and part.get("type") == "image" and {"data", "mimeType"} <= part.keys():
        # https://modelcontextprotocol.io/specification/2025-06-18/server/tools#image-content
        source = {"type": "base64", "media_type": part["mimeType"], "data": part["data"]}
        return {"type": "image", "source": source}
    return part


def _is_media(part: object) -> bool:
    return isinstance(part, dict) and _is_block(part) and part["type"] in ("image", "document")


def _may_be_block(part: object) -> bool:
    return isinstance(part, str) or _is_block(part)


def _as_block(part: Any) -> Json:
    if _is_block(part):
        return part  # type: ignore[no-any-return]
    return {"type": "text", "text": _encodable(part if isinstance(part, str) else _json(part))}


def failure(error: BaseException) -> Content:
    """What the model is told of a tool call that has failed: why, and what it can do better."""
    if isinstance(error, ToolFailed):
        return _encodable(str(error))
    if isinstance(error, TaskTimeout):
        return _encodable(f"timed out: {error}")
    if type(error).__name__ == "ToolError" and hasattr(error, "content"):  # the SDK's, which has content of its own
        return written(error.content)
    text = _named(error)
    result = getattr(error, "result", None)
    if isinstance(error, AgentStopped) and isinstance(result, AgentResult) and result.text:
        text += f"\nUntil then it had said: {result.text}"
    return _encodable(text)


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {text_of(error)}"[:LONGEST]


def _is_block(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return False
    return _BLOCKS.get(value["type"]) in value


def _json(value: object) -> str:
    try:
        from pydantic_core import to_json  # which knows models, dataclasses, dates and more

        return to_json(value, fallback=str, bytes_mode="base64").decode()
    except Exception:  # it is not there, or met text that is no Unicode
        return json.dumps(value, default=str, ensure_ascii=False)


def _encodable(text: str) -> str:
    """The text without halves of characters, which a request cannot hold."""
    return text.encode(errors="replace").decode()
