"""The file of a journal: how it is made, opened, read and written.

Guarantees, from any thread and any process:

- What a transaction has written when it returns survives the death of the process, by SIGKILL too.  (Not a power
  failure: the disk is asked to keep it only now and then, by ``synchronous=NORMAL``.)
- A transaction that fails has changed nothing.
- What goes wrong is a ``JournalError`` that names the file and says what to do.
- The file is its owner's alone, and so are those that SQLite puts beside it.
- A file that comes from elsewhere is data: no code and no SQL of its own is run.

The connection is one for all threads, used by one of them at a time, and never while the process forks, see
``base.transactions``.  The child of a fork has none.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ..base import forks
from ..base.transactions import keep_of_parent, patiently
from . import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    T = TypeVar("T")

FORMAT = 1
"""Of the tables below; greater numbers are those of versions to come."""
_MARK = 0x74666A6C  # "tfjl", by which SQLite's ``application_id`` tells our files from others
_PATIENCE = 60.0
"""Seconds to wait for another process that writes.  Arbitrary: their transactions take milliseconds."""

_TABLES = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, began REAL NOT NULL, kind TEXT NOT NULL, function TEXT NOT NULL, version TEXT,
    total INTEGER NOT NULL, facts TEXT);
CREATE TABLE results (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, run INTEGER NOT NULL, place INTEGER NOT NULL,
    value BLOB NOT NULL, started REAL, ended REAL, worker TEXT, usage TEXT, more TEXT, item BLOB);
CREATE TABLE failures (
    key BLOB PRIMARY KEY, run INTEGER NOT NULL, place INTEGER NOT NULL, status TEXT NOT NULL,
    error TEXT NOT NULL, started REAL, ended REAL, worker TEXT, usage TEXT, more TEXT, item BLOB) WITHOUT ROWID;
"""
_OTHERS = "SELECT count(*) FROM sqlite_master WHERE type NOT IN ('table', 'index') OR rootpage = 0"
"""What no journal has: triggers, views and virtual tables, by which a file could have SQLite do things of its own."""


class Database:
    """A journal file.

    Args:
        path: as the user has given it, for messages.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = os.path.abspath(path)  # wherever the program goes
        self._connection: sqlite3.Connection | None = None

    def open(self, *, log: bool = True) -> None:
        """Open it to write; make it if it is not there.

        Args:
            log: keep what is written in a file beside it first, so that others can read and write meanwhile.
        """
        try:
            refusal = faults.remote(self._file)
            if refusal is not None:
                raise refusal
            _make(os.path.realpath(self._file))  # a link to what is not there yet is followed, as SQLite does
            patiently(lambda: self._open(log=log), _PATIENCE)
        except (sqlite3.Error, OSError) as error:
            raise faults.told(self.path, error) from error
        forks.renew(self, Database._forked)

    def open_to_read(self) -> None:
        """Open it if it is there."""
        try:
            patiently(self._open_to_read, _PATIENCE)
        except (sqlite3.Error, OSError) as error:
            raise faults.told(self.path, error) from error
        forks.renew(self, Database._forked)

    def transact(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Do ``act(connection)`` in a transaction that may write; again if another process was first."""

        def once(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            try:
                found = act(connection)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has ended the transaction already
                    connection.execute("ROLLBACK")
                raise
            return found

        return self._use(once)

    def do(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Do one statement, which is a transaction of its own; the rows that it finds."""
        return self._use(lambda connection: connection.execute(query, values).fetchall())

    def most(self) -> int:
        """How many values a query may have."""
        return self._use(lambda connection: connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER))

    def close(self) -> None:
        """Let go of the file; harmless if that was done."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error, OSError):
                patiently(connection.close, _PATIENCE)

    def _use(self, act: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        if connection is None:
            raise faults.told(self.path, OSError("it was closed, or the process was forked"))
        try:
            return patiently(partial(act, connection), _PATIENCE)
        except (sqlite3.Error, OSError) as error:
            raise faults.told(self.path, error) from error

    # -- opening -----------------------------------------------------------------------------------------------------

    def _open(self, *, log: bool) -> None:
        connection = self._connect(self._file)
        if not self._known(connection):
            connection.execute("BEGIN IMMEDIATE")
            if not self._known(connection):  # else another process was first
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id={_MARK}")
                connection.execute(f"PRAGMA user_version={FORMAT}")
            connection.execute("COMMIT")
        if not log:
            return
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise faults.without_log(self.path)
        connection.execute("PRAGMA synchronous=NORMAL")

    def _open_to_read(self) -> None:
        address = f"file:{_quoted(self._file)}"
        if not os.path.exists(self._file):
            raise faults.not_there(self.path)
        try:
            known = self._known(self._connect(f"{address}?mode=rw"))  # else what SQLite puts beside it stays there
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY or os.path.exists(f"{self._file}-wal"):
                raise
            known = self._known(self._connect(f"{address}?mode=ro&immutable=1"))  # nothing can be put there
        if not known:
            raise faults.of_another_kind(self.path)

    def _connect(self, address: str) -> sqlite3.Connection:
        if self._connection is not None:
            self._connection.close()
        self._connection = sqlite3.connect(
            address, timeout=0.0, isolation_level=None, check_same_thread=False, uri=address.startswith("file:")
        )
        self._connection.execute("PRAGMA trusted_schema=OFF")  # what a file computes with stays harmless
        return self._connection

    def _known(self, connection: sqlite3.Connection) -> bool:
        """Whether it is a journal; False if it is empty."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        if mark == _MARK:
            if version > FORMAT:
                raise faults.too_new(self.path, version, FORMAT)
            (others,) = connection.execute(_OTHERS).fetchone()
            if others:
                raise faults.of_another_kind(self.path)
            return True
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if mark or version or tables:
            raise faults.of_another_kind(self.path)
        return False

    def _forked(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            keep_of_parent(connection)


def opened_to_read(path: str) -> Database:
    """A journal that is there."""
    database = Database(path)
    try:
        database.open_to_read()
    except BaseException:
        database.close()
        raise
    return database


def _make(file: str) -> None:
    """Make the file, for nobody else to read; SQLite gives those beside it the same mode."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    with suppress(FileExistsError):
        os.close(os.open(file, flags, 0o600))
    if os.path.isdir(file):
        raise IsADirectoryError(errno.EISDIR, "Is a directory", file)


def _quoted(file: str) -> str:
    from urllib.parse import quote

    return quote(file)
