"""MongoDB, of PyMongo: operations that end with the scope they run in.

For example::

    client = attach(pymongo.MongoClient())
    with Fan(10, timeout=30) as fan:
        report = fan.run(client.shop.orders.find_one, filters)

Guarantees: an operation that waits for its answer, one of a cursor among them, and the wait for a connection of a pool
all of whose connections are in use, end with the scope: CallCancelled is raised, the connection is closed, and neither
another operation nor what PyMongo knows of the server suffers from it.  PyMongo tries none of these again.  Outside of
a scope nothing changes.  A connect and the wait for a server that is not there end after their own timeouts
(``connectTimeoutMS``, ``serverSelectionTimeoutMS``), and so does what reads from a connection that PyMongo keeps
between operations, for transactions behind a load balancer and exhaust cursors.  What has arrived at the server is done
there all the same; ``maxTimeMS`` bounds that.
"""

from __future__ import annotations

import functools
from operator import attrgetter
from weakref import WeakKeyDictionary

import pymongo
from pymongo.errors import WaitQueueTimeoutError

from .._core.scope.scope import scope_here
from .passing import pass_through
from .scoped_semaphore import ScopedSemaphore
from .sockets import Guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import NoReturn, Protocol, TypeVar

    from pymongo import *  # noqa: F403 -- what passes through

    from .._core.scope.scope import Scope

    C = TypeVar("C")

    class Options(Protocol):
        """What is used of a pool's."""

        wait_queue_timeout: float | None

    class Connection(Protocol):
        """What is used of PyMongo's."""

        conn: socket.socket

        def close_conn(self, reason: str | None) -> None:
            """Close it."""

    class Pool(Protocol):
        """What is used of PyMongo's pools."""

        opts: Options
        max_pool_size: float

        def checkout(self, handler: object = None) -> AbstractContextManager[Connection]:
            """A block with a connection."""


__all__ = ["attach"]


def attach(client: C) -> C:
    """Make a client's operations end with their scope; its pools are changed in place, those to come too.

    Harmless when done twice.

    Returns:
        The same client.

    Raises:
        TypeError: it is no sync client.
    """
    if not isinstance(client, pymongo.MongoClient):
        right = "pymongo.MongoClient, called from a fan's threads" if _is_async(client) else "a pymongo.MongoClient"
        raise TypeError(f"attach got {client!r}; right is {right}")
    topology = attrgetter("_topology")(client)
    settings = vars(attrgetter("_settings")(topology))
    kind = settings["_pool_class"] = _ended_pool(settings["_pool_class"])
    for server in attrgetter("_servers")(topology).copy().values():
        server.pool.__class__ = kind
    return client


def _is_async(client: object) -> bool:
    return type(client).__module__.startswith("pymongo.asynchronous")


@functools.cache
def _ended_pool(kind: type) -> type:
    """A class of pools that gives out connections which end with the scope at hand."""
    plain: Callable[..., AbstractContextManager[Connection]] = attrgetter("checkout")(kind)

    def checkout(self: Pool, handler: object = None) -> AbstractContextManager[Connection]:
        theirs = plain(self, handler)
        return _Checkout(places_of(self), theirs, scope_here(), self.opts.wait_queue_timeout)

    return _derived(kind, checkout)


def _derived(kind: type, method: Callable[..., object]) -> type:
    """A class with one method more, of which an object of the other one can become."""
    if getattr(kind, "ends_with_scope", False):
        return kind
    return type(kind.__name__, (kind,), {"__slots__": (), method.__name__: method, "ends_with_scope": True})


_places: WeakKeyDictionary[object, ScopedSemaphore] = WeakKeyDictionary()


def places_of(pool: Pool) -> ScopedSemaphore:
    """As many as the pool has connections, for which nobody has to wait in the pool then."""
    places = _places.get(pool)
    if places is None:
        places = _places.setdefault(pool, ScopedSemaphore(pool.max_pool_size))
    return places


class _Checkout:
    """A block with a connection of a pool, and what ends it."""

    __slots__ = ("_connection", "_guard", "_places", "_scope", "_theirs", "_timeout")

    def __init__(
        self,
        places: ScopedSemaphore,
        theirs: AbstractContextManager[Connection],
        scope: Scope | None,
        timeout: float | None,
    ) -> None:
        self._places = places
        self._theirs = theirs
        self._scope = scope
        self._timeout = timeout  # seconds to wait for a connection
        self._guard: Guard | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Connection:
        scope = self._scope
        if scope is not None:
            scope.check()
        if not self._places.acquire(scope, self._timeout):
            raise WaitQueueTimeoutError(
                f"no connection became free within {self._timeout:g} s (waitQueueTimeoutMS): maxPoolSize are in use"
            )
        try:
            connection = self._connection = self._theirs.__enter__()
        except BaseException:
            self._places.release()
            raise
        if scope is not None:
            try:
                connection.__class__ = _ended_connection(type(connection))
                wire = connection.conn
                self._guard = Guard(scope, getattr(wire, "get_conn", wire))  # which older versions do not have
            except BaseException as error:
                self.__exit__(type(error), error, error.__traceback__)
                raise
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        guard = self._guard
        try:
            if guard is not None:
                guard.release()
                if guard.fired and self._connection is not None:
                    self._connection.close_conn(None)
            return self._theirs.__exit__(kind, error, traceback)
        finally:
            self._places.release()


@functools.cache
def _ended_connection(kind: type) -> type:
    """A class of connections that tell the end of a scope from a server that is down."""
    plain: Callable[..., NoReturn] = attrgetter("_raise_connection_failure")(kind)

    def _raise_connection_failure(self: Connection, error: BaseException) -> NoReturn:
        """All that goes wrong with the network comes here, the end of a scope too.

        Of that PyMongo is not to know: it would close the connections of others.
        """
        scope = scope_here()
        if scope is not None and isinstance(error, Exception) and scope.cancelled:
            self.close_conn(None)
            scope.check()
        plain(self, error)

    return _derived(kind, _raise_connection_failure)


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "pymongo")
