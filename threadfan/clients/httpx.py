"""httpx and httpx2, and all that is built on them: calls that end with the scope they run in.

``attach(client)`` makes a client's calls abortable; ``Transport()`` is for a client that is yet to be made::

    client = httpx.Client(transport=Transport(), timeout=10)
    openai.OpenAI(http_client=attach(openai.DefaultHttpxClient()))

Guarantees, for each call of the client's, whatever thread makes it: the time that its scope has left bounds the wait
for a free connection, look-ups aside the connect, the handshakes with server and proxy, every read and write, and the
whole of the body; a cancel wakes it at once; from then on everything it does raises CallCancelled, and closing is
all that works.  A connection that was shut leaves the pool, and no other call ever sees it.  The client's own timeouts
go on to hold where they are shorter.  Outside of a scope nothing changes.  In the child of a fork a client begins with
connections of its own.

What a client that is built on httpx does between its requests is its own: openai sleeps before it repeats one.

With HTTP/2 calls share a connection, which is never shut for one of them.  There a call ends at its deadline if it is
the one that reads, sees a cancel when something arrives, and otherwise waits for the one that reads: it can only be
abandoned.  Leave ``http2`` off, as it is by default, for calls that have to end.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from math import inf

from .._core.base import forks
from .._core.scope.scope import scope_around
from .bodies import Body, Inside, close_what_is_left
from .httpcore import leave_to_parent, make_abortable
from .passing import pass_through
from .scoped_semaphore import ScopedSemaphore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType, TracebackType
    from typing import Any, Self, TypeVar

    from httpx import *  # noqa: F403 -- what passes through
    from httpx import BaseTransport, Request, Response

    from .._core.scope.scope import Scope

    C = TypeVar("C")
    Pool = Any  # of httpcore or httpcore2
    Timeouts = dict[str, float | None]
    Base = BaseTransport  # or of httpx2
else:
    Base = object

__all__ = ["Transport", "attach"]

LIBRARIES = ("httpx", "httpx2")
PHASES = ("connect", "read", "write", "pool")


class Transport(Base):
    """A transport for a sync client, whose calls end with their scope.

    It is made for httpx; for httpx2 if only that is installed, or if what it wraps is of httpx2.

    Args:
        wrapped: the transport that does the work; it keeps its limits, TLS and proxy.  By default a new one.
        **options: for the ``HTTPTransport`` that is made otherwise, such as ``limits=``, ``verify=`` and ``proxy=``.

    Raises:
        ImportError: neither httpx nor httpx2 is installed.
        TypeError: ``wrapped`` is for async clients, or options come with it.
    """

    _library: ModuleType

    def __new__(cls, wrapped: BaseTransport | None = None, **options: object) -> Self:  # noqa: ARG004 -- they are for __init__
        """An instance that is a ``BaseTransport`` too, of the library that it is made for."""
        library = _library(wrapped) or _installed()
        kind: Any = cls
        made: Self = object.__new__(_joined(kind, library.BaseTransport))
        made._library = library
        return made

    def __init__(self, wrapped: BaseTransport | None = None, **options: object) -> None:
        if wrapped is not None and options:
            raise TypeError(f"Transport got a transport and {', '.join(options)}; options go to the wrapped one")
        if wrapped is not None and not hasattr(wrapped, "handle_request"):
            raise TypeError(f"Transport cannot wrap {wrapped!r}; right is a transport for sync clients")
        self._wrapped: BaseTransport = self._library.HTTPTransport(**options) if wrapped is None else wrapped
        for pool in _pools(self._wrapped):
            make_abortable(pool)
        self._semaphore = _semaphore_for(self._wrapped)
        self._body = _joined(Body, self._library.SyncByteStream)
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork: the connections are the parent's."""
        for pool in _pools(self._wrapped):
            leave_to_parent(pool)

    @property
    def wrapped(self) -> BaseTransport:
        """The transport that does the work."""
        return self._wrapped

    def handle_request(self, request: Request) -> Response:
        """Send one request; its response's body ends with the scope as well."""
        if not isinstance(request, self._library.Request):
            right = getattr(_library(request), "__name__", type(request).__module__.partition(".")[0])
            raise TypeError(
                f"this Transport is made for {self._library.__name__}, and the request is of {right}; "
                f"right is Transport({right}.HTTPTransport())"
            )
        scope = scope_around()
        permits = None if scope is None else scope.permits
        if permits is None:
            return self._placed(scope, request)
        counted = permits.begin()  # first: who waits for a permit needs no connection, and keeps none from others
        try:
            response = self._placed(scope, request)
        except BaseException:
            permits.end(counted, None, None)
            raise
        permits.end(counted, response.status_code, response.headers)
        return response

    def _placed(self, scope: Scope | None, request: Request) -> Response:
        """Send it when there is a connection for it."""
        close_what_is_left()
        extensions = request.extensions
        timeouts, left = extensions.get("timeout") or {}, inf if scope is None else scope.remaining()
        if left != inf:
            known = timeouts.get
            timeouts = {phase: left if (own := known(phase)) is None or left < own else own for phase in PHASES}
        with Inside():
            if not self._semaphore.acquire(scope, timeouts.get("pool")):
                raise self._library.PoolTimeout("no connection became free in time", request=request)
            try:
                if left != inf:
                    request.extensions = {**extensions, "timeout": timeouts}
                response = self._wrapped.handle_request(request)
            except BaseException as error:
                self._semaphore.release()
                if scope is not None and isinstance(error, Exception):
                    scope.check()
                raise
            finally:
                request.extensions = extensions  # the user's, who may send it again when there is more time
        response.stream = self._body(response.stream, self._semaphore)
        return response

    def close(self) -> None:
        """Close the wrapped transport."""
        with Inside():
            self._wrapped.close()

    def __enter__(self) -> Self:
        self._wrapped.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        with Inside():
            self._wrapped.__exit__(kind, error, traceback)

    def __repr__(self) -> str:
        return f"<Transport around {self._wrapped!r}>"


def attach(client: C) -> C:
    """Make the calls of an ``httpx.Client`` end with their scope; it is changed in place, mounts included.

    Do this before other threads use it: idle connections are closed.  Harmless when done twice.

    Returns:
        The same client.

    Raises:
        TypeError: it is no sync client of httpx or httpx2.
    """
    library, found = _library(client), f"attach got {client!r}"
    if library is not None and isinstance(client, library.AsyncClient):
        raise TypeError(f"{found}, an async client; right is {library.__name__}.Client, called from a fan's threads")
    if library is None or not isinstance(client, library.Client):
        raise TypeError(f"{found}; right is an httpx.Client or httpx2.Client")
    seam: Any = client
    made: dict[int, BaseTransport] = {}  # a transport that is mounted twice stays one
    seam._transport = _attached(seam._transport, made)
    seam._mounts = {pattern: _attached(transport, made) for pattern, transport in seam._mounts.items()}
    return client


def _attached(transport: BaseTransport | None, made: dict[int, BaseTransport]) -> BaseTransport | None:
    if transport is None or isinstance(transport, Transport):
        return transport
    if id(transport) not in made:
        made[id(transport)] = Transport(transport)
    return made[id(transport)]


def _pools(transport: object) -> Iterator[Pool]:
    """The pools of httpcore that a transport holds, or that transports within it hold: for retries, for a cache."""
    for part in getattr(transport, "__dict__", {}).values():
        if hasattr(part, "_network_backend"):
            yield part
        elif hasattr(part, "handle_request") and part is not transport:
            yield from _pools(part)


def _semaphore_for(transport: object) -> ScopedSemaphore:
    """As many as the pool has connections, which it therefore has at once; HTTP/2 needs fewer connections.

    A pool of httpcore, though not one of httpcore2, wakes all who wait whenever a connection is free, and whoever does
    not get it begins to wait anew.  So there a timeout is never raised while connections come back in time.
    """
    pool = getattr(transport, "_pool", None)
    patient = type(pool).__module__.partition(".")[0] == "httpcore"
    return ScopedSemaphore(
        inf if getattr(pool, "_http2", False) else getattr(pool, "_max_connections", inf), patient=patient
    )


def _library(thing: object) -> ModuleType | None:
    """The module, httpx or httpx2, that a client, transport or request is of; None if neither.

    By its classes and not by their ``__module__``: openai puts its own name there of what it passes on from them.
    """
    kinds = ("Client", "AsyncClient", "BaseTransport", "AsyncBaseTransport", "Request")
    for library in filter(None, map(sys.modules.get, LIBRARIES)):  # of one that is not imported there is nothing
        if isinstance(thing, tuple(getattr(library, kind) for kind in kinds)):
            return library
    return None


def _installed() -> ModuleType:
    for name in LIBRARIES:
        if find_spec(name) is not None:
            return import_module(name)
    raise ImportError("a Transport needs httpx or httpx2, and neither is installed; right is: pip install httpx")


@cache
def _joined(kind: type, base: type) -> type:
    return kind if issubclass(kind, base) else type(kind.__name__, (kind, base), {"__doc__": kind.__doc__})


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, *LIBRARIES)
