"""Failures of calls, in the file as they happen: a page made of a journal after a kill shows them too.

They are not results: the next run calls what has failed.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from ..base.errors import JournalError
from ..base.moments import EPOCH
from ..base.outcome import (
    END,
    FAILED,
    INDEX,
    PAYLOAD,
    SINCE,
    START,
    STATUS,
    STATUSES,
    SUCCEEDED,
    TIMED_OUT,
    WORKER,
)
from . import errors
from .further import packed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..base.attempt import Attempt, Status
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from .commits import Commits, Row
    from .database import Database
    from .digests import Digest

_FAIL = """INSERT OR REPLACE INTO failures (key, run, place, status, error, started, ended, worker, usage, more)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_RETRIED = "UPDATE results SET more = ? WHERE key = ? AND run = ?"


class Failures:
    """Those of one run.

    Args:
        database: which is open while the run goes on.
        commits: where rows are stored.
    """

    def __init__(self, database: Database, commits: Commits) -> None:
        self._database = database
        self._commits = commits
        self._run = 0
        self._keys: dict[int, Digest] = {}
        self._kept: set[int] = set()  # the places of those that are in the file

    def begin(self, run: int, keys: dict[int, Digest]) -> None:
        """The run begins.

        Args:
            run: its number in the file.
            keys: by what inputs are known that are called, by place; of those that come later too.
        """
        self._run = run
        self._keys = keys

    def keep(self, raw: Raw, usages: dict[int, Usage], attempts: dict[int, list[Attempt]]) -> None:
        """Store that a call has failed: in its own thread, before it has an outcome."""
        self.keep_all([raw], usages, attempts)
        self._kept.add(raw[INDEX])

    def keep_all(self, raws: Iterable[Raw], usages: dict[int, Usage], attempts: dict[int, list[Attempt]]) -> None:
        """Store which of these calls have failed, or were retried; that it cannot be is told when the run ends.

        Args:
            usages: what calls have used, by place.
            attempts: those of calls that may have several, by place.
        """
        rows: list[Row] = []
        for raw in raws:
            place = raw[INDEX]
            if raw[STATUS] in (FAILED, TIMED_OUT):
                if place in self._keys and place not in self._kept:
                    rows.append((_FAIL, self._row(raw, usages.get(place), attempts.get(place, ()))))
            elif attempts and raw[STATUS] is SUCCEEDED and len(attempts.get(place, ())) > 1 and place in self._keys:
                rows.append((_RETRIED, (packed(raw[SINCE], attempts[place]), self._keys[place], self._run)))
        with suppress(JournalError):
            if rows and self._commits.broken is None:
                self._commits.store(rows)

    def _row(self, raw: Raw, used: Usage | None, attempts: Sequence[Attempt]) -> tuple[object, ...]:
        place, start = raw[INDEX], raw[START]
        error, usage = errors.packed(raw[PAYLOAD]), None if used is None else json.dumps(used.to_dict())
        times = None if start is None else start + EPOCH, raw[END] + EPOCH
        more = packed(raw[SINCE], attempts) if attempts else None
        return self._keys[place], self._run, place, raw[STATUS], error, *times, raw[WORKER], usage, more

    def has(self, place: int) -> bool:
        """Whether that of a call was stored by its own thread."""
        return place in self._kept

    def of(self, key: Digest) -> tuple[Status, BaseException] | None:
        """How this run has failed with an input, if it has."""
        query = "SELECT status, error FROM failures WHERE key = ? AND run = ?"
        for status, error in self._database.do(query, (key, self._run)):
            return STATUSES[STATUSES.index(status)], errors.unpacked(error)
        return None

    def forget(self, place: int) -> None:
        """The outcome of a call is handed out."""
        self._kept.discard(place)
