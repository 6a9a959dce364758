"""Writing an answer as the Messages API does, in one piece or as a stream of events."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from threadfan.testing.loopback.intake import Json

_CHARACTERS_PER_TOKEN = 4  # the usual rule of thumb for English
DELTA = 24
"""Characters in one streamed delta: small enough that an ordinary answer has several."""


class Pieces:
    """A response with status 200 whose body is sent piece by piece.

    Args:
        pieces: The body.
        headers: Its headers; without `content-length` it is sent chunked.
        interval: Time before each piece, in seconds.
        sent: Is called after the last piece.
    """

    def __init__(
        self,
        pieces: Sequence[bytes],
        headers: Mapping[str, str],
        interval: float = 0.0,
        sent: Callable[[], None] = lambda: None,
    ) -> None:
        self._pieces = pieces
        self._sent = sent
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._interval = interval

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response.

        Raises:
            ClientDisconnect: The client left between two pieces.
        """
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        for left, piece in zip(range(len(self._pieces) - 1, -1, -1), self._pieces, strict=True):
            await stay(receive, self._interval)
            await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
        self._sent()


async def stay(receive: Receive, seconds: float | None) -> None:
    """Waits while the client does.

    Args:
        receive: The channel on which the client's leaving is announced; the body must have been read.
        seconds: How long; None means for ever.

    Raises:
        ClientDisconnect: The client left before that.
    """
    if seconds == 0:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
            raise ClientDisconnect


def single_bytes(body: bytes) -> list[bytes]:
    """Returns a body cut into pieces of one byte."""
    return [body[place : place + 1] for place in range(len(body))]


def tokens(text: str) -> int:
    """Returns how many tokens a text counts as."""
    return max(1, -(-len(text) // _CHARACTERS_PER_TOKEN))


def prompt_of(request: Json) -> str:
    """Returns all that a request says to the model as one text, whose tokens are its input tokens."""
    return _dump([request.get("system"), request["messages"], request.get("tools")])


def message(request: Json, content: list[Json], number: int, input_tokens: int, stop: str | None = None) -> Json:
    """Returns the message that answers a request.

    A text is cut to `max_tokens`; tool calls are left whole, since half a call is of no use to a test.

    Args:
        request: The whole request.
        content: The blocks of the answer.
        number: Makes the message's id unique on this server.
        input_tokens: The length of the prompt.
        stop: The stop reason, if a marker names one.
    """
    content, reason = _cut(content, request["max_tokens"])
    reason = stop or reason
    return {
        "id": f"msg_{number:024d}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": input_tokens, "output_tokens": sum(tokens(_payload(b)) for b in content)},
    }


def events(whole: Json) -> Iterator[bytes]:
    """Yields the server-sent events from which a client puts the message together again."""
    usage = {**whole["usage"], "output_tokens": 1}
    yield _event("message_start", message={**whole, "content": [], "stop_reason": None, "usage": usage})
    for index, block in enumerate(whole["content"]):
        yield from _block_events(index, block)
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", delta=delta, usage={"output_tokens": whole["usage"]["output_tokens"]})
    yield _event("message_stop")


def _block_events(index: int, block: Json) -> Iterator[bytes]:
    empty, kind, name = ({"text": ""}, "text_delta", "text")
    if block["type"] == "tool_use":
        empty, kind, name = ({"input": {}}, "input_json_delta", "partial_json")  # type: ignore[dict-item]
    yield _event("content_block_start", index=index, content_block={**block, **empty})
    if index == 0:
        yield _event("ping")
    payload = _payload(block)
    for start in range(0, len(payload), DELTA):
        delta = {"type": kind, name: payload[start : start + DELTA]}
        yield _event("content_block_delta", index=index, delta=delta)
    yield _event("content_block_stop", index=index)


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {_dump({'type': kind, **fields})}\n\n".encode()


def _payload(block: Json) -> str:
    return str(block["text"]) if block["type"] == "text" else _dump(block["input"])


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cut(content: list[Json], max_tokens: int) -> tuple[list[Json], str]:
    if any(block["type"] == "tool_use" for block in content):
        return content, "tool_use"
    text, room = content[0]["text"] if content else "", max_tokens * _CHARACTERS_PER_TOKEN
    if len(text) <= room:
        return content, "end_turn"
    return [{"type": "text", "text": text[:room]}], "max_tokens"
