"""The bodies of httpx's responses: they end with the scope, and who drops one gives its connection back.

The generators of httpcore's that a body is read through close their connection when they are closed, and the garbage
collector closes what it finds half-read: in any thread, at any moment, also while that very thread holds the lock of
the pool that they take for it, and then it waits for itself for ever.  Every streamed response is in a cycle, so only
the collector finds it.  A response that was dropped before it was read gives nothing back at all.

Guarantees: the connection of a response that is dropped is closed, and its place is free, whether it was read or not;
no finalizer takes a lock; what closes a response in a finalizer (a generator of an SDK's in its ``finally``) takes none
that its thread may hold.  For this, what is open is kept here, out of the collector's reach, until the ``Body`` before
it is closed or gone.
"""

from __future__ import annotations

from _thread import get_ident
from collections import deque
from contextlib import suppress

from .._core.base import forks
from .._core.base.locks import Lock, begin_bare
from .._core.scope.scope import current_scope, scope_around

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from httpx import SyncByteStream as Base  # or of httpx2, for which it is made too

    from .scoped_semaphore import ScopedSemaphore
else:
    Base = object

_open: set[Connected] = set()  # what would be closed if nobody held it
_inside: set[int] = set()  # threads that are in the client, and may hold locks of its pool
forks.in_child(_inside.clear)
_left: deque[Callable[[], object]] = deque()  # to be closed, but there was no thread for it


class Inside:
    """A ``with`` block in which this thread uses a pool: what is closed meanwhile, another thread closes."""

    __slots__ = ("_outermost", "_thread")

    def __enter__(self) -> Self:
        self._thread = get_ident()
        self._outermost = self._thread not in _inside
        _inside.add(self._thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._outermost:
            _inside.discard(self._thread)


def close_what_is_left() -> None:
    """Close what could not be closed when it was dropped, as there was no thread; nothing as a rule."""
    while _left:
        with suppress(IndexError):  # another thread was faster
            _left.popleft()()


class Connected:
    """What a body holds: the client's own stream, an iterator over it, and a place."""

    __slots__ = ("_closing", "_generation", "_semaphore", "chunks", "inner")

    def __init__(self, inner: Base, semaphore: ScopedSemaphore) -> None:
        self.inner: Base = inner
        self.chunks: Iterator[bytes] | None = None
        self._semaphore: ScopedSemaphore | None = semaphore
        self._generation = forks.generation
        self._closing = Lock()  # so that whoever closes it finds it closed afterwards, if another thread is at it too
        _open.add(self)

    def close(self) -> None:
        """Give the connection back, or close it if there was more to come; harmless when done twice."""
        if self._generation != forks.generation:  # in the child of a fork: it is the parent's
            return
        thread = get_ident()
        if thread in _inside:
            self.hand_over()
            return
        with self._closing:
            semaphore, self._semaphore = self._semaphore, None
            if semaphore is None:
                return
            try:
                _inside.add(thread)
                self.inner.close()
            finally:
                _inside.discard(thread)
                semaphore.release()
                self.chunks = None
                _open.discard(self)

    def hand_over(self) -> None:
        """Have it closed in a thread that holds no lock; takes none."""
        if self._semaphore is None or self._generation != forks.generation:
            return
        try:
            begin_bare(self._close_unseen)
        except RuntimeError:  # there are no more: then whoever uses a client next
            _left.append(self._close_unseen)

    def _close_unseen(self) -> None:
        with suppress(Exception):  # nobody is there to be told
            self.close()


class Body(Base):
    """A response's body, of which no more is had once the scope has ended."""

    def __init__(self, inner: Base, semaphore: ScopedSemaphore) -> None:
        self._connected = Connected(inner, semaphore)

    def __iter__(self) -> Iterator[bytes]:
        return _Chunks(self, self._connected)

    def close(self) -> None:
        """Give the connection back, or close it if there was more to come."""
        self._connected.close()

    def __del__(self) -> None:
        connected = self.__dict__.get("_connected")
        if connected is not None:
            connected.hand_over()


class _Chunks:
    """The iterator over a body.  Dropped half-way, it gives the connection back, as there is no way to go on."""

    __slots__ = ("_body", "_connected", "_half_read")

    def __init__(self, body: Body, connected: Connected) -> None:
        self._body = body
        self._connected = connected
        self._half_read = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        connected, thread = self._connected, get_ident()
        outermost = thread not in _inside
        try:
            try:  # as with ``Inside``
                _inside.add(thread)
                if connected.chunks is None:
                    connected.chunks = iter(connected.inner)
                self._half_read = True
                chunk = next(connected.chunks)
            finally:
                if outermost:
                    _inside.discard(thread)
            around = scope_around()
            if around is not None:
                around.touch()
        except StopIteration:
            self._half_read = False
            raise
        except BaseException as error:
            self._half_read = False
            scope = current_scope()
            if scope.cancelled:
                connected.close()
            if isinstance(error, Exception):
                scope.check()
            raise
        return chunk

    def __del__(self) -> None:
        if self._half_read:
            self._connected.hand_over()
