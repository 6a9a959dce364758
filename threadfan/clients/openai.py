"""The OpenAI SDK: calls that end with the scope they run in, and say what they used.

For example::

    client = attach(openai.OpenAI())
    with Fan(10, timeout=60) as fan:
        report = fan.run(lambda text: client.responses.create(…), documents)  # report[0].usage

Guarantees: those of ``threadfan.clients.anthropic``, for chat completions, responses, embeddings and whatever else says
what it has used; of AzureOpenAI, and of clients of other providers that speak OpenAI's protocol.  What was made by an
earlier request and is only looked up (``responses.retrieve``) is not counted again.  A stream of chat completions says
what it has used only if it is asked to: ``stream_options={"include_usage": True}``.
"""

from __future__ import annotations

from .._core.base.usage import priced_usage_of
from . import sdk
from .passing import pass_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from openai import *  # type: ignore[import-not-found,unused-ignore]  # noqa: F403 -- what passes through

    from .._core.scope.scope import Scope
    from .sdk import Response

    C = TypeVar("C")


__all__ = ["attach"]


def attach(client: C, *, max_retries: int | None = None) -> C:
    """A client of the same type whose calls end with their scope and note their tokens on it.

    The client that it is made from shares its http client, with hooks, proxies, limits, TLS and connections; to close
    either closes both.  Attach before other threads use it: idle connections are closed.

    Args:
        client: an ``OpenAI``, ``AzureOpenAI`` or other sync client of the SDK.
        max_retries: how often the SDK repeats a request by itself; by default as ``client`` has it.

    Raises:
        TypeError: it is something else, an async client, or of a class that cannot be copied.
    """
    return sdk.attach(client, "openai", "openai.OpenAI()", _note, max_retries)


def _note(scope: Scope, data: object, response: Response) -> None:
    if response.request.method != "POST":
        return
    match data:  # events of streams hold what they are about
        case {"response": dict(found)} | {"event": str(), "data": dict(found)}:
            told: object = found
        case _:
            told = data
    used = priced_usage_of(told)
    if used is not None:
        sdk.add_usage(scope, used, getattr(used, "model", None), response)


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "openai")
