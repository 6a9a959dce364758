"""A journal's file, as one run uses it.

Guarantees:

- What was put is in the file.
- Once the file cannot be written, ``broken`` says why.
"""

from __future__ import annotations

import json
import weakref
from contextlib import suppress
from functools import cache, partial
from itertools import chain
from time import time
from typing import TYPE_CHECKING

from ..base.errors import JournalError
from ..base.locks import Lock, aside, begin_bare
from ..base.texts import masked
from .claims import Claims
from .commits import Commits
from .database import Database
from .failures import Failures

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from ..base.attempt import Attempt
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from .commits import Row
    from .digests import Digest

_ROW = "(?, ?, ?, ?, ?, ?, ?, ?)"
_KEEP = "INSERT OR IGNORE INTO results (key, run, place, value, started, ended, worker, usage) VALUES "
_TOGETHER = 100  # rows; any SQLite takes so many in one statement
KEEP = _KEEP + _ROW
"""What stores a result."""


class JournalFile:
    """``open``, ``begin``, calls, ``note_end``, ``close``.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.keys: dict[int, Digest] = {}
        """By what the inputs are known that are to be called, by place."""
        self.run = 0
        """The number of the run, in the file."""
        self.database = Database(path)
        self.claims = Claims(path)
        self._dropped: weakref.finalize[..., JournalFile] | None = None
        self._changing = Lock()  # guards `over`: held while it is opened or closed
        self.over = False
        """Whether it was closed."""
        self.commits = Commits(partial(_write, self.database))
        self.failures = Failures(self.database, self.commits)

    def open(self) -> None:
        """Open the file, or make it; whole, whatever signal comes meanwhile."""
        aside(self._open)

    def _open(self) -> None:
        with self._changing:
            if self.over:  # an exception of a signal has struck who waits for this
                return
            self.database.open()
            self.claims.open()
            self._dropped = weakref.finalize(self, _close_aside, self.claims, self.database)
            self._dropped.atexit = False

    def begin(self, function: str, version: str | None, keys: dict[int, Digest], total: int = 0) -> None:
        """Note that a run begins.

        Args:
            function: by which the run is known.
            keys: by what the inputs are known that are to be called; of those that come later too.
            total: how many inputs there are, if that is known.
        """
        self.keys = keys
        known = None if version is None else masked(version)  # it may be a command, with a key in it
        row = (time(), "run", function, known, total)
        query = "INSERT INTO runs (began, kind, function, version, total) VALUES (?, ?, ?, ?, ?)"
        self.run = self.database.transact(lambda connection: connection.execute(query, row).lastrowid or 0)
        self.failures.begin(self.run, keys)

    def close(self) -> None:
        """The run has ended; harmless if that was said, or if it never began."""
        aside(self._close)

    def _close(self) -> None:
        with self._changing:
            self.over = True
            if self._dropped is not None:
                self._dropped.detach()
            _close(self.claims, self.database)
        self.keys = {}
        self.failures.begin(self.run, self.keys)

    @property
    def broken(self) -> JournalError | None:
        """Why it cannot be written any more."""
        return self.commits.broken

    # -- who does what -----------------------------------------------------------------------------------------------

    @property
    def shared(self) -> bool:
        """Whether other runs may be at it."""
        return self.claims.others

    def under_way(self, place: int) -> bool:
        """Whether another run has the input at this moment."""
        key = self.keys[place]
        free = self.claims.take(key)
        if free:
            self.claims.give_back(key)
        return not free

    def forget(self, place: int) -> Digest:
        """The outcome of an input that was to be called is handed out; by what it was known."""
        self.failures.forget(place)
        return self.keys.pop(place)

    def note_end(
        self,
        made: Iterable[Raw],
        usages: dict[int, Usage],
        attempts: dict[int, list[Attempt]],
        facts: dict[str, object],
    ) -> None:
        """Store which calls have failed or were retried, and what is known of the run."""
        self.failures.keep_all(made, usages, attempts)
        query = "UPDATE runs SET facts = ? WHERE id = ?"
        try:
            if self.broken is None:
                self.database.do(query, (json.dumps(facts), self.run))
        except JournalError as error:
            self.commits.broken = error


def _close_aside(claims: Claims, database: Database) -> None:
    """Nobody has closed it, for an exception of a signal has struck whoever was about to; this is a finalizer."""
    with suppress(RuntimeError):  # there is no thread to be had: the process keeps its claims
        begin_bare(partial(_close, claims, database))


def _close(claims: Claims, database: Database) -> None:
    claims.close()
    database.close()


def _write(database: Database, rows: list[Row]) -> None:
    # A statement by itself is a transaction, and lets go of the GIL but once.
    if len(rows) == 1:
        database.do(*rows[0])
    elif len(rows) <= _TOGETHER and all(query is KEEP for query, _ in rows):
        values = chain.from_iterable(values for _, values in rows)
        database.do(_keep(len(rows)), [*values])
    else:
        database.transact(partial(_write_each, rows))


@cache
def _keep(number: int) -> str:
    """What stores so many results."""
    return _KEEP + ",".join([_ROW] * number)


def _write_each(rows: list[Row], connection: sqlite3.Connection) -> None:
    for query, values in rows:
        connection.execute(query, values)
