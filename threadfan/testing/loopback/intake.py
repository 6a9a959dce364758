"""Reading a request as the Messages API does: who may ask, what must be there, what is being asked.

The wording of the errors follows the real service, since clients show it to people and tests compare it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from threadfan.testing.faults import without_markers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Json = dict[str, Any]


class ApiError(Exception):
    """An answer with an error status.

    Args:
        status: The HTTP status.
        kind: The `error.type` of the body.
        message: The `error.message` of the body.
        headers: Headers besides those that every answer has.
    """

    def __init__(self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.headers: dict[str, str] = dict(headers or {})


def bad_request(message: str) -> ApiError:
    """Returns the error for a request that the service does not understand."""
    return ApiError(400, "invalid_request_error", message)


def key_of(headers: Mapping[str, str]) -> str:
    """Returns the API key or the token that a request carries, or an empty text."""
    return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")


def check_key(headers: Mapping[str, str], rejected: Collection[str]) -> None:
    """Raises a 401 unless the request carries an API key that is neither empty, "invalid" nor in `rejected`."""
    key = key_of(headers)
    if not key:
        raise ApiError(401, "authentication_error", "x-api-key header is required")
    if key == "invalid" or key in rejected:
        raise ApiError(401, "authentication_error", "invalid x-api-key")


def parse(body: bytes) -> Json:
    """Returns the request as an object whose fields have the types that the rest of the server relies on."""
    try:
        request = json.loads(body)
    except ValueError as error:  # what is nested too deeply is another error, which is answered wherever it comes up
        raise bad_request(f"The request body is not valid JSON: {error}") from None
    if not isinstance(request, dict):
        raise bad_request("The request body must be a JSON object")
    for name, kind in (("model", str), ("max_tokens", int), ("messages", list)):
        if name not in request:
            raise bad_request(f"{name}: Field required")
        if not isinstance(request[name], kind):
            raise bad_request(f"{name}: Input should be a valid {kind.__name__}")
    if request["max_tokens"] < 1:
        raise bad_request("max_tokens: Input should be greater than or equal to 1")
    if not _is_content(request.get("system") or []):
        raise bad_request("system: Input should be a string or a list of content blocks")
    _check_messages(request["messages"])
    _check_tools(request.get("tools") or [], request.get("tool_choice") or {"type": "auto"})
    return request


def blocks(content: str | list[Json] | None) -> list[Json]:
    """Returns content in its long form: a text stands for a list of one text block."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def text_of(content: str | list[Json] | None) -> str:
    """Returns the text blocks of some content, one after the other on lines of their own."""
    return "\n".join(str(block.get("text", "")) for block in blocks(content) if block.get("type") == "text")


def of_type(message: Json, kind: str) -> list[Json]:
    """Returns the blocks of one type of a message."""
    return [block for block in blocks(message["content"]) if block.get("type") == kind]


def _check_messages(messages: list[Any]) -> None:
    if not messages:
        raise bad_request("messages: at least one message is required")
    for index, message in enumerate(messages):
        _check_message(index, message)
    if not any(message["role"] == "user" for message in messages):
        raise bad_request("messages: at least one message must use the `user` role")
    _check_pairs(messages)


def _check_message(index: int, message: object) -> None:
    if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
        raise bad_request(f"messages.{index}.role: Input should be 'user' or 'assistant'")
    content = message.get("content")
    if not _is_content(content):
        raise bad_request(f"messages.{index}.content: Input should be a string or a list of content blocks")
    if not all(_is_content(block.get("content") or []) for block in of_type(message, "tool_result")):
        raise bad_request(f"messages.{index}.content: a tool_result should hold a string or a list of content blocks")


def _is_content(content: object) -> bool:
    return isinstance(content, str | list) and all(isinstance(block, dict) for block in blocks(content))


def _check_tools(tools: object, choice: object) -> None:
    if not isinstance(tools, list) or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in tools
    ):
        raise bad_request("tools: Input should be a list of tools, each with a name")
    if not isinstance(choice, dict) or choice.get("type") not in ("auto", "any", "tool", "none"):
        raise bad_request("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")


def _check_pairs(messages: Sequence[Json]) -> None:
    """Every tool call is answered in the next message, and nothing else is answered: the rule a tool loop breaks."""
    asked: list[str] = []
    for index, message in enumerate([*messages, {"content": []}]):
        answered = [str(block.get("tool_use_id")) for block in of_type(message, "tool_result")]
        if strangers := [name for name in answered if name not in asked]:
            raise bad_request(
                f"messages.{index}.content: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{', '.join(strangers)}. Each `tool_result` block must have a corresponding `tool_use` block in the "
                "previous message."
            )
        if missing := [name for name in asked if name not in answered]:
            raise bad_request(
                f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        asked = [str(block.get("id")) for block in of_type(message, "tool_use")]


@dataclass(frozen=True)
class Turn:
    """What the last user message asks.

    Args:
        prompt: Its text, with markers.
        results: What its tool results say, in order.
        system: The system prompt.
    """

    prompt: str
    results: tuple[str, ...]
    system: str

    @classmethod
    def of(cls, request: Json) -> Turn:
        """Reads the turn out of a request that `parse` has accepted."""
        last = next(message for message in reversed(request["messages"]) if message["role"] == "user")
        results = (_result(block) for block in of_type(last, "tool_result"))
        return cls(text_of(last["content"]), tuple(results), text_of(request.get("system")))

    @property
    def question(self) -> str:
        """The prompt without markers."""
        return without_markers(self.prompt)


def _result(block: Json) -> str:
    text = text_of(block.get("content"))
    return f"error: {text}" if block.get("is_error") else text
