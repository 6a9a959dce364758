"""A limit of requests that several processes keep in a SQLite file.

What is guaranteed is said in ``stores``.  The time is the machine's since its start, which nobody sets.  A file is open
during a transaction only, for which a fork waits: SQLite keeps locks of its own, and what locks of files the process
has, where a child would find them as they were.
"""

from __future__ import annotations

import os
import time
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from . import ticks
from .ticks import TICKS, in_ticks
from .turns import Turns, Word

if TYPE_CHECKING:
    from collections.abc import Callable

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

    Opening it anew costs 0.1 ms, all in all, and spares everything that connections ask for between threads and forks.
    """

    def __init__(self, path: str, name: str) -> None:
        if not path or path == ":memory:":
            raise ValueError(
                f'shared="sqlite:///{path}" names no file that processes could share: "sqlite:///limits.db"'
            )
        super().__init__()
        self._path = os.path.abspath(path)
        self._name = name

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

    def ask(self, spacing: float, capacity: float, ticket: int | None) -> Word:
        """See ``Turns``."""
        cost, room, nonsense, grace = in_ticks(spacing, capacity)

        def decide(now: int, state: _State) -> Word:
            number = state.tickets if ticket is None or ticket >= state.tickets else ticket
            if wait := state.paused(now):
                return Word(wait / TICKS, ticket, state.pauses)
            full_at, rank = state.full(now, nonsense), max(0, number - state.turn)
            free_at, lacking = full_at - room, max(0, full_at - now)
            goes = now >= free_at + rank * grace
            if goes:
                state.full_at = max(now, full_at) + cost
                state.turn = max(state.turn, number + 1)
            state.tickets = max(state.tickets, number + 1)
            if goes:
                return Word(0.0, None, state.pauses, lacking / TICKS)
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
        import sqlite3

        with closing(sqlite3.connect(self._path, timeout=0.0, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous=OFF")  # a power cut may lose it; it is worth nothing after one
            database.execute("PRAGMA journal_mode=PERSIST")  # else each transaction makes a file and removes it
            database.execute("BEGIN IMMEDIATE")
            database.execute(_TABLE)
            old = database.execute(_FIND, (self._name,)).fetchone() or (0,) * len(_COLUMNS)
            state = _State(*old)
            answer = decide(time.monotonic_ns() * TICKS // 1_000_000_000, state)  # the same clock for all processes
            if state.values != old:
                database.execute(_KEEP, (self._name, *state.values))
            database.execute("COMMIT")
        return answer
