"""AWS's clients, of boto3 and botocore: requests that end with the scope they run in.

For example::

    s3 = attach(boto3.client("s3"))
    with Fan(20, timeout=60) as fan:
        report = fan.run(lambda key: s3.get_object(Bucket="b", Key=key)["Body"].read(), keys)

Guarantees: what ``threadfan.clients.requests`` says of a session's requests holds for each request of the client, with
its connect, TLS handshake and body, and for the wait before botocore makes one again: they end with the scope.  What is
raised then is CallCancelled.  Threads that a client starts by itself, as ``upload_file`` of S3's does, are in no scope.
"""

from __future__ import annotations

from functools import partial

from botocore.client import BaseClient

from .._core.scope.scope import scope_around, scope_here
from .._core.scope.waiting import sleep
from .passing import pass_through
from .pools import abortable_pool, make_abortable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    C = TypeVar("C")

    class Emitter(Protocol):
        """What is used of botocore's."""

        def emit(self, event_name: str, **arguments: object) -> list[tuple[object, object]]:
            """Call all handlers; each with what it has returned."""


__all__ = ["attach"]

POOL_SIZE = 100
"""Idle connections that are kept for a host; arbitrary: more threads than most fans have, and none is opened early."""


def attach(client: C, *, pool_size: int = POOL_SIZE) -> C:
    """Make a client's requests end with their scope; it is changed in place.

    Do this before other threads use it: idle connections are closed.  Harmless when done twice.

    Args:
        client: of boto3 or botocore, or a resource of boto3's, whose client is changed.
        pool_size: keep at least so many idle connections for each host.

    Returns:
        The same client.

    Raises:
        TypeError: it is something else.
    """
    found = getattr(getattr(client, "meta", None), "client", client)
    if not isinstance(found, BaseClient):
        raise TypeError(f"attach got {client!r}; right is a client or a resource of boto3, such as boto3.client('s3')")
    endpoint = vars(found)["_endpoint"]
    session = endpoint.http_session
    own, of_endpoint = vars(session), vars(endpoint)
    if isinstance(of_endpoint["_event_emitter"], _Emitter):
        return client
    # For the proxies that it comes to use later.
    pools = own["_pool_classes_by_scheme"] = {
        scheme: abortable_pool(pool) for scheme, pool in own["_pool_classes_by_scheme"].items()
    }
    for manager in (own["_manager"], *own["_proxy_managers"].values()):
        make_abortable(manager, pool_size)
        manager.pool_classes_by_scheme = pools
    own["send"] = partial(_send, session.send)
    of_endpoint["_event_emitter"] = _Emitter(of_endpoint["_event_emitter"])
    return client


def _send(send: Callable[..., object], *args: object, **options: object) -> object:
    """Send a request; what goes wrong after the scope has ended is its end."""
    scope = scope_around()
    if scope is None:
        return send(*args, **options)
    try:
        return send(*args, **options)
    except Exception:
        scope.check()
        raise


class _Emitter:
    """In the place of what an endpoint asks whether it is to make a request again, and after how many seconds.

    It would sleep where no cancel reaches it.
    """

    def __init__(self, inner: Emitter) -> None:
        self._inner = inner

    def emit(self, event_name: str, **arguments: object) -> list[tuple[object, object]]:
        """As ever; but the seconds are waited here."""
        answers = self._inner.emit(event_name, **arguments)
        if not event_name.startswith("needs-retry.") or scope_here() is None:
            return answers
        for handler, seconds in answers:
            if isinstance(seconds, (int, float)) and seconds is not False:
                sleep(max(0.0, seconds))
                return [(handler, 0.0)]
        return answers

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "boto3", "botocore")
