"""Rows that many threads store at once, in as few transactions as there can be.

Who comes while nobody writes does it himself, at once, and for himself alone; who comes meanwhile waits, and the first
of those then writes for all of them.  So a thread that is alone hands nothing over to another, which costs more than
the transaction, and where there are many each pays a part of one.

Guarantee: ``store`` returns when its rows are in the file, and raises if they are not.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING

from ..base import forks
from ..base.errors import JournalError
from ..base.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Row = tuple[str, tuple[Any, ...]]
    """The statement that stores it, and its values."""

_YOURS = object()  # put into a gate: write for all


class _Waiting:
    """What a thread waits for to be written."""

    __slots__ = ("gate", "rows")

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.gate: SimpleQueue[object] = SimpleQueue()  # the writer's word: done, an error, or that it is up to him


class Commits:
    """What is still to be stored, and whose turn it is to do it.

    Args:
        write: stores rows in one transaction.
    """

    def __init__(self, write: Callable[[list[Row]], object]) -> None:
        self.broken: JournalError | None = None
        """Why nothing can be stored any more."""
        self._write = write
        self._lock = Lock()  # guards what follows
        self._waiting: list[_Waiting] = []
        self._writing = False
        self._generation = forks.generation

    def store(self, rows: list[Row]) -> None:
        """Have rows in the file.

        Raises:
            JournalError: they are not.
        """
        try:
            self._store(rows)
        except JournalError as error:
            if self.broken is None:
                self.broken = JournalError(*error.args)  # another, whose traceback does not lead back here
                self.broken.__cause__ = error.__cause__
            raise

    def _store(self, rows: list[Row]) -> None:
        if forks.generation != self._generation:  # the lock, and whoever writes, are the parent's
            raise JournalError(f"nothing is stored in the child of a fork: {forks.REASON}")
        mine = _Waiting(rows)
        with self._lock:
            self._waiting.append(mine)
            first, self._writing = not self._writing, True
        if not first:
            word = mine.gate.get()
            if word is not _YOURS:
                if isinstance(word, BaseException):
                    raise word
                return
        self._write_all(mine)

    def _write_all(self, mine: _Waiting) -> None:
        with self._lock:
            these, self._waiting = self._waiting, []
        failure: BaseException | None = None
        try:
            self._write([row for one in these for row in one.rows])
        except BaseException as error:
            failure = error
            raise
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._writing = following is not None
            if following is not None:
                following.gate.put(_YOURS)
            for one in these:
                if one is not mine:
                    one.gate.put(failure)
            del failure, these  # an error's traceback holds this frame: leave no cycle
