"""SDKs that Stainless generates, of which those of Anthropic and OpenAI are two: what their seams have in common.

An attached client is a copy whose requests go through an attached http client, and in which two methods of the SDK's
are replaced: that which makes objects of a response's data, where tokens are noted, and that which waits between the
SDK's own attempts.  The SDKs have no public place for either; where they are put, the tests of the seams hold on to.
"""

from __future__ import annotations

import logging
from functools import partial

from .._core.base.usage import at_least, beyond, of_model
from .._core.scope.scope import scope_here
from .._core.scope.waiting import sleep
from .httpx import attach as attach_http

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol, TypeVar

    from .._core.base.usage import Usage
    from .._core.scope.scope import Scope

    C = TypeVar("C")
    Sdk = Any  # a client of an SDK: what is used of it has no public type

    class Request(Protocol):
        """What is used of httpx's."""

        method: str

    class Response(Protocol):
        """What is used of httpx's."""

        headers: Mapping[str, str]
        extensions: dict[str, Any]

        @property
        def request(self) -> Request:
            """What it answers."""

    Note = Callable[[Scope, object, Response], None]
    """Notes on a scope what the data of a response, or of one event of it, say of tokens."""


NOTED = "threadfan_usage"  # where a response keeps the usage that has been noted of it
MODEL = "threadfan_model"  # and the model that it is of


def attach(client: C, package: str, example: str, note: Note, max_retries: int | None) -> C:
    """See ``threadfan.clients.anthropic.attach``.

    Args:
        package: of the SDK.
        example: a client of it, for messages.
        note: notes tokens.
    """
    family = {kind.__name__ for kind in type(client).__mro__ if kind.__module__.partition(".")[0] == package}
    if "AsyncAPIClient" in family:
        right = type(client).__name__.removeprefix("Async")
        raise TypeError(f"attach got {client!r}, an async client; right is {right}, called from a fan's threads")
    if "SyncAPIClient" not in family:
        raise TypeError(f"attach got {client!r}; right is a client of the {package} SDK, such as {example}")
    copied: C = _seam(_copy(client, {} if max_retries is None else {"max_retries": max_retries}), package, note)
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


def _seam(client: Sdk, package: str, note: Note) -> Sdk:
    attach_http(_http_client_of(client))
    client.__dict__.update(
        _process_response_data=partial(_process, client._process_response_data, note),
        copy=partial(_copied, client.copy, package, note),
        with_options=partial(_copied, client.copy, package, note),
    )
    calculate = client._calculate_retry_timeout
    if hasattr(client, "_sleep_for_retry"):
        client.__dict__["_sleep_for_retry"] = partial(_wait, calculate, package)
    else:  # OpenAI's before it had that: it asks how long to sleep, and then sleeps
        client.__dict__["_calculate_retry_timeout"] = partial(_waited, calculate)
    return client


def _http_client_of(client: Sdk) -> object:
    return client._client


def _copied(copy: Callable[..., Sdk], package: str, note: Note, *args: object, **options: object) -> Sdk:
    return _seam(copy(*args, **options), package, note)


def _process(process: Callable[..., object], note: Note, *, data: object, response: Response, **rest: object) -> object:
    """In the place of the SDK's: it makes objects of a response's data, or of those of one event of a stream."""
    scope = scope_here()
    if scope is not None:
        note(scope, data, response)
        scope.check()  # one chunk may hold many events, and reading them touches the network only once
    return process(data=data, response=response, **rest)


def _wait(
    calculate: Callable[..., float],
    package: str,
    *,
    retries_taken: int,
    max_retries: int,
    options: Any,
    response: Response | None,
) -> None:
    """In the place of the SDK's, which sleeps where no cancel reaches it."""
    headers = None if response is None else response.headers
    seconds = calculate(max_retries - retries_taken, options, headers)
    logging.getLogger(package).info("Retrying request to %s in %f seconds", options.url, seconds)
    sleep(seconds)


def _waited(calculate: Callable[..., float], *args: object, **options: object) -> float:
    sleep(calculate(*args, **options))
    return 0.0


def add_usage(scope: Scope, used: Usage, model: object, response: Response) -> None:
    """Note what is new: the events of a stream each give the whole sum until then, and leave out what they lack."""
    before: Usage | None = response.extensions.get(NOTED)
    if before is None:
        response.extensions[NOTED], response.extensions[MODEL] = used, model
        scope.add_usage(of_model(used, model))
        return
    now = at_least(before, used)
    if now != before:
        response.extensions[NOTED] = now
        scope.add_usage(of_model(beyond(now, before), response.extensions.get(MODEL)))
