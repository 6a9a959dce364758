"""The Anthropic SDK: calls that end with the scope they run in, and say what they used.

For example::

    client = attach(anthropic.Anthropic())
    with Fan(10, timeout=60) as fan:
        report = fan.run(lambda text: client.messages.create(…), documents)  # report[0].usage

Guarantees: what ``threadfan.clients.httpx`` says of a client's calls holds for every request of the attached client
and of the clients that it makes with ``with_options``.  Between the SDK's own attempts the scope can end the wait, and
after its end there is no further one.  Tokens are noted on the scope as soon as the SDK has read them, of a stream
with its first event and with each that says more, so they stay noted whatever becomes of the call.  What is never
parsed is not counted, as with ``with_raw_response`` and no ``parse()``.

How that is done, for this SDK and OpenAI's, stands in ``sdk``.
"""

from __future__ import annotations

from .._core.base.usage import FIELDS, Usage
from . import sdk
from .passing import pass_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from anthropic import *  # noqa: F403 -- what passes through

    from .._core.scope.scope import Scope
    from .sdk import Response

    C = TypeVar("C")


__all__ = ["attach"]


def attach(client: C, *, max_retries: int | None = None) -> C:
    """A client of the same type whose calls end with their scope and note their tokens on it.

    The client that it is made from shares its http client, with hooks, proxies, limits, TLS and connections; to close
    either closes both.  Attach before other threads use it: idle connections are closed.

    Args:
        client: an ``Anthropic``, ``AnthropicBedrock``, ``AnthropicVertex`` or other sync client of the SDK.
        max_retries: how often the SDK repeats a request by itself; by default as ``client`` has it.

    Raises:
        TypeError: it is something else, an async client, or of a class that cannot be copied.
    """
    return sdk.attach(client, "anthropic", "anthropic.Anthropic()", _note, max_retries)


def _note(scope: Scope, data: object, response: Response) -> None:
    used = _usage(data)
    if used is not None:
        now = Usage(*[used.get(field) or 0 for field in FIELDS])
        sdk.add_usage(scope, now, _model(data), response)


def _usage(data: object) -> dict[str, int | None] | None:
    """What a message, or an event of one that is streamed, says of its tokens."""
    match data:
        case {"type": "message" | "message_delta", "usage": dict(usage)}:
            return usage
        case {"type": "message_start", "message": {"usage": dict(usage)}}:
            return usage
    return None


def _model(data: object) -> object:
    """The model that a message, or the first event of one that is streamed, is of."""
    match data:
        case {"model": str(model)} | {"message": {"model": str(model)}}:
            return model
    return None


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "anthropic")
