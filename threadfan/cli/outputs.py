"""Which outputs belong to a journal: the journal has all that is in them, so they may be written anew.

They are noted in a table of the journal's own, by where they are from the journal's folder: a folder may be moved as a
whole.  Journals that nobody has noted an output in know none.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from threadfan import JournalError
from threadfan._core.base.texts import text_of
from threadfan._core.journal import faults
from threadfan._core.journal.database import Database, opened_to_read

from .errors import USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLE = "CREATE TABLE IF NOT EXISTS outputs (path TEXT PRIMARY KEY) WITHOUT ROWID"


def check(journal: str, output: str | None) -> None:
    """Check that a journal can be gone on with, and that an output is its own and can be written anew from it.

    Args:
        output: None if there is nothing in it that could be lost.

    Raises:
        CommandError: that is not so.
    """
    with _told(), closing(opened_to_read(journal)) as database:
        if output is None:
            return
        if not _has(database, _place(journal, output)):
            raise CommandError(
                f"{output} is there, and {journal} is not its journal; right is another -o, or to move {output} away: "
                f"what {journal} has is written again",
                USAGE,
            )
        found = database.do("PRAGMA quick_check(1)")  # the output will be made of all that is in it
        if found != [("ok",)]:
            error = sqlite3.DatabaseError(str(found[0][0]))
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise faults.told(journal, error)


def note(journal: str, output: str | None) -> None:
    """Open a journal, or make it, and note that an output is its own.

    Raises:
        CommandError: it cannot be.
    """
    database = Database(journal)
    with _told(), closing(database):
        database.open()
        if output is not None and not _has(database, _place(journal, output)):
            database.do(_TABLE)
            database.do("INSERT OR IGNORE INTO outputs VALUES (?)", (_place(journal, output),))


def _has(database: Database, place: str) -> bool:
    tables = database.do("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'outputs'")
    return bool(tables and database.do("SELECT 1 FROM outputs WHERE path = ?", (place,)))


def _place(journal: str, output: str) -> str:
    path, folder = os.path.realpath(output), os.path.dirname(os.path.realpath(journal))
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # on another drive of Windows
        return path


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except JournalError as error:
        raise CommandError(text_of(error), USAGE) from error
