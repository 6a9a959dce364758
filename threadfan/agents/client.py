"""What an agent asks of a model's client, and how the Anthropic SDK's answers it.

Any other client takes its place with one method, ``answer``.  Messages, tools and the blocks of answers are plain dicts
in the form of the Messages API (https://docs.anthropic.com/en/api/messages); an adapter translates from there, as
`examples/other_clients.py` does for the chat completions of OpenAI and its many relatives.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import Protocol

from .._core.base.texts import brief
from .._core.base.usage import Usage
from .errors import AnswerBroken
from .transcript import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .shapes import Content, Json


class Answer:
    """One answer of a model.

    Args:
        content: its blocks, such as ``{"type": "text", "text": …}`` and ``{"type": "tool_use", "id": …, "name": …,
            "input": …}``; a text stands for one block.
        stop_reason: as the Messages API names it: ``"end_turn"``, ``"tool_use"``, ``"max_tokens"``, …
        usage: the tokens it took; None if they are not known.
    """

    __slots__ = ("content", "stop_reason", "usage")

    def __init__(self, content: Content, stop_reason: str | None = "end_turn", usage: object = None) -> None:
        self.content: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        self.stop_reason: str | None = stop_reason
        self.usage: Usage = usage if isinstance(usage, Usage) else Usage.of(usage)


class ModelClient(Protocol):
    """What an agent needs of a client.  It is called from several threads at once."""

    def answer(
        self,
        *,
        system: Content | None,
        messages: list[Json],
        tools: list[Json],
        model: str,
        max_tokens: int,
        on_text: Callable[[str], object] | None,
    ) -> Answer:
        """Ask the model, and wait for its answer.

        Args:
            system: the system prompt, or None.
            messages: the conversation so far; not to be changed.
            tools: each with ``name``, ``description`` and ``input_schema``.
            model: its name.
            max_tokens: the longest answer.
            on_text: called with each piece of text as it comes, or None; its errors are let through.
        """
        ...


class MessagesClient:
    """The adapter for clients of the Anthropic SDK, and for whatever has their ``messages.create``.

    An agent makes it by itself; making it is for further arguments of each request::

        Agent(MessagesClient(client, stop_sequences=["END"], extra_body={"temperature": 0}), model=…)

    Args:
        client: an ``Anthropic``, ``AnthropicBedrock``, … or the ``beta`` of one.
        arguments: for ``messages.create`` and ``messages.stream``.

    Raises:
        TypeError: it is an async client, or none.
    """

    def __init__(self, client: Any, **arguments: Any) -> None:
        if any(kind.__name__ == "AsyncAPIClient" for kind in type(client).__mro__):
            right = type(client).__name__.removeprefix("Async")
            raise TypeError(f"an agent got an {type(client).__name__}; right is {right}, whose calls run in threads")
        if not callable(getattr(getattr(client, "messages", None), "create", None)):
            raise TypeError(
                f"an agent got {brief(client)} as its client; right is one with messages.create, as of the anthropic "
                f"SDK, or a ModelClient: an object with the method answer(…)"
            )
        self._messages = client.messages
        self._arguments = arguments

    def answer(
        self,
        *,
        system: Content | None,
        messages: list[Json],
        tools: list[Json],
        model: str,
        max_tokens: int,
        on_text: Callable[[str], object] | None,
    ) -> Answer:
        """See ``ModelClient``."""
        request = {**self._arguments, "model": model, "max_tokens": max_tokens, "messages": messages}
        if system is not None:
            request["system"] = system
        if tools:
            request["tools"] = tools
        if on_text is not None:
            return self._streamed(request, on_text)
        try:
            message = self._messages.create(**request)
        except json.JSONDecodeError as error:
            raise _unreadable(error) from error
        except ValueError as error:
            if not _asks_for_a_stream(error):
                raise
            return self._streamed(request, None)
        return _answer(message)

    def _streamed(self, request: Json, on_text: Callable[[str], object] | None) -> Answer:
        ended = False
        with self._messages.stream(**request) as stream:
            events = iter(stream)
            while True:
                with _reading():  # and not while `on_text` runs, whose errors are its own
                    event = next(events, None)
                    piece = _text_of(event)
                if event is None:
                    break
                ended = ended or event.type == "message_stop"
                if piece is not None and on_text is not None:
                    on_text(piece)
            if not ended:
                text = "the stream has ended before the answer"
                raise AnswerBroken(text) from ConnectionError(text)  # as which it may be tried again
            with _reading():
                return _answer(stream.get_final_message())


@contextmanager
def _reading() -> Iterator[None]:
    """What the SDK stumbles over in an answer that is none is told as that."""
    try:
        yield
    except (AssertionError, AttributeError, LookupError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        if isinstance(error, RuntimeError) and type(error) is not RuntimeError:
            raise  # of httpx, about a stream that was closed
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> AnswerBroken:
    return AnswerBroken(f"the answer cannot be read: {brief(error)}")


def _text_of(event: Any) -> str | None:
    """The piece of text that an event brings, if it does."""
    if event is None or event.type != "content_block_delta" or event.delta.type != "text_delta":
        return None
    if not isinstance(event.delta.text, str):
        raise TypeError("a piece of text is null")
    return event.delta.text


def _answer(message: object) -> Answer:
    content = getattr(message, "content", None)
    if not isinstance(content, list):  # of a body that is no JSON the SDK gives the text
        raise AnswerBroken(f"what came is no message, but {type(message).__name__}")
    return Answer(list(map(plain, content)), getattr(message, "stop_reason", None), getattr(message, "usage", None))


def _asks_for_a_stream(error: ValueError) -> bool:
    """Whether the SDK has made no request, since a whole answer of that length may take too long to come."""
    return "Streaming is" in str(error)


def model_client(client: Any) -> ModelClient:
    """The client itself if it is a ``ModelClient``, else an adapter for it.

    Raises:
        TypeError: it is neither, or it is async.
    """
    if callable(getattr(client, "answer", None)):
        return client  # type: ignore[no-any-return]
    return MessagesClient(client)
