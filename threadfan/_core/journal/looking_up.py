"""Which inputs have results in the file, asked as they come: they may be endless, so nothing is kept of them here.

Equal inputs that are each to be called are numbered in their order, and known by that number too, as in ``planning``.
How often each was there before stands in a table of this connection alone, which SQLite keeps in a file of its own and
removes with the connection.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from .digests import again

if TYPE_CHECKING:
    import sqlite3

    from .database import Database
    from .digests import Digest, Digests

AT_ONCE = 400
"""Inputs that are looked up together; any SQLite takes a statement with two values of each."""
_SEEN = (
    "PRAGMA temp_store=FILE",
    "PRAGMA temp.journal_mode=OFF",  # nothing of it is ever taken back
    "CREATE TEMP TABLE seen (number INTEGER PRIMARY KEY, times INTEGER NOT NULL)",
)
"""By half of a key, as a number, which is a fifth of the work.  That two of a million inputs have the same number has a
probability of one in 10**7, and costs a call whose result is there."""


class LookUp:
    """That of one run's inputs; used by one thread at a time.

    Args:
        database: which is opened before the first.
        digests: by what inputs are known.
        unique: whether equal inputs are called once, so that none is numbered.
    """

    def __init__(self, database: Database, digests: Digests, *, unique: bool) -> None:
        self._database = database
        self._digests = digests
        self._unique = unique

    def begin(self) -> None:
        """Nothing was seen yet."""
        if not self._unique:
            for statement in _SEEN:
                self._database.do(statement)

    def of(self, items: list[object], first: int) -> list[tuple[Digest, bytes | None]]:
        """By what each is known, and its result as it is stored, if there is one.

        Args:
            first: the place of the first.

        Raises:
            TypeError: one cannot be told from others.
        """
        made: list[tuple[Digest, bytes | None]] = []
        for start in range(0, len(items), AT_ONCE):
            digests = self._digests.all_of(items[start : start + AT_ONCE], first + start)
            keys, found = self._database.together(partial(self._found, digests))
            made += zip(keys, map(found.get, keys), strict=True)
        return made

    def _found(self, digests: list[Digest], connection: sqlite3.Connection) -> tuple[list[Digest], dict[Digest, bytes]]:
        marks = ",".join("?" * len(digests))
        keys, times = digests, {}
        if not self._unique:
            numbers = [int.from_bytes(digest[:8], "big") >> 1 for digest in digests]  # as SQLite can have it
            query = f"SELECT number, times FROM seen WHERE number IN ({marks})"  # noqa: S608 -- question marks
            times = dict(connection.execute(query, numbers))
            keys = [_numbered(digest, number, times) for digest, number in zip(digests, numbers, strict=True)]
        query = f"SELECT key, value FROM results WHERE key IN ({marks})"  # noqa: S608 -- the same
        found = dict(connection.execute(query, sorted(keys)))
        if times:  # last: what is before it may have to be done again
            rows = ",".join(["(?,?)"] * len(times))
            connection.execute(f"REPLACE INTO seen VALUES {rows}", [*chain.from_iterable(times.items())])  # noqa: S608
        return keys, found


def _numbered(digest: Digest, number: int, times: dict[int, int]) -> Digest:
    """By what an input is known.

    Args:
        times: how often each was there before; counted on here.
    """
    before = times.get(number, 0)
    times[number] = before + 1
    return again(digest, before) if before else digest
