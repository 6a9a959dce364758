"""Rows that many threads store at once, in as few transactions as there can be.

Who comes while nobody writes does it himself, at once, with what others have left to be written; who comes meanwhile
waits, and the first of those then writes for all of them.  So a thread that is alone hands nothing over to another,
which costs more than the transaction, and where there are many each pays a part of one.

With a GIL, threads whose calls take no time would still hand it over to each other at each transaction, several times
for each call.  So a thread in haste that finds somebody writing sleeps for a millisecond, in which the writer goes on
to its next calls, and has done its work for it when it wakes up; or for some, where many calls in a row were so.

Guarantees: ``store`` returns when its rows are in the file, and raises if they are not.  What waits is written within
milliseconds.
"""

from __future__ import annotations

from queue import SimpleQueue
from time import sleep
from typing import TYPE_CHECKING

from ..base import forks
from ..base.errors import JournalError
from ..base.locks import GIL, Lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Row = tuple[str, tuple[Any, ...]]
    """The statement that stores it, and its values."""

HASTE = 0.00005
"""Seconds that a call may take to be one that takes no time.  Arbitrary: about what a transaction takes."""
_PAUSE = 0.001  # seconds; arbitrary: many calls that take no time, far below what a user notices
_LONG_PAUSE, _MANY = 0.004, 100  # the same after so many in a row; arbitrary: the writer alone is nearly as fast as all
_YOURS = object()  # put into a gate: write for all


class _Waiting:
    """What a thread waits for to be written."""

    __slots__ = ("asleep", "gate", "rows")

    def __init__(self, rows: list[Row], *, asleep: bool) -> None:
        self.rows = rows
        self.asleep = asleep  # for a moment: it looks for itself then
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
        self._hasty = 0  # how many calls in a row have taken no time
        self._generation = forks.generation

    def store(self, rows: list[Row], *, haste: bool = False) -> None:
        """Have rows in the file.

        Args:
            haste: whether they are of a call that has taken no time.

        Raises:
            JournalError: they are not.
        """
        try:
            self._store(rows, haste=haste and GIL)
        except JournalError as error:
            if self.broken is None:
                self.broken = JournalError(*error.args)  # another, whose traceback does not lead back here
                self.broken.__cause__ = error.__cause__
            raise

    def _store(self, rows: list[Row], *, haste: bool) -> None:
        if forks.generation != self._generation:  # the lock, and whoever writes, are the parent's
            raise JournalError(f"nothing is stored in the child of a fork: {forks.REASON}")
        mine = _Waiting(rows, asleep=haste)
        with self._lock:
            self._waiting.append(mine)
            mine_to_write, self._writing = not self._writing, True
            self._hasty = self._hasty + 1 if haste else 0
        if haste and not mine_to_write:
            sleep(_PAUSE if self._hasty < _MANY else _LONG_PAUSE)
            mine_to_write = self._woken(mine)
        if not mine_to_write:
            word = mine.gate.get()
            if word is not _YOURS:
                if isinstance(word, BaseException):
                    raise word
                return
        self._write_all(mine)

    def _woken(self, mine: _Waiting) -> bool:
        """Whether a thread that has slept is to write: its rows still wait, and nobody writes."""
        with self._lock:
            mine.asleep = False
            found = not self._writing and mine in self._waiting
            self._writing = self._writing or found
            return found

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
                following = next((one for one in self._waiting if not one.asleep), None)
                self._writing = following is not None
            if following is not None:
                following.gate.put(_YOURS)
            for one in these:
                if one is not mine:
                    one.gate.put(failure)
            del failure, these  # an error's traceback holds this frame: leave no cycle
