"""What an agent asks of a model's client, and how the Anthropic SDK's answers it.

Any other client takes its place with one method, ``answer``.  Messages, tools and the blocks of answers are plain dicts
in the form of the Messages API (https://docs.anthropic.com/en/api/messages); an adapter translates from there, as
`examples/other_clients.py` does for the chat completions of OpenAI and its many relatives.
"""

from __future__ import annotations

from typing import Protocol

from ..base.errors import brief
from ..base.usage import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Json = dict[str, Any]


class Answer:
    """One answer of a model.

    Args:
        content: its blocks, such as ``{"type": "text", "text": …}`` and ``{"type": "tool_use", "id": …, "name": …,
            "input": …}``; a text stands for one block.
        stop_reason: as the Messages API names it: ``"end_turn"``, ``"tool_use"``, ``"max_tokens"``, …
        usage: the tokens it took; None if they are not known.
    """

    __slots__ = ("content", "stop_reason", "usage")

    def __init__(self, content: str | list[Json], stop_reason: str | None = "end_turn", usage: Any = None) -> None:
        self.content = [{"type": "text", "text": content}] if isinstance(content, str) else content
        self.stop_reason = stop_reason
        self.usage: Usage = usage if isinstance(usage, Usage) else Usage.of(usage)


class ModelClient(Protocol):
    """What an agent needs of a client.  It is called from several threads at once."""

    def answer(
        self,
        *,
        system: Any,
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

        Agent(MessagesClient(client, temperature=0, stop_sequences=["END"]), model=…)

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
        system: Any,
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
        message = self._messages.create(**request) if on_text is None else self._streamed(request, on_text)
        return Answer([_plain(block) for block in message.content], message.stop_reason, message.usage)

    def _streamed(self, request: Json, on_text: Callable[[str], object]) -> Any:
        with self._messages.stream(**request) as stream:
            for piece in stream.text_stream:
                on_text(piece)
            return stream.get_final_message()


def model_client(client: Any) -> ModelClient:
    """The client itself if it is a ``ModelClient``, else an adapter for it.

    Raises:
        TypeError: it is neither, or it is async.
    """
    if callable(getattr(client, "answer", None)):
        return client  # type: ignore[no-any-return]
    return MessagesClient(client)


def _plain(block: Any) -> Json:
    plain: Json = block if isinstance(block, dict) else block.to_dict()
    return plain
