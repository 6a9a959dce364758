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

The SDK has no public place for the last two; where they are put, the tests of this file hold on to.
"""

from __future__ import annotations

import logging
from functools import partial

from .._core.base.usage import FIELDS, Usage, of_model
from .._core.scope.scope import scope_here
from .._core.scope.waiting import sleep
from .httpx import attach as attach_http
from .passing import pass_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol, TypeVar

    from anthropic import *  # noqa: F403 -- what passes through

    from .._core.scope.scope import Scope

    C = TypeVar("C")
    Sdk = Any  # a client of the SDK: what is used of it has no public type

    class Response(Protocol):
        """What is used of httpx's."""

        headers: Mapping[str, str]
        extensions: dict[str, Any]


__all__ = ["attach"]

NOTED = "threadfan_usage"  # where a response keeps the usage that has been noted of it
MODEL = "threadfan_model"  # and the model that it is of


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
    family = {kind.__name__ for kind in type(client).__mro__ if kind.__module__.partition(".")[0] == "anthropic"}
    if "AsyncAPIClient" in family:
        right = type(client).__name__.removeprefix("Async")
        raise TypeError(f"attach got {client!r}, an async client; right is {right}, called from a fan's threads")
    if "SyncAPIClient" not in family:
        raise TypeError(f"attach got {client!r}; right is a client of the anthropic SDK, such as anthropic.Anthropic()")
    copied: C = _seam(_copy(client, {} if max_retries is None else {"max_retries": max_retries}))
    return copied


def _copy(client: Sdk, changes: dict[str, int]) -> Sdk:
    name = type(client).__name__
    remedy = (
        f"right is to attach a plain client, or to give {name} an __init__ that takes what its base's copy() passes"
    )
    try:
        # Not client.copy: that of an attached client attaches again.
        copied = type(client).copy(client, http_client=_http_client_of(client), **changes)
    except TypeError as error:
        raise TypeError(f"a {name} cannot be copied: {error}; {remedy}") from error
    if _http_client_of(copied) is not _http_client_of(client):
        copied.close()
        raise TypeError(f"a {name} cannot be copied: it loses its http_client; {remedy}")
    return copied


def _seam(client: Sdk) -> Sdk:
    attach_http(_http_client_of(client))
    client.__dict__.update(
        _process_response_data=partial(_process, client._process_response_data),
        _sleep_for_retry=partial(_wait, client),
        copy=partial(_copied, client.copy),
        with_options=partial(_copied, client.copy),
    )
    return client


def _http_client_of(client: Sdk) -> object:
    return client._client


def _copied(copy: Callable[..., Sdk], *args: object, **options: object) -> Sdk:
    return _seam(copy(*args, **options))


def _process(process: Callable[..., object], *, data: object, response: Response, **rest: object) -> object:
    """In the place of the SDK's: it makes objects of a response's data, or of those of one event of a stream."""
    scope = scope_here()
    if scope is not None:
        used = _usage(data)
        if used is not None:
            _note(scope, used, response, data)
        scope.check()  # one chunk may hold many events, and reading them touches the network only once
    return process(data=data, response=response, **rest)


def _wait(client: Sdk, *, retries_taken: int, max_retries: int, options: Any, response: Response | None) -> None:
    """In the place of the SDK's, which sleeps where no cancel reaches it."""
    headers = None if response is None else response.headers
    seconds = client._calculate_retry_timeout(max_retries - retries_taken, options, headers)
    logging.getLogger("anthropic").info("Retrying request to %s in %f seconds", options.url, seconds)
    sleep(seconds)


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


def _note(scope: Scope, usage: dict[str, int | None], response: Response, data: object) -> None:
    """Note what is new: the events of a stream each give the whole sum until then, and leave out what they lack."""
    before = response.extensions.get(NOTED)
    now = [usage.get(field) or 0 for field in FIELDS]
    if before is None:
        response.extensions[NOTED] = now
        model = response.extensions[MODEL] = _model(data)
        scope.add_usage(of_model(Usage(*now), model))
        return
    now = [max(pair) for pair in zip(now, before, strict=True)]
    if now != before:
        response.extensions[NOTED] = now
        more = Usage(*(new - old for new, old in zip(now, before, strict=True)), requests=0)
        scope.add_usage(of_model(more, response.extensions.get(MODEL)))


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "anthropic")
