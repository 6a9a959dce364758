"""Outcomes in the order in which their calls end, kept for a report and handed out meanwhile.

Threads at work write outcomes into a dict by index, as ever.  Whoever looks takes those that are there to the end of a
list, which only grows: so any number of readers go through it, each at its own pace, and a report at any time has them
all.

Guarantee: no exception of a signal loses any, for one call of C takes them from the one place to the other.
"""

from __future__ import annotations

from operator import itemgetter

from ..base import forks
from ..base.locks import Lock
from ..base.outcome import INDEX, STATUS, SUCCEEDED
from .collector import Collector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.outcome import Raw


class Ends(Collector):
    """Of calls of one batch, in place of the collector that it was made with and before any call starts."""

    __slots__ = ("__weakref__", "_taken", "_taking")

    def __init__(self, instead_of: Collector) -> None:
        super().__init__()
        self.judged = instead_of.judged
        self._taken: list[Raw] = []
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork too, nobody is just taking."""
        self._taking = Lock()  # so that no reader misses what another is just taking

    def taken(self) -> list[Raw]:
        """All outcomes that there are; the list grows, and this reader may keep it."""
        results = self.in_order_of_ends()
        with self._taking:
            self._taken.extend(map(results.pop, list(results)))
            return self._taken

    def get(self, index: int) -> Raw | None:
        """The outcome of a call, if it has one; goes through all of them."""
        with self._taking:
            found = self.in_order_of_ends().get(index)
            return next((raw for raw in self._taken if raw[INDEX] == index), None) if found is None else found

    def ended(self) -> int:
        """How many outcomes there are."""
        return len(self.results) + len(self._taken)

    def succeeded(self) -> int:
        """How many of them have a value; goes through all of them."""
        return sum(raw[STATUS] is SUCCEEDED for raw in self.taken().copy())

    def so_far(self) -> list[Raw]:
        """All outcomes that there are, in the order of their inputs."""
        return sorted(self.taken(), key=itemgetter(INDEX))

    def in_order(self, number: int, missing: Callable[[int], Raw]) -> list[Raw]:
        """The same: those of a batch of which only some inputs are called, too."""
        return self.so_far()

    def forget(self) -> None:
        """A report has taken over what is here; readers keep their list."""
        super().forget()
        self._taken = []
