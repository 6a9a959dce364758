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
from time import time
from typing import TYPE_CHECKING, Protocol

from ..base.errors import JournalError, NotStored
from ..base.outcome import INDEX, PAYLOAD, SILENT, STATUS
from ..base.static import describe
from ..base.usage import usage_of
from .commits import HASTE
from .database import opened_to_read
from .journal_file import KEEP
from .kept import KeptRaws, KeptValues
from .looking_up import LookUp
from .planning import Planning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..base.generic import OneInput
    from ..base.outcome import Raw
    from .digests import Digest, Digests
    from .journal_file import JournalFile
    from .planning import Plan
    from .values import Values

_FIRST_LOOK, _LONGEST = 0.002, 0.05
"""Seconds until the first look whether another run has ended with an item, and between two later ones.  Arbitrary."""


class Wait(Protocol):
    """How a call waits for another run."""

    def sleep(self, seconds: float) -> None:
        """Wait so long, or raise if nobody wants the call any more."""

    def end(self) -> None:
        """It waits no more, or the same; harmless if it has not waited."""


class Journal:
    """What one function's calls have to do with a journal.

    Args:
        file: of the journal, which others open, begin and close.
        fn: what is called, for messages.
        digests: by what inputs are known.
        values: how results are stored.
    """

    def __init__(self, file: JournalFile, fn: Callable[..., object], digests: Digests, values: Values) -> None:
        self.file = file
        self.digests = digests
        self.name = describe(fn)
        """By which runs of the function are known."""
        self._fn = fn
        self._values = values

    # -- before the calls --------------------------------------------------------------------------------------------

    def plan(self, items: list[object], *, unique: bool) -> Plan:
        """Look up which inputs have results.

        Args:
            unique: whether equal inputs are called once.
        """
        return Planning(self.file.database, self.digests, items, unique=unique).made()

    def look_up(self, *, unique: bool) -> LookUp:
        """What looks up inputs as they come."""
        return LookUp(self.file.database, self.digests, unique=unique)

    def read(self, data: bytes, place: int) -> object:
        """The result of an input, from how it is stored."""
        return self._values.read(data, self.file.path, place)

    # -- in the calls ------------------------------------------------------------------------------------------------

    def call(self, place: int, one: OneInput, item: object, worker: str, wait: Wait, *, look: bool = False) -> object:
        """Call ``one(item)`` and store what it returns, unless another run does so.

        Args:
            place: of the input.
            worker: the name of the thread.
            wait: how it waits for another run that has the item.
            look: whether the file was not asked before.

        Raises:
            NotStored: it has returned, but that cannot be stored.
            JournalError: it was not called, since nothing can be stored any more.
        """
        file = self.file
        key, pause = file.keys.get(place), _FIRST_LOOK
        try:
            if key is None:
                raise JournalError(f"{describe(self._fn)} was not called: its call had ended")
            while not file.claims.take(key):
                if file.claims.closed:
                    raise JournalError(f"{describe(self._fn)} was not called: the run whose call this is has ended")
                wait.sleep(pause)
                pause = min(2 * pause, _LONGEST)
            try:
                if look or file.claims.others:
                    for row in file.database.do("SELECT value FROM results WHERE key = ?", (key,)):
                        return self.read(row[0], place)
                if file.broken is not None:
                    raise JournalError(f"{describe(self._fn)} was not called: {file.broken}")
                wait.end()
                started = time()
                value = one(item)
                self._store(key, place, value, started, worker)
                return value
            finally:
                file.claims.give_back(key)
        finally:
            wait.end()
            del self, file, one, item, wait  # an error's traceback holds this frame: leave no cycle

    def _store(self, key: Digest, place: int, value: object, started: float, worker: str) -> None:
        data = self._values.stored(value, self._fn)
        used = None if isinstance(value, SILENT) else usage_of(value)
        usage = None if used is None else json.dumps(used.to_dict())
        ended = time()
        try:
            row = KEEP, (key, self.file.run, place, data, started, ended, worker, usage)
            self.file.commits.store([row], haste=ended - started < HASTE)
        except JournalError as error:
            found = NotStored(
                f"{describe(self._fn)} has returned, but {error}  The value is in the attribute value of this error."
            )
            found.value = value
            raise found from None

    # -- after the calls ---------------------------------------------------------------------------------------------

    def raws(self, made: Iterable[Raw], items: list[object], plan: Plan, since: float) -> KeptRaws:
        """All outcomes: of the calls, and of inputs that need none.

        Args:
            made: those of the calls.
            since: when the batch was made.
        """
        path, called = self.file.path, {raw[INDEX]: raw for raw in made}
        for place, first in plan.copies.items():
            raw = called[first]
            called[place] = (place, items[place], since, raw[STATUS], raw[PAYLOAD], None, since, None)
        opened = partial(opened_to_read, os.path.abspath(path))
        return KeptRaws(called, items, KeptValues(path, opened, self._values, plan.rows), since)
