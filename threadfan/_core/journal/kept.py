"""Outcomes of which the values stand in the file until somebody asks for them.

There may be a million of them, of which nobody looks at most: so of each there is a number, its row, and the rest is
made when it is looked at.  The file is open while something is read, some values ahead, and no longer.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from ..base import forks
from ..base.errors import JournalError, TaskCancelled
from ..base.generic import Generic, T_co
from ..base.locks import Lock
from ..base.outcome import CANCELLED, INDEX, ITEM, PAYLOAD, STATUS, SUCCEEDED, Kept, Outcome
from .values import Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..base.attempt import Attempt
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from .database import Database

AHEAD = 64
"""Values that are read at once; arbitrary: opening the file takes as long as reading some fifty."""
MANY = 900
"""The same where all will be asked for; any SQLite takes so many in one query."""


class KeptValues:
    """What stands in the file for inputs.

    Args:
        path: of the journal.
        opened: opens it to read.
        values: how they are stored.
        rows: of each input, by place; below 0 if it has none.
    """

    def __init__(self, path: str, opened: Callable[[], Database], values: Values, rows: array[int]) -> None:
        self.rows = rows
        self._path = path
        self._opened = opened
        self._values = values
        self._ahead: dict[int, bytes] = {}  # read, and not asked for yet: by row
        self._forked()
        forks.renew(self, KeptValues._forked)

    def _forked(self) -> None:
        self._lock = Lock()  # guards ``_ahead``

    def value(self, place: int) -> object:
        """That of one input."""
        row = self.rows[place]
        with self._lock:
            data = self._ahead.pop(row, None)
            if data is None:
                data = self._read(place, AHEAD).pop(row, None)
        return self._read_back(data, place)

    def _read_back(self, data: bytes | None, place: int) -> object:
        if data is None:
            raise JournalError(f"the journal {self._path!r} has no value for input {place} any more: was it replaced?")
        return self._values.read(data, self._path, place)

    def of_many(self, places: range) -> list[object]:
        """Those of inputs that stand in a row, each of which has one."""
        found: list[object] = []
        for first in range(places.start, places.stop, MANY):
            with self._lock:
                part = range(first, min(first + MANY, places.stop))
                data = self._read(first, len(part))
                self._ahead = {}
            found += [self._read_back(data.get(self.rows[place]), place) for place in part]
        return found

    def _read(self, place: int, number: int) -> dict[int, bytes]:
        """Read ahead from one place on."""
        rows = [row for row in self.rows[place : place + number] if row >= 0]
        database = self._opened()
        try:
            marks = ",".join("?" * len(rows))
            query = f"SELECT id, value FROM results WHERE id IN ({marks})"  # noqa: S608 -- question marks
            self._ahead = dict(database.do(query, rows))
        finally:
            database.close()
        return self._ahead


class KeptRaws:
    """The outcomes of a batch in input order: those of its calls, and between them those that stand in the file.

    Args:
        called: what has become of the calls, by place.
        items: the inputs.
        kept: what the file has.
        since: when the batch was made.
    """

    def __init__(self, called: dict[int, Raw], items: Sequence[object], kept: KeptValues, since: float) -> None:
        self.called = called
        self._items = items
        self._kept = kept
        self._since = since

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: int) -> Raw:
        place = range(len(self._items))[place]
        raw = self.called.get(place)
        if raw is not None:
            return raw
        since, item = self._since, self._items[place]
        if self._kept.rows[place] < 0:  # in the child of a fork
            return place, item, since, CANCELLED, TaskCancelled(forks.REASON), None, since, None
        return place, item, since, SUCCEEDED, Kept(self._kept.value, place), None, since, None

    def __setitem__(self, place: int, raw: Raw) -> None:
        self.called[place] = raw

    def __iter__(self) -> Iterator[Raw]:
        return map(self.__getitem__, range(len(self._items)))

    def without_value(self) -> list[int]:
        """The places of the calls that have none."""
        return sorted(place for place, raw in self.called.items() if raw[STATUS] is not SUCCEEDED)

    def payloads(self) -> list[Any]:
        """The value or the error of each."""
        found: list[Any] = []
        for place in (*sorted(self.called), len(self._items)):
            if place > len(found):
                found += self._kept.of_many(range(len(found), place))
            if place in self.called:
                found.append(self.called[place][PAYLOAD])
        return found

    def loaded(self) -> list[Raw]:
        """All of them, with their values: for a pickle, which goes where the file is not."""
        pairs = zip(self, self.payloads(), strict=True)
        return [(*raw[:PAYLOAD], payload, *raw[PAYLOAD + 1 :]) for raw, payload in pairs]

    @classmethod
    def loaded_again(cls, raws: list[Raw]) -> KeptRaws:
        """Of outcomes that all have their values: none is left to be read."""
        nothing = KeptValues("", _not_there, Values(None), array("q"))
        return cls(dict(enumerate(raws)), [raw[ITEM] for raw in raws], nothing, 0.0)


def _not_there() -> Database:
    raise JournalError("there is no journal any more")


class KeptOutcomes(Sequence[Outcome[T_co]], Generic[T_co]):
    """The same as users see them; those that stand in the file are made each time that they are looked at."""

    def __init__(self, raws: KeptRaws, usages: dict[int, Usage], attempts: dict[int, list[Attempt]]) -> None:
        self._raws = raws
        self.called: dict[int, Outcome[T_co]] = {
            place: Outcome(raw, None, usages.get(raw[INDEX]), attempts.get(raw[INDEX]))
            for place, raw in sorted(raws.called.items())
        }

    def __len__(self) -> int:
        return len(self._raws)

    @overload
    def __getitem__(self, place: int) -> Outcome[T_co]: ...
    @overload
    def __getitem__(self, place: slice) -> list[Outcome[T_co]]: ...
    def __getitem__(self, place: int | slice) -> Outcome[T_co] | list[Outcome[T_co]]:
        places = range(len(self))[place]
        if isinstance(places, range):
            return [self[one] for one in places]
        return self.called.get(places) or Outcome(self._raws[places])

    def __iter__(self) -> Iterator[Outcome[T_co]]:
        return map(self.__getitem__, range(len(self)))
