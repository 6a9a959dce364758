"""Outcomes of which the values stand in the file until somebody asks for them.

There may be a million of them, of which nobody looks at most: so of each there is a number, its row, and the rest is
made when it is looked at.  The file is open while something is read, some values ahead, and no longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from ..base import forks
from ..base.errors import JournalError
from ..base.generic import Generic, T_co
from ..base.locks import Lock
from ..base.outcome import INDEX, PAYLOAD, STATUS, SUCCEEDED, Kept, Outcome

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterator

    from ..base.attempt import Attempt
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from .database import Database
    from .values import Values

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
                data = self._read(first, MANY)
                self._ahead = {}
            part = range(first, min(first + MANY, places.stop))
            found += [self._read_back(data.get(self.rows[place]), place) for place in part]
        return found

    def _read(self, place: int, number: int) -> dict[int, bytes]:
        """Read ahead from one place on."""
        rows = [row for row in self.rows[place : place + number] if row >= 0]
        database = self._opened()
        try:
            marks = ",".join("?" * len(rows))
            query = f"SELECT id, value FROM results WHERE id IN ({marks})"  # noqa: S608 -- question marks
            self._ahead = dict(database.read(query, rows))
        finally:
            database.close()
        return self._ahead


class KeptRaws:
    """The outcomes of a batch in input order: those of its calls, and between them those that stand in the file.

    Args:
        made: what has become of the calls, by place; None where the file has it.
        items: the inputs.
        kept: what the file has.
        since: when the batch was made.
    """

    def __init__(self, made: list[Raw | None], items: Sequence[object], kept: KeptValues, since: float) -> None:
        self._made = made
        self._items = items
        self._kept = kept
        self._since = since

    def __len__(self) -> int:
        return len(self._made)

    def __getitem__(self, place: int) -> Raw:
        raw = self._made[place]
        if raw is not None:
            return raw
        place %= len(self._made)
        since = self._since
        return place, self._items[place], since, SUCCEEDED, Kept(self._kept.value, place), None, since, None

    def __setitem__(self, place: int, raw: Raw) -> None:
        self._made[place] = raw

    def __iter__(self) -> Iterator[Raw]:
        return map(self.__getitem__, range(len(self._made)))

    @property
    def ok(self) -> bool:
        """Whether every call succeeded, in this run or one before."""
        return all(raw is None or raw[STATUS] is SUCCEEDED for raw in self._made)

    def failed(self) -> list[int]:
        """The places of those that have no value."""
        return [place for place, raw in enumerate(self._made) if raw is not None and raw[STATUS] is not SUCCEEDED]

    def outcomes(self, usages: dict[int, Usage], attempts: dict[int, list[Attempt]]) -> KeptOutcomes[Any]:
        """The same as users see them.

        Args:
            usages: tokens noted while calls ran, by index.
            attempts: those of calls that may have several, by index.
        """
        return KeptOutcomes(self, usages, attempts)

    def payloads(self) -> list[Any]:
        """The value or the error of each."""
        found: list[Any] = []
        place, end = 0, len(self._made)
        while place < end:
            raw = self._made[place]
            if raw is not None:
                found.append(raw[PAYLOAD])
                place += 1
                continue
            first = place
            while place < end and self._made[place] is None:
                place += 1
            found += self._kept.of_many(range(first, place))
        return found

    def loaded(self) -> list[Raw]:
        """All of them, with their values: for a pickle, which goes where the file is not."""
        pairs = zip(self, self.payloads(), strict=True)
        return [(*raw[:PAYLOAD], payload, *raw[PAYLOAD + 1 :]) for raw, payload in pairs]

    def __reduce__(self) -> tuple[type[list[Raw]], tuple[list[Raw]]]:
        return list, (self.loaded(),)


class KeptOutcomes(Sequence[Outcome[T_co]], Generic[T_co]):
    """The same as users see them, each made when it is looked at."""

    def __init__(self, raws: KeptRaws, usages: dict[int, Usage], attempts: dict[int, list[Attempt]]) -> None:
        self._raws = raws
        self._usages = usages
        self._attempts = attempts
        self._called: dict[int, Outcome[T_co]] = {}  # of this run, by place: those stay the same

    def __len__(self) -> int:
        return len(self._raws)

    @overload
    def __getitem__(self, place: int) -> Outcome[T_co]: ...
    @overload
    def __getitem__(self, place: slice) -> list[Outcome[T_co]]: ...
    def __getitem__(self, place: int | slice) -> Outcome[T_co] | list[Outcome[T_co]]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        raw = self._raws[place]
        index = raw[INDEX]
        found = self._called.get(index)
        if found is None:
            found = Outcome(raw, None, self._usages.get(index), self._attempts.get(index))
            if type(raw[PAYLOAD]) is not Kept:
                self._called[index] = found
        return found

    def __iter__(self) -> Iterator[Outcome[T_co]]:
        return (self[place] for place in range(len(self._raws)))
