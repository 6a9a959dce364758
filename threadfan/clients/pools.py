"""Pools of urllib3 whose connections, waits for a connection and sleeps before a retry end with the scope of a call."""

from __future__ import annotations

import contextlib
import functools
import queue

from urllib3.util.retry import Retry

from ..control.scope import current_scope
from ..executor.waiting import sleep
from .urllib3 import AbortableConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.poolmanager import PoolManager
    from urllib3.response import BaseHTTPResponse


def make_abortable(manager: PoolManager, maxsize: int) -> None:
    """Have a manager use abortable connections from now on, and keep up to ``maxsize`` idle ones for a host, or more.

    A manager whose pools block keeps its size: that is a limit that somebody wanted.
    """
    options = manager.connection_pool_kw
    if not options.get("block"):
        options["maxsize"] = max(maxsize, options.get("maxsize", 1))
    manager.pool_classes_by_scheme = {
        scheme: abortable_pool(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }
    manager.clear()  # pools of the other kind


def leave_to_parent(manager: PoolManager) -> None:
    """In the child of a fork: have a manager begin without connections; those that it has are the parent's.

    They are closed with their pools, here only.  A pool takes the lock of its queue for that, which a thread of the
    parent may have held.
    """
    before: Any = manager.pools
    for pool in list(before._container.values()):
        mutex: Any = getattr(pool.pool, "mutex", None)
        if mutex is not None:
            mutex._at_fork_reinit()
    manager.pools = type(before)(before._maxsize, dispose_func=before.dispose_func)


@functools.cache
def abortable_pool(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """The class of pools like ``pool`` whose connections are abortable."""
    if any(isinstance(vars(kind).get("ConnectionCls"), _Mixed) for kind in pool.__mro__):
        return pool
    members: dict[str, Any] = {"ConnectionCls": _Mixed(pool)}
    if pool.QueueCls is queue.LifoQueue:
        members["QueueCls"] = _Idle
    return type(pool.__name__, (pool,), members)


class _Mixed:
    """The class of a pool's connections: that of the pool it is made from, made abortable.

    Which one that is, is asked for each connection: tools that record and replay traffic, vcrpy among them, put one of
    theirs in its place for a while, and a pool that kept to the other would go past them to the network.
    """

    def __init__(self, pool: type[HTTPConnectionPool]) -> None:
        self._pool = pool

    def __get__(self, _instance: object, _owner: object) -> type[Any]:
        found: Any = self._pool.ConnectionCls
        if issubclass(found, AbortableConnection):
            return found  # type: ignore[no-any-return]
        # One that was made before is known as a subclass.  Nothing else keeps it: with theirs goes a whole cassette.
        for kind in type.__subclasses__(found):
            if kind.__bases__ == (AbortableConnection, found):
                return kind
        return type(found.__name__, (AbortableConnection, found), {})


class _Idle("queue.LifoQueue[Any]" if TYPE_CHECKING else queue.LifoQueue):  # type: ignore[misc]
    """The connections that are free; the wait for one, in a pool that blocks, ends with the scope."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The connection that was put last.

        Raises:
            queue.Empty: there is none, or the scope has ended.  Not `CallCancelled`: urllib3 takes any other exception
                for a sign that it has got a connection, and would give back one too many.
        """
        if not block:
            return super().get(block=False)
        scope = current_scope()
        forget = scope.on_cancel(self._wake)
        try:
            while not scope.cancelled:
                with self.not_empty:
                    if not self.not_empty.wait_for(lambda: self._qsize() or scope.cancelled, timeout):
                        break
                with contextlib.suppress(queue.Empty):  # another thread was faster
                    return super().get(block=False)
            self._wake()  # it may be this thread that was told of a connection: others have to look
            raise queue.Empty
        finally:
            forget()

    def _wake(self) -> None:
        with self.not_empty:
            self.not_empty.notify_all()


def waiting(retry: Retry) -> Retry:
    """The same settings of retries, with sleeps that end with the scope.  What it is to retry, it decides as ever."""
    kind: Any = type(retry)
    return retry if isinstance(retry, _Waiting) else _as(_waiting_class(kind), retry)


def _as(kind: type[Retry], retry: Retry) -> Retry:
    twin = kind.__new__(kind)
    twin.__dict__.update(retry.__dict__)
    return twin


@functools.cache
def _waiting_class(kind: type[Retry]) -> type[Retry]:
    return type(kind.__name__, (_Waiting, kind), {})


class _Waiting(Retry):
    """What is mixed into a class of retries: the two sleeps of urllib3's, on the same figures."""

    def sleep_for_retry(self, response: BaseHTTPResponse) -> bool:
        """Sleep as long as the server asks; says whether it asked."""
        seconds = self.get_retry_after(response)
        if seconds:
            sleep(seconds)
        return bool(seconds)

    def _sleep_backoff(self) -> None:
        seconds = self.get_backoff_time()
        if seconds > 0:
            sleep(seconds)

    def __reduce__(self) -> tuple[Any, ...]:
        return waiting, (_as(type(self).__bases__[1], self),)
