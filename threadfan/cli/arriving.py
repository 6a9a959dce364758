"""Rows of a pipe, which come when they come: whoever waits for the next can write results meanwhile, or end.

They are read in a thread of its own, some ahead.  It may wait in the system when the program ends, which is why nothing
waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from .rows import Item

_AHEAD = 1000  # rows that are read ahead at most; arbitrary: memory stays flat


class Arriving:
    """An asynchronous iterable over rows that are read in a thread; to be iterated over once.

    Args:
        rows: where reading may block.
    """

    def __init__(self, rows: Iterable[Item]) -> None:
        self._rows = rows
        self._pending: deque[Item] = deque()
        self._room = Event()
        self._over = False
        self._news = asyncio.Event()
        self._error: BaseException | None = None

    async def __aiter__(self) -> AsyncIterator[Item]:
        loop, news = asyncio.get_running_loop(), self._news

        def tell() -> None:
            with suppress(RuntimeError):  # the loop has ended, and nobody wants to know
                loop.call_soon_threadsafe(news.set)

        Thread(target=self._read, args=(tell,), name="threadfan-input", daemon=True).start()
        pending = self._pending
        while True:
            over = self._over  # first: what came before it is there
            while pending:
                yield pending.popleft()
                if len(pending) < _AHEAD:
                    self._room.set()
            if over:
                break
            await news.wait()
            news.clear()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Take no more.  In the thread that iterates."""
        self._over = True
        self._pending.clear()
        self._news.set()

    def _read(self, tell: Callable[[], None]) -> None:
        pending = self._pending
        try:
            for row in self._rows:
                pending.append(row)
                if len(pending) == 1:  # else it was told, and the other has not come to the end
                    tell()
                while len(pending) >= _AHEAD:
                    self._room.clear()
                    if len(pending) >= _AHEAD:
                        self._room.wait()
        except BaseException as error:
            self._error = error
        self._over = True
        tell()
