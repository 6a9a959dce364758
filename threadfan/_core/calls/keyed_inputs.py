"""The inputs of a batch with ``by=``, each of which needs a seat of its key to be called.

Each key has so many *seats*: a list of as many things, from which one is taken for each call that runs.  Threads pull
inputs as from any, and whoever has pulled one takes a seat of its key.  If there is none, the input is *held*, in a
line of its key's, and the thread pulls the next; when a seat comes free, it is for the first in that line.

Guarantees: an input that is held has neither a thread nor a slot; each is looked at once before its turn, whatever the
others do.  What is taken is the first input whose key has a seat.

Both ends of a wait look at what the other has done: who holds an input puts it into the line and then looks for seats,
who frees a seat puts it back and then looks for the line.
"""

from __future__ import annotations

from collections import defaultdict, deque
from functools import partial
from heapq import heappop, heappush
from itertools import chain

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

    __slots__ = ("_by", "_seats_of", "fed", "held", "ready", "seats", "waiting")

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
        self.waiting: int = 0  # how many are held
        self.held: dict[int, deque[Entry]] = {}
        """Inputs by the identity of their seats.  While it is empty, nobody has to look what follows a call; so where
        that is always to be done there is an empty line in it: if there is no GIL (only the lock tells then), or seats
        are to be forgotten."""
        self.hold_none()

    def add(self, items: Sequence[object], places: Sequence[int]) -> None:
        """Inputs at these places are about to be fed."""
        found = looked_up(self._seats_of, self._by, items)
        self.seats.update(zip(places, found, strict=False))  # type: ignore[union-attr]  # they are fed

    def forget_seats(self, index: int) -> None:
        """The call of an input has ended.  By whoever has ended it, with the lock or without."""
        if self.fed:
            self.seats.pop(index)

    def hold_none(self) -> None:
        """Forget all that are held or ready.  By whoever has the lock, or has just made it."""
        self.ready.clear()
        self.waiting = 0
        self.held.clear()
        if self.fed or not GIL:
            self.held[0] = deque()

    # -- with the lock held --------------------------------------------------------------------------------------------

    def take(self) -> Entry | None:
        """Pull the first entry whose key has a seat, which is taken with it; None if there is none among the next."""
        for _ in range(LOOKED_AT):
            if self.ready:
                return heappop(self.ready)
            entry = super().take()
            if entry is None:
                return None
            try:
                self.seats[entry[0]].pop()
            except IndexError:
                self.hold(entry)
            else:
                return entry
        return None  # whoever comes next goes on from here, so that the lock is not held for long

    def take_out(self, index: int) -> Entry | None:
        """Pull the entry of an input, or None if others have pulled it."""
        self.line_up()
        return super().take_out(index)

    def put_ready(self, entry: Entry) -> None:
        """An input that has a seat is to go before the others."""
        heappush(self.ready, entry)

    def hold(self, entry: Entry) -> None:
        """Have an input wait whose key has no seat, unless one has come free meanwhile."""
        seats = self.seats[entry[0]]
        self.held.setdefault(id(seats), deque()).append(entry)
        self.waiting += 1
        self.serve(seats)

    def serve(self, seats: Seats) -> bool:
        """Give a seat that has come free to the first input that waits for it; False if there is no such pair."""
        line = self.held.get(id(seats))
        if line is None:
            return False
        try:
            seats.pop()
        except IndexError:  # another thread has taken it, and will free it
            return False
        self.put_ready(line.popleft())
        self.waiting -= 1
        if not line:
            del self.held[id(seats)]
        return True

    def line_up(self) -> None:
        """Have all that are held or ready stand before those that were not looked at, as if nobody had."""
        self.spread()
        for index, _, _ in self.ready:
            self.seats[index].append(None)
        back = sorted(chain(self.ready, *self.held.values()), key=_index, reverse=True)
        self.hold_none()
        self.entries.extendleft(back)


def _index(entry: Entry) -> int:
    return entry[0]
