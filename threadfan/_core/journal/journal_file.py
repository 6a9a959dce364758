"""A journal's file, as one run uses it.

Guarantees:

- What was put is in the file.
- Once the file cannot be written, ``broken`` says why.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import chain
from time import time
from typing import TYPE_CHECKING

from ..base.errors import JournalError
from .claims import Claims
from .commits import Commits
from .database import Database
from .failures import Failures

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

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
        self.broken: JournalError | None = None
        """Why it cannot be written any more."""
        self.keys: dict[int, Digest] = {}
        """By what the inputs are known that are to be called, by place."""
        self.run = 0
        """The number of the run, in the file."""
        self.database = Database(path)
        self.claims = Claims(path)
        self.failures = Failures(self.database, self._put_failures)
        self._commits = Commits(self._write)

    def open(self) -> None:
        """Open the file, or make it."""
        self.database.open()
        self.claims.open()

    def begin(self, function: str, version: str | None, keys: dict[int, Digest], total: int = 0) -> None:
        """Note that a run begins.

        Args:
            function: by which the run is known.
            keys: by what the inputs are known that are to be called; of those that come later too.
            total: how many inputs there are, if that is known.
        """
        self.keys = keys
        row = (time(), "run", function, version, total)
        query = "INSERT INTO runs (began, kind, function, version, total) VALUES (?, ?, ?, ?, ?)"
        self.run = self.database.transact(lambda connection: connection.execute(query, row).lastrowid or 0)
        self.failures.begin(self.run, keys)

    def close(self) -> None:
        """The run has ended; harmless if that was said, or if it never began."""
        self.claims.close()
        self.database.close()
        self.keys = {}
        self.failures.begin(self.run, self.keys)

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

    def forget(self, place: int) -> Digest | None:
        """The outcome of an input is handed out; by what it was known, if it was to be called."""
        self.failures.forget(place)
        return self.keys.pop(place, None)

    # -- writing -----------------------------------------------------------------------------------------------------

    def put(self, rows: list[Row]) -> None:
        """Store rows.

        Raises:
            JournalError: they are not in the file.
        """
        try:
            self._commits.store(rows)
        except JournalError as error:
            self.broken = self.broken or error
            raise

    def _put_failures(self, rows: list[Row]) -> None:
        if self.broken is None:
            self.put(rows)

    def _write(self, rows: list[Row]) -> None:
        if len(rows) <= _TOGETHER and all(query is KEEP for query, _ in rows):
            # A statement by itself is a transaction, and lets go of the GIL but once.
            values = chain.from_iterable(values for _, values in rows)
            self.database.do(_KEEP + ",".join([_ROW] * len(rows)), [*values])
        else:
            self.database.transact(partial(_write_each, rows))

    def note_end(self, made: Iterable[Raw], usages: dict[int, Usage], facts: dict[str, object]) -> None:
        """Store which calls have failed, and what is known of the run."""
        self.failures.keep_all(made, usages)
        query = "UPDATE runs SET facts = ? WHERE id = ?"
        try:
            if self.broken is None:
                self.database.do(query, (json.dumps(facts), self.run))
        except JournalError as error:
            self.broken = error


def _write_each(rows: list[Row], connection: sqlite3.Connection) -> None:
    for query, values in rows:
        connection.execute(query, values)
