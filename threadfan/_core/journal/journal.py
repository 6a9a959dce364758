"""What one run has to do with its journal: which inputs it need not call, and what becomes of the others.

Guarantees:

- A call's result is in the file before the call has an outcome, and before its thread takes up another.
- No run calls an item that another one has under way: it waits until that one has ended, and takes its result if it
  has one.  So of all runs with one journal exactly one succeeds with an item.
- What cannot be told from others is refused before anything is called.
- Once the file cannot be written, nothing more is called that would not be stored.
"""

from __future__ import annotations

import json
import os
from functools import partial
from itertools import chain
from time import time
from typing import TYPE_CHECKING, Protocol

from ..base.errors import JournalError, NotStored
from ..base.outcome import INDEX, PAYLOAD, STATUS
from ..base.static import describe
from ..base.usage import usage_of
from .claims import Claims
from .commits import Commits
from .database import Database, opened_to_read
from .failures import Failures
from .kept import KeptRaws, KeptValues
from .looking_up import LookUp
from .planning import Planning

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..base.outcome import Raw
    from ..base.usage import Usage
    from .commits import Row
    from .digests import Digest, Digests
    from .planning import Plan
    from .values import Values

_FIRST_LOOK, _LONGEST = 0.002, 0.05
"""Seconds until the first look whether another run has ended with an item, and between two later ones.  Arbitrary."""

_ROW = "(?, ?, ?, ?, ?, ?, ?, ?)"
_KEEP = "INSERT OR IGNORE INTO results (key, run, place, value, started, ended, worker, usage) VALUES "
_TOGETHER = 100  # rows; any SQLite takes so many in one statement
_KEEP_ONE = _KEEP + _ROW


class Wait(Protocol):
    """How a call waits for another run."""

    def sleep(self, seconds: float) -> None:
        """Wait so long, or raise if nobody wants the call any more."""

    def end(self) -> None:
        """It waits no more; harmless if it has not waited."""


class Journal:
    """A journal file, as one run uses it: ``open``, ``plan``, ``begin``, calls, ``note_end``, ``raws``, ``close``.

    A run whose inputs are taken as outcomes are read has ``look_up`` and ``expect`` in the place of ``plan``, and
    ``forget``.

    Args:
        path: of the file.
        fn: what is called, for messages.
        digests: by what inputs are known.
        values: how results are stored.
    """

    def __init__(self, path: str, fn: Callable[..., object], digests: Digests, values: Values) -> None:
        self.path = path
        self.broken: JournalError | None = None
        """Why it cannot be written any more."""
        self._fn = fn
        self._digests = digests
        self._values = values
        self._keys: dict[int, Digest] = {}  # of the inputs that are to be called, by place
        self._run = 0
        self._database = Database(path)
        self._claims = Claims(path)
        self._commits = Commits(self._write)
        self.failures = Failures(self._database, self._put_failures)

    def open(self) -> None:
        """Open the file, or make it."""
        self._database.open()
        self._claims.open()

    @property
    def shared(self) -> bool:
        """Whether other runs may be at it."""
        return self._claims.others

    def under_way(self, place: int) -> bool:
        """Whether another run has the input at this moment."""
        key = self._keys[place]
        free = self._claims.take(key)
        if free:
            self._claims.give_back(key)
        return not free

    def close(self) -> None:
        """The run has ended; harmless if that was said, or if it never began."""
        self._claims.close()
        self._database.close()

    # -- before the calls --------------------------------------------------------------------------------------------

    def plan(self, items: list[object], *, unique: bool) -> Plan:
        """Look up which inputs have results.

        Args:
            unique: whether equal inputs are called once.
        """
        return Planning(self._database, self._digests, items, unique=unique).made()

    def look_up(self, *, unique: bool) -> LookUp:
        """What looks up inputs as they come."""
        return LookUp(self._database, self._digests, unique=unique)

    def expect(self, place: int, key: Digest) -> None:
        """An input is to be called that is known by ``key``."""
        self._keys[place] = key

    def forget(self, place: int) -> Digest | None:
        """Its outcome is handed out; by what it was known, if it was to be called."""
        self.failures.forget(place)
        return self._keys.pop(place, None)

    def read(self, data: bytes, place: int) -> object:
        """The result of an input, from how it is stored."""
        return self._values.read(data, self.path, place)

    def begin(self, keys: dict[int, Digest], total: int, version: str | None) -> None:
        """Note that a run begins.

        Args:
            keys: by what the inputs are known that are to be called, by place.
            total: how many inputs there are, as far as that is known.
        """
        self._keys = keys
        row = (time(), "run", describe(self._fn), version, total)
        query = "INSERT INTO runs (began, kind, function, version, total) VALUES (?, ?, ?, ?, ?)"
        self._run = self._database.transact(lambda connection: connection.execute(query, row).lastrowid or 0)
        self.failures.begin(self._run, keys)

    # -- in the calls ------------------------------------------------------------------------------------------------

    def call(self, place: int, one: Callable[[Any], object], item: object, worker: str, wait: Wait) -> object:
        """Call ``one(item)`` and store what it returns, unless another run does so.

        Args:
            place: of the input.
            worker: the name of the thread.
            wait: how it waits for another run that has the item.

        Raises:
            NotStored: it has returned, but that cannot be stored.
            JournalError: it was not called, since nothing can be stored any more.
        """
        key, pause = self._keys.get(place), _FIRST_LOOK
        try:
            if key is None:
                raise JournalError(f"{describe(self._fn)} was not called: its call had ended")
            while not self._claims.take(key):
                if self._claims.closed:
                    raise JournalError(f"{describe(self._fn)} was not called: the run whose call this is has ended")
                wait.sleep(pause)
                pause = min(2 * pause, _LONGEST)
            try:
                if self._claims.others:
                    for row in self._database.do("SELECT value FROM results WHERE key = ?", (key,)):
                        return self.read(row[0], place)
                if self.broken is not None:
                    raise JournalError(f"{describe(self._fn)} was not called: {self.broken}")
                wait.end()
                started = time()
                value = one(item)
                self._store(key, place, value, started, worker)
                return value
            finally:
                self._claims.give_back(key)
        finally:
            wait.end()
            del self, one, item, wait  # an error's traceback holds this frame: leave no cycle

    def _store(self, key: Digest, place: int, value: object, started: float, worker: str) -> None:
        data = self._values.stored(value, self._fn)
        used = None if isinstance(value, (str, int, float, list)) else usage_of(value)
        usage = None if used is None else json.dumps(used.to_dict())
        try:
            self._put([(_KEEP_ONE, (key, self._run, place, data, started, time(), worker, usage))])
        except JournalError as error:
            found = NotStored(
                f"{describe(self._fn)} has returned, but {error}  The value is in the attribute value of this error."
            )
            found.value = value
            raise found from None

    def _put(self, rows: list[Row]) -> None:
        try:
            self._commits.store(rows)
        except JournalError as error:
            self.broken = self.broken or error
            raise

    def _put_failures(self, rows: list[Row]) -> None:
        if self.broken is None:
            self._put(rows)

    def _write(self, rows: list[Row]) -> None:
        if len(rows) <= _TOGETHER and all(query is _KEEP_ONE for query, _ in rows):
            # A statement by itself is a transaction, and lets go of the GIL but once.
            values = chain.from_iterable(values for _, values in rows)
            self._database.do(_KEEP + ",".join([_ROW] * len(rows)), [*values])
        else:
            self._database.transact(partial(_write_each, rows))

    # -- after the calls ---------------------------------------------------------------------------------------------

    def note_end(self, made: Iterable[Raw], usages: dict[int, Usage], facts: dict[str, object]) -> None:
        """Store which calls have failed, and what is known of the run."""
        self.failures.keep_all(made, usages)
        query = "UPDATE runs SET facts = ? WHERE id = ?"
        try:
            if self.broken is None:
                self._database.do(query, (json.dumps(facts), self._run))
        except JournalError as error:
            self.broken = error

    def raws(self, made: Iterable[Raw], items: list[object], plan: Plan, since: float) -> KeptRaws:
        """All outcomes: of the calls, and of inputs that need none.

        Args:
            made: those of the calls.
            since: when the batch was made.
        """
        called = {raw[INDEX]: raw for raw in made}
        for place, first in plan.copies.items():
            raw = called[first]
            called[place] = (place, items[place], since, raw[STATUS], raw[PAYLOAD], None, since, None)
        opened = partial(opened_to_read, os.path.abspath(self.path))
        return KeptRaws(called, items, KeptValues(self.path, opened, self._values, plan.rows), since)


def _write_each(rows: list[Row], connection: sqlite3.Connection) -> None:
    for query, values in rows:
        connection.execute(query, values)
