"""The inputs of a batch with ``by=``, each of which needs a seat of its key to be called.

Each key has so many *seats*: a list of as many things, from which one is taken for each call that runs.  Threads pull
inputs as from any, and whoever has pulled one takes a seat of its key.  If there is none, the input is ``missed``, and
the thread pulls the next; who holds the lock next puts it into the line of its key.  A seat that comes free is handed
over to the first in that line.

Guarantees: an input that is held has neither a thread nor a slot; each is looked at once before its turn, whatever the
others do.  What is taken is the first input whose key has a seat, so those of one key are begun in their order.

For the wait both ends look at what the other has done: who has missed a seat says so and then looks for seats, who
frees one puts it back and then looks whether one was missed.  For the order both steps of each (to pull and to take a
seat, to miss it and to say so, to look and to put it back) are one to other threads: there is a GIL, and no call of
Python's between them.  Without a GIL inputs are pulled, and seats freed, with the lock held.
"""

from __future__ import annotations

from collections import defaultdict, deque
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import chain, islice

from ..base.locks import GIL
from .inputs import Inputs
from .keys import looked_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .inputs import Entry
    from .keys import By

    Seats = list[None]

LOOKED_AT = 500
"""Inputs at once whose keys may all be full.  Arbitrary: they take a tenth of a millisecond."""


class KeyedInputs(Inputs):
    """Those that do not run.  Guarded by the scheduler's lock: what is held, and what is ready.

    Args:
        items: as of ``Inputs``, as are ``now`` and ``numbers``.
        by: says the key of an input; called as inputs are taken, before anything is done with them.
        most: how many seats each key has.
    """

    __slots__ = ("_by", "_seats_of", "fed", "lines", "missed", "ready", "seats", "waiting")

    def __init__(
        self, items: list[object] | None, now: float, numbers: list[int] | None = None, *, by: By, most: int
    ) -> None:
        super().__init__(items, now, numbers)
        by_key: defaultdict[object, Seats] = defaultdict(partial(list, (None,) * most))
        self._seats_of = by_key.__getitem__
        self._by = by
        self.fed: bool = items is None
        self.seats: dict[int, Seats] | list[Seats] = {}
        """Those of the key of each input, by its index; of one that was fed, until its call has ended."""
        if items is not None:
            found = looked_up(self._seats_of, by, items)
            self.seats = found if numbers is None else dict(zip(numbers, found, strict=True))
        self.ready: list[Entry] = []  # a heap of those that were held, and have a seat now
        self.lines: dict[int, deque[Entry]] = {}  # of those that are held, by the identity of their seats
        self.waiting: int = 0  # how many are held
        self.missed: deque[Entry | None] = deque()
        """Inputs whose keys had no seat, and that are in no line yet; None while there are lines.  While it is empty
        nobody has to look what follows a call; so where that is always to be done (without a GIL, or where seats are to
        be forgotten) there is None in it, too."""
        if self.fed or not GIL:
            self.missed.append(None)

    def add(self, items: Sequence[object], places: Sequence[int]) -> None:
        """Inputs at these places are about to be fed."""
        found = looked_up(self._seats_of, self._by, items)
        self.seats.update(zip(places, found, strict=False))  # type: ignore[union-attr]  # they are fed

    def forget_seats(self, index: int) -> None:
        """The call of an input has ended.  By whoever has ended it, with the lock or without."""
        if self.fed:
            self.seats.pop(index)

    # -- with the lock held --------------------------------------------------------------------------------------------

    def take(self) -> Entry | None:
        """Pull the first entry whose key has a seat, which is taken with it; None if there is none among the next."""
        self._line_up()
        if self.ready:
            return heappop(self.ready)
        seats_by, missed = self.seats, self.missed
        try:
            for entry in islice(self.pull(), LOOKED_AT):
                seats = seats_by[entry[0]]
                try:
                    seats.pop()
                except IndexError:
                    missed.append(entry)
                else:
                    return entry
        except IndexError:
            pass  # the deque was empty
        self._line_up()  # if there are more, whoever comes next goes on from here: the lock is not held for long
        return heappop(self.ready) if self.ready else None

    def take_out(self, index: int) -> Entry | None:
        """Pull the entry of an input, or None if others have pulled it."""
        self._line_up()
        seats = id(self.seats[index]) if not self.fed or index in self.seats else 0
        for entry in self.lines.get(seats, ()):
            if entry[0] == index:
                self.lines[seats].remove(entry)
                self._left_line(seats)
                return entry
        for entry in self.ready:
            if entry[0] == index:
                self.ready.remove(entry)
                heapify(self.ready)
                self.free(self.seats[index])
                return entry
        return super().take_out(index)

    def put_ready(self, entry: Entry) -> None:
        """An input that has a seat is to go before the others."""
        heappush(self.ready, entry)

    def free(self, seats: Seats) -> bool:
        """A call has ended: hand its seat over to the first that waits for it; False if there is none."""
        self._line_up()
        line = self.lines.get(id(seats))
        if line is None:
            seats.append(None)
            return False
        self.put_ready(line.popleft())
        self._left_line(id(seats))
        return True

    def look(self, seats: Seats) -> bool:
        """One has come free, and one was missed: as ``free``, unless others have been faster."""
        try:
            seats.pop()
        except IndexError:
            self._line_up()
            return False
        return self.free(seats)

    def discard(self) -> None:
        """Have all that are held or ready stand before the others, as if nobody had looked at them."""
        self.spread()
        self._line_up()
        for index, _, _ in self.ready:
            self.seats[index].append(None)
        back = sorted(chain(self.ready, *self.lines.values()), key=_index, reverse=True)
        self.forget_held()
        self.entries.extendleft(back)

    def forget_held(self) -> None:
        """Nothing is held or ready."""
        self.ready.clear()
        self.lines.clear()
        self.waiting = 0
        self._calm()

    def _line_up(self) -> None:
        """Put those that have missed a seat into lines."""
        missed = self.missed
        number = len(missed)
        if not number:
            return
        missed.append(None)  # first: while there is a line it is not empty
        for _ in range(number):
            entry = missed.popleft()
            if entry is not None:
                self.waiting += 1
                self.lines.setdefault(id(self.seats[entry[0]]), deque()).append(entry)
        self._calm()

    def _left_line(self, seats: int) -> None:
        self.waiting -= 1
        if not self.lines[seats]:
            del self.lines[seats]
            self._calm()

    def _calm(self) -> None:
        if not self.lines and not self.fed and GIL and None in self.missed:
            self.missed.remove(None)


def _index(entry: Entry) -> int:
    return entry[0]
