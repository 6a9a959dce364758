"""Which inputs of a run have results in the file, and which are to be called."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from .digests import again

if TYPE_CHECKING:
    from .database import Database
    from .digests import Digest, Digests

AT_ONCE = 30_000
"""Inputs that are looked up together, if SQLite takes so many.  Arbitrary: the more, the fewer pages it reads twice."""


class Plan:
    """What is to be done with inputs.

    Attributes:
        rows: where the file has the result of an input, by place; below 0 if it has none.
        todo: the places of the inputs that are to be called.
        keys: by what those are known, by place.
        copies: of inputs that are like one that is to be called, the place of that one.
    """

    def __init__(self, number: int) -> None:
        self.rows = array("q", [-1]) * number
        self.todo: list[int] = []
        self.keys: dict[int, Digest] = {}
        self.copies: dict[int, int] = {}


class Planning:
    """The look-up of one run's inputs.

    Equal inputs that are each to be called are numbered in their order, and known by that number too.
    """

    def __init__(self, database: Database, digests: Digests, items: list[object], *, unique: bool) -> None:
        self._database = database
        self._digests = digests
        self._items = items
        self._unique = unique
        self._at_once = min(AT_ONCE, database.most())
        self._plan = Plan(len(items))
        self._first: dict[Digest, int] = {}  # of those without a result: the first place
        self._times: dict[Digest, int] = {}  # of those that are there more than once: how often they were before
        self._taken = bytearray()  # of each row, whether it is the result of an earlier input

    def made(self) -> Plan:
        """What is to be done.

        Raises:
            TypeError: an input cannot be told from others.
        """
        items, plan = self._items, self._plan
        for start in range(0, len(items), self._at_once):
            digests = self._digests.all_of(items[start : start + self._at_once], start)
            self._look_up(start, digests)
        if self._times:
            plan.todo.sort()
        return plan

    def _look_up(self, start: int, digests: list[Digest]) -> None:
        found, plan, rows = self._found(digests), self._plan, self._plan.rows
        taken = self._taken
        taken.extend(bytes(max(0, max(found.values(), default=0) + 1 - len(taken))))
        repeated: list[tuple[int, Digest]] = []
        for place, (digest, row) in enumerate(zip(digests, map(found.get, digests), strict=True), start):
            if row is not None:
                if not taken[row] or self._unique:
                    taken[row] = 1
                    rows[place] = row
                else:
                    repeated.append((place, self._numbered(digest)))
            elif digest not in self._first:
                self._first[digest] = place
                self._call(place, digest)
            elif self._unique:
                plan.copies[place] = self._first[digest]
            else:
                repeated.append((place, self._numbered(digest)))
        if repeated:
            found = self._found([digest for _, digest in repeated])
            for place, digest in repeated:
                row = found.get(digest)
                if row is None:
                    self._call(place, digest)
                else:
                    rows[place] = row

    def _call(self, place: int, digest: Digest) -> None:
        self._plan.todo.append(place)
        self._plan.keys[place] = digest

    def _numbered(self, digest: Digest) -> Digest:
        times = self._times[digest] = self._times.get(digest, 0) + 1
        return again(digest, times)

    def _found(self, digests: list[Digest]) -> dict[Digest, int]:
        marks = ",".join("?" * len(digests))
        query = f"SELECT key, id FROM results WHERE key IN ({marks})"  # noqa: S608 -- question marks
        return dict(self._database.do(query, sorted(digests)))  # in the order of the index, so each page is read once
