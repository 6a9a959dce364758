"""Redis, of redis-py: commands that end with the scope they run in.

For example::

    client = attach(redis.Redis())
    with Fan(10, timeout=30) as fan:
        report = fan.run(lambda queue: client.blpop(queue), queues)

Guarantees: a command that waits for its answer, one of a pipeline, of pub/sub or of a lock among them, and the wait
before redis-py tries one again, end with the scope: the connection is shut and leaves its pool, and CallCancelled is
raised.  Outside of a scope nothing changes.  A connect, and the wait for a connection of a ``BlockingConnectionPool``,
end after their own timeouts.  What has arrived at the server is done there all the same.
"""

from __future__ import annotations

import functools
from functools import partial, wraps

import redis
from redis.retry import Retry

from .._core.base.errors import CallCancelled
from .._core.scope.abort import Abort
from .._core.scope.scope import scope_here
from .._core.scope.waiting import sleep
from .passing import pass_through
from .sockets import shut

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    # isort: off
    from redis import (
        BlockingConnectionPool as BlockingConnectionPool,
        ConnectionError as ConnectionError,
        ConnectionPool as ConnectionPool,
        Redis as Redis,
        RedisError as RedisError,
        StrictRedis as StrictRedis,
        TimeoutError as TimeoutError,
        from_url as from_url,
    )

    # isort: on
    from typing import Protocol, TypeVar

    C = TypeVar("C", bound=redis.Redis)
    T = TypeVar("T")

    class Backoff(Protocol):
        """What is used of redis-py's."""

        def reset(self) -> None:
            """Before the first attempt."""

        def compute(self, failures: int) -> float:
            """Seconds to wait."""


__all__ = ["attach"]


def attach(client: C) -> C:
    """Make a client's commands end with their scope; its pool is changed in place, for all clients that share it.

    Do this before other threads use it: its connections are closed.  Harmless when done twice.

    Returns:
        The same client.

    Raises:
        TypeError: it is no sync client, or one that has a connection of its own.
    """
    found = f"attach got {client!r}"
    if type(client).__module__.startswith("redis.asyncio"):
        raise TypeError(f"{found}, an async client; right is redis.Redis, called from a fan's threads")
    if not isinstance(client, redis.Redis):
        raise TypeError(f"{found}; right is a redis.Redis")
    if client.connection is not None:
        raise TypeError(f"{found}, which keeps a connection of its own; right is one without single_connection_client")
    pool = client.connection_pool
    if not issubclass(pool.connection_class, _Ended):
        pool.connection_class = _ended_class(pool.connection_class)
        pool.disconnect()
        pool.reset()
    return client


class _Ended:
    """What is mixed into the class of a pool's connections."""

    _sock: socket.socket | None

    if TYPE_CHECKING:

        def disconnect(self) -> None:
            """That of redis-py's."""

    def until_the_end(self, act: Callable[[], T]) -> T:
        """``act()``, which may wait for the server, ended with the scope."""
        scope = scope_here()
        if scope is None:
            return act()
        try:
            scope.check()
            with Abort(scope, self._shut):
                done = act()
            scope.check()  # the answer may be an end that this has made
            scope.touch()
        except CallCancelled:
            self.disconnect()  # an answer may be on its way
            raise
        except Exception:
            if scope.cancelled:
                self.disconnect()
            scope.check()
            raise
        return done

    def _shut(self) -> None:
        sock = self._sock
        if sock is not None:
            shut(sock)


@functools.cache
def _ended_class(kind: type) -> type:
    def begin(self: object, *args: object, **options: object) -> None:
        kind.__init__(self, *args, **options)  # type: ignore[misc]  # it is this object's class
        _wait_in_scope(getattr(self, "retry", None))

    waits = {name: _until_the_end(getattr(kind, name)) for name in ("send_packed_command", "can_read", "read_response")}
    return type(kind.__name__, (_Ended, kind), {"__init__": begin, **waits})


def _until_the_end(method: Callable[..., T]) -> Callable[..., T]:
    @wraps(method)
    def ended(self: _Ended, *args: object, **options: object) -> T:
        return self.until_the_end(partial(method, self, *args, **options))

    return ended


def _wait_in_scope(retry: object) -> None:
    """Have what waits before another attempt end with the scope."""
    own = vars(retry) if isinstance(retry, Retry) else {}
    backoff = own.get("_backoff")  # of a pool's connections, each of which has a copy
    if backoff is not None and not isinstance(backoff, _ScopedBackoff):
        own["_backoff"] = _ScopedBackoff(backoff)


class _ScopedBackoff:
    """Waits as long as another would have had redis-py wait."""

    def __init__(self, inner: Backoff) -> None:
        self._inner = inner

    def reset(self) -> None:
        """Before the first attempt."""
        self._inner.reset()

    def compute(self, failures: int) -> float:
        """Wait here, so that nothing is left to wait."""
        sleep(max(0.0, self._inner.compute(failures)))
        return 0.0


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "redis")
