"""What ``stream`` and ``map`` return: an iterator that can tell being closed from being dropped.

A generator cannot: its ``finally`` runs alike when it is closed, when its last reference goes, and when the garbage
collector finds it in a cycle, which may be anywhere, also in a thread that holds a lock of the fan's.  So what has to
be done then is handed over to another thread, unless ``close`` was called, which waits for it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

from ..base.generic import TYPE_CHECKING, Coro, T_co

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self


class Iteration(Generator[T_co, None, None]):
    """A generator of outcomes or values, with the means to end what it reads from.

    Args:
        generator: what is iterated over; a ``for`` loop gets it as it is, so that a step costs nothing more.
        end: ends the calls that it hands out; called from any thread, and more than once.
        drain: the same but for those that run, if they are not waited for as it is.
    """

    __slots__ = ("_drain", "_end", "_generator")

    def __init__(
        self,
        generator: Generator[T_co, None, None],
        end: Callable[[], object],
        drain: Callable[[], object] | None = None,
    ) -> None:
        self._generator = generator
        self._end = end
        self._drain = end if drain is None else drain

    def __iter__(self) -> Generator[T_co, None, None]:
        return self._generator

    def __next__(self) -> T_co:
        try:
            return next(self._generator)
        finally:
            del self  # an error's traceback holds this frame: leave no cycle

    def send(self, value: None, /) -> T_co:
        """As for a generator."""
        try:
            return self._generator.send(value)
        finally:
            del self

    def throw(self, kind: Any, value: Any = None, traceback: TracebackType | None = None, /) -> T_co:
        """As for a generator."""
        try:
            return self._generator.throw(kind if value is None else value)
        finally:
            del self, kind, value

    def drain(self) -> None:
        """Start no further call; what runs comes to its end and is handed out, then ``FanClosed``.  From any thread."""
        self._drain()

    def close(self) -> None:
        """End it: what is queued is cancelled, and of a stream what runs too.  From any thread.

        A thread that waits for the next outcome meanwhile is woken, and gets ``FanClosed``.
        """
        self._end()
        try:
            self._generator.close()
        except ValueError:  # it is being read by another thread, or by this one further up
            if not self._generator.gi_running:  # type: ignore[attr-defined]
                raise


class AsyncIteration(AsyncGenerator[T_co, None]):
    """An asynchronous generator, which may be a context manager too: the loop ends it where nobody else does.

    Args:
        generator: what is iterated over; an ``async for`` loop gets it as it is.
    """

    def __init__(self, generator: AsyncGenerator[T_co, None]) -> None:
        self._generator = generator

    def __aiter__(self) -> AsyncGenerator[T_co, None]:
        return self._generator

    def __anext__(self) -> Coro[T_co]:
        return self._generator.__anext__()

    def asend(self, value: None, /) -> Coro[T_co]:
        """As for an asynchronous generator."""
        return self._generator.asend(value)

    def athrow(self, kind: Any, value: Any = None, traceback: TracebackType | None = None, /) -> Coro[T_co]:
        """As for an asynchronous generator."""
        return self._generator.athrow(kind if value is None else value)

    def aclose(self) -> Coro[None]:
        """End it: what is queued and what runs is cancelled."""
        return self._generator.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """``aclose``."""
        await self.aclose()
