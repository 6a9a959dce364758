"""A limit of requests that several processes keep in a SQLite file.

What is guaranteed is said in ``stores``.  The time is the machine's since its start, which nobody sets.  The file stays
open, as long as it is the one that its name leads to: to open it anew costs several times what a transaction does.
Between transactions SQLite has no lock on it, and during one no process is forked (see ``transactions``); the child of
a fork opens the file for itself, and does not close what is its parent's.
"""

from __future__ import annotations

import os
import time
import weakref
from typing import TYPE_CHECKING, TypeVar

from . import ticks
from .ticks import TICKS, in_ticks
from .turns import Turns, Word

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection

T = TypeVar("T")

_COLUMNS = ("full_at", "paused_at", "paused_until", "pauses", "tickets", "turn")
_TABLE = f"""CREATE TABLE IF NOT EXISTS threadfan_limits (
    name TEXT PRIMARY KEY, {", ".join(f"{column} INTEGER NOT NULL" for column in _COLUMNS)})"""
_FIND = f"SELECT {', '.join(_COLUMNS)} FROM threadfan_limits WHERE name = ?"  # noqa: S608 -- the names above
_KEEP = "INSERT OR REPLACE INTO threadfan_limits VALUES (?, ?, ?, ?, ?, ?, ?)"


class _State:
    """Of one limit: moments in ticks.

    Args:
        full_at: when the bucket would be full again.
        paused_at: when it was last said that nobody is to start anything.
        paused_until: for how long.
        pauses: how many that all should learn from have begun.
        tickets: how many have been given out.
        turn: whose turn it is.
    """

    __slots__ = _COLUMNS

    def __init__(self, *values: int) -> None:
        self.full_at, self.paused_at, self.paused_until, self.pauses, self.tickets, self.turn = values

    @property
    def values(self) -> tuple[int, ...]:
        """As they are kept."""
        return tuple(getattr(self, column) for column in _COLUMNS)

    def paused(self, now: int) -> int:
        """For how long nobody is to start anything; not if that was said at a moment that is yet to come."""
        return max(0, self.paused_until - now) if self.paused_at <= now else 0

    def full(self, now: int, nonsense: int) -> int:
        """When the bucket would be full again, as far as that can be true."""
        return self.full_at if self.full_at - now <= nonsense else 0


def _as_it_is(_now: int, _state: _State) -> None:
    """Nothing is to change."""


class SQLiteStore(Turns):
    """In a file, for the processes of one machine.

    ``_database`` and what is known of it are used in transactions only, of which there is one at a time.
    """

    _end: weakref.finalize[[Connection], SQLiteStore]

    def __init__(self, path: str, name: str) -> None:
        if not path or path == ":memory:":
            raise ValueError(
                f'shared="sqlite:///{path}" names no file that processes could share: "sqlite:///limits.db"'
            )
        super().__init__()
        self._path = os.path.abspath(path)
        self._name = name

    def _forked(self) -> None:
        """In the child of a fork: the connection is the parent's; at the start there is none."""
        super()._forked()
        before = self.__dict__.get("_database")
        if before is not None:
            from ..base.transactions import keep_of_parent

            self._end.detach()
            keep_of_parent(before)
        self._database: Connection | None = None
        self._file: tuple[int, int] | None = None  # which one it is that is open
        self._has_table = False

    def reach(self) -> None:
        """Make the file if it is not there.

        Raises:
            OSError: it cannot be written.
        """
        import sqlite3

        try:
            self._change(_as_it_is)
        except sqlite3.Error as error:
            raise OSError(f"cannot keep a shared rate limit in {self._path}: {error}") from error

    def ask(self, spacing: float, capacity: float, ticket: int | None, lead: float = 0.0) -> Word:
        """See ``Turns``."""
        cost, room, nonsense, grace = in_ticks(spacing, capacity)
        ahead = round(lead * TICKS)

        def decide(now: int, state: _State) -> Word:
            number = state.tickets if ticket is None or ticket >= state.tickets else ticket
            if wait := state.paused(now):
                return Word(wait / TICKS, ticket, state.pauses)
            full_at, rank = state.full(now, nonsense), max(0, number - state.turn)
            free_at = full_at - room
            goes = now >= free_at + rank * grace or (not rank and now + ahead >= free_at)
            state.tickets = max(state.tickets, number + 1)
            if goes:
                leaves = max(now, free_at)
                state.full_at = max(leaves, full_at) + cost
                state.turn = max(state.turn, number + 1)
                lacking = max(0, full_at - leaves)
                return Word((leaves - now) / TICKS, None, state.pauses, lacking / TICKS, counted=True)
            behind = grace + (rank - 1) * cost if rank else 0
            return Word((free_at + behind - now) / TICKS, number, state.pauses)

        return self._change(decide)

    def left(self, spacing: float, capacity: float, late: float) -> None:
        """See ``Store``."""
        cost, room, _, _ = in_ticks(spacing, capacity)

        def decide(now: int, state: _State) -> None:
            state.full_at = max(state.full_at, min(state.full_at + round(late * TICKS), now + cost + room))

        self._change(decide)

    def pause(self, seconds: float, bucket: tuple[float, float] | None = None) -> None:
        """See ``Store``."""

        def decide(now: int, state: _State) -> None:
            state.paused_until = now + max(round(seconds * TICKS), state.paused(now))
            state.paused_at = now
            if bucket is not None:
                _, room, nonsense, _ = in_ticks(*bucket)
                state.full_at = max(state.full(now, nonsense), state.paused_until + room)
                state.pauses += 1

        self._change(decide)

    def _change(self, decide: Callable[[int, _State], T]) -> T:
        """In one transaction, at its own time: what ``decide(now, state)`` answers; what it changes is kept.

        To wait for other processes is not left to SQLite, as a fork would have to wait for that too.
        """
        from ..base.transactions import patiently

        answers: list[T] = []
        patiently(lambda: answers.append(self._change_now(decide)), ticks.PATIENCE)
        return answers[0]

    def _change_now(self, decide: Callable[[int, _State], T]) -> T:
        database = self._opened()
        try:
            database.execute("BEGIN IMMEDIATE")
            if not self._has_table:
                database.execute(_TABLE)
            old = database.execute(_FIND, (self._name,)).fetchone() or (0,) * len(_COLUMNS)
            state = _State(*old)
            answer = decide(time.monotonic_ns() * TICKS // 1_000_000_000, state)  # the same clock for all processes
            if state.values != old:
                database.execute(_KEEP, (self._name, *state.values))
            database.execute("COMMIT")
            self._has_table = True
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        return answer

    def _opened(self) -> Connection:
        """The file, open; anew if it was removed or replaced."""
        import sqlite3

        from ..base.transactions import close_aside

        database = self._database
        if database is not None:
            if self._file == _identity(self._path):
                return database
            self._database, self._has_table = None, False
            self._end()
        database = sqlite3.connect(self._path, timeout=0.0, isolation_level=None, check_same_thread=False)
        self._end = weakref.finalize(self, close_aside, database)
        self._file = _identity(self._path)
        database.execute("PRAGMA synchronous=OFF")  # a power cut may lose it; it is worth nothing after one
        database.execute("PRAGMA journal_mode=PERSIST")  # else each transaction makes a file and removes it
        self._database = database
        return database


def _identity(path: str) -> tuple[int, int] | None:
    """By which a file is told from another one of the same name; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
