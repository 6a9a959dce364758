"""Which inputs have results in the file, asked as they come: they may be endless, so little is kept of them here.

Equal inputs that are each to be called are numbered in their order, and known by that number too, as in ``planning``.
Whether an equal one was there before is told by what there is of it:

- its result is of this run, or was handed out by this one: a byte for each row of earlier runs tells that;
- it is called just now;
- else it stands in a table of this connection alone, which SQLite keeps in a file of its own and removes with the
  connection, with how often it was there: what was there more than once, and what was called and has no result.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from .digests import again

if TYPE_CHECKING:
    from .database import Database
    from .digests import Digest, Digests

    Row = tuple[Digest, int, int, bytes]
    Found = tuple[Digest, bytes | None]
    """By what an input is known, and its result as it is stored, if there is one."""

_ID: Final = 1  # where the row of a result has its number, from 1 on,
_RUN: Final = 2  # whose it is,
_VALUE: Final = 3  # and what it is

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
        self._run = 0
        self._taken = bytearray()  # of each row, whether it is the result of an earlier input
        self._called: set[Digest] = set()  # what is called just now
        self._ended: list[int] = []  # the numbers of what has ended without a result, until they are in the table
        self._any_seen = False  # whether anything is in that

    def begin(self, run: int) -> None:
        """Nothing was seen yet.

        Args:
            run: the number in the file of the run whose inputs these are; 0 if it calls nothing.
        """
        self._run = run
        if not self._unique:
            for statement in _SEEN:
                self._database.do(statement)

    def of(self, items: list[object], first: int) -> list[Found]:
        """By what each is known, and its result.

        Args:
            first: the place of the first.

        Raises:
            TypeError: one cannot be told from others.
        """
        made: list[Found] = []
        for start in range(0, len(items), AT_ONCE):
            digests = self._digests.all_of(items[start : start + AT_ONCE], first + start)
            rows = {row[0]: row for row in self._database.do(_query(len(digests)), digests)}
            if self._unique:
                made += [(digest, rows[digest][_VALUE] if digest in rows else None) for digest in digests]
            else:
                made += self._told_apart(digests, rows)
        return made

    def ended(self, key: Digest, *, stored: bool) -> None:
        """An input that had no result was called, or will not be, and is not known as under way any more.

        Args:
            stored: whether its result is in the file, as one of this run.
        """
        if key in self._called:
            self._called.discard(key)
            if not stored:
                self._ended.append(_number(key))

    # -- equal ones --------------------------------------------------------------------------------------------------

    def _told_apart(self, digests: list[Digest], rows: dict[Digest, Row]) -> list[Found]:
        """The same, with those that were there before known by their number too."""
        times, taken, called, run = self._times(digests), self._taken, self._called, self._run
        taken.extend(bytes(max(0, max([row[_ID] for row in rows.values()], default=0) + 1 - len(taken))))
        made: list[Found] = []
        repeated: dict[int, Digest] = {}  # by where they stand in that list
        for digest in digests:
            row = rows.get(digest)
            if (
                digest in called
                or (row is not None and (taken[row[_ID]] or row[_RUN] == run))
                or (times and _number(digest) in times)
            ):
                number = _number(digest)
                before = times.get(number, 1)
                times[number] = before + 1
                repeated[len(made)] = key = again(digest, before)
                made.append((key, None))
            elif row is None:
                called.add(digest)
                made.append((digest, None))
            else:
                taken[row[_ID]] = True
                made.append((digest, row[_VALUE]))
        if repeated:
            self._look_up_again(repeated, made)
            self._keep("REPLACE INTO seen VALUES ", "(?,?)", [*chain.from_iterable(times.items())])
        return made

    def _look_up_again(self, repeated: dict[int, Digest], made: list[Found]) -> None:
        keys = [*repeated.values()]
        found = {row[0]: row[_VALUE] for row in self._database.do(_query(len(keys)), keys)}
        for place, key in repeated.items():
            made[place] = key, found.get(key)

    def _times(self, digests: list[Digest]) -> dict[int, int]:
        """How often each was there before, of those that the table has; by number."""
        for start in range(0, len(self._ended), AT_ONCE):
            self._keep(
                "INSERT OR IGNORE INTO seen (times, number) VALUES ", "(1,?)", self._ended[start : start + AT_ONCE]
            )
        self._ended.clear()
        if not self._any_seen:
            return {}
        marks = ",".join("?" * len(digests))
        query = f"SELECT number, times FROM seen WHERE number IN ({marks})"  # noqa: S608 -- question marks
        return dict(self._database.do(query, [*map(_number, digests)]))

    def _keep(self, query: str, row: str, values: list[int]) -> None:
        self._database.do(query + ",".join([row] * (len(values) // row.count("?"))), values)
        self._any_seen = True


def _query(number: int) -> str:
    """What finds the results of so many keys; a third faster than a list of them after IN.

    There is no row for a key without a result: for each the GIL is let go of, and calls that are under way take it.
    """
    keys = ",".join(["(?)"] * number)
    return f"SELECT key, id, run, value FROM (VALUES {keys}) CROSS JOIN results ON key = column1"  # noqa: S608 -- marks


def _number(digest: Digest) -> int:
    return int.from_bytes(digest[:8], "big") >> 1  # as SQLite can have it
