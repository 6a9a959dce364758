"""Pools of urllib3 whose connections, waits for a connection and sleeps before a retry end with the scope of a call."""

from __future__ import annotations

import contextlib
import functools
import queue
from collections import deque
from functools import partial
from queue import SimpleQueue

from urllib3.util.retry import Retry

from .._core.base.locks import Lock
from .._core.scope.scope import current_scope
from .._core.scope.waiting import sleep
from .connections import AbortableConnection

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
    members: dict[str, object] = {"ConnectionCls": _Mixed(pool)}
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


class _Idle("queue.LifoQueue[object]" if TYPE_CHECKING else queue.LifoQueue):  # type: ignore[misc]
    """The connections that are free; the wait for one, in a pool that blocks, ends with the scope.

    A response that is dropped half-read puts its connection back in a finalizer, perhaps while this very thread is in
    here.  So its own lock may be taken again, and there is no moment in which such a one could be missed: who waits
    first registers and then looks, and who puts first puts and then looks who waits.
    """

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self.mutex: Any = Lock()
        self._gates: deque[SimpleQueue[None]] = deque()  # of those who wait and have not been told

    def get(self, block: bool = True, timeout: float | None = None) -> object:
        """The connection that was put last.

        Raises:
            queue.Empty: there is none, or the scope has ended.  Not `CallCancelled`: urllib3 takes any other exception
                for a sign that it has got a connection, and would give back one too many.
        """
        if not block:
            return self._pop()
        scope = current_scope()
        due = None if timeout is None else scope.clock.monotonic() + timeout
        gate: SimpleQueue[None] = SimpleQueue()
        forget = scope.on_cancel(partial(gate.put, None))
        try:
            while not scope.cancelled:
                self._gates.append(gate)
                with contextlib.suppress(queue.Empty):
                    return self._pop()
                if not scope.clock.wait_until(gate, due):
                    break
                self._leave(gate)
            raise queue.Empty
        finally:
            forget()
            if not self._leave(gate):  # it was told of a connection, or took one: others have to look
                self._tell()

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        """Give a connection back; nobody ever waits for room.

        Raises:
            queue.Full: there are as many as are kept.
        """
        with self.mutex:
            if 0 < self.maxsize <= len(self.queue):
                raise queue.Full
            self.queue.append(item)
        if self._gates:
            self._tell()

    def _pop(self) -> object:
        with self.mutex:
            if not self.queue:
                raise queue.Empty
            return self.queue.pop()

    def _tell(self) -> None:
        with contextlib.suppress(IndexError):
            self._gates.popleft().put(None)

    def _leave(self, gate: SimpleQueue[None]) -> bool:
        """Wait no more; whether nobody has told this one."""
        try:
            self._gates.remove(gate)
        except ValueError:
            return False
        return True


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

    def __reduce__(self) -> tuple[object, ...]:
        return waiting, (_as(type(self).__bases__[1], self),)
