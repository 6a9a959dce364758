"""The inputs of a batch, from which threads pull.

Threads pull the next input themselves, and nothing is shared but one atomic step: ``next`` of one ``zip``, where the
GIL makes that atomic, else ``popleft`` of a deque, which is atomic everywhere.  Each input goes to one thread.
"""

from __future__ import annotations

from collections import deque
from itertools import repeat

from ..base.errors import TaskCancelled
from ..base.locks import GIL
from ..base.outcome import CANCELLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..base.outcome import Raw

    Entry = tuple[int, Any, float]
    """The place of an input, the input, and when it was taken."""


class Inputs:
    """Those that were not pulled yet.

    Args:
        items: all of them, if they are known; else they are fed.
        now: when they were taken.
        numbers: the index of each, if it is not its place among them.
    """

    __slots__ = ("_numbered", "entries", "feeding", "left")

    def __init__(self, items: list[object] | None, now: float, numbers: list[int] | None = None) -> None:
        self.entries: deque[Entry] = deque()
        self.feeding: tuple[int, list[object], float] | None = None  # the index of the first, inputs, and when
        self._numbered: Iterator[Entry] | None = None
        self.left: Callable[[], int] = self.entries.__len__
        """How many they are: a function written in C, for it is asked often."""
        if items is not None:
            iterator: Any = iter(items)
            numbered = zip(numbers or range(len(items)), iterator, repeat(now), strict=False)
            if GIL:
                self._numbered = numbered
                self.left = iterator.__length_hint__
            else:
                self.entries.extend(numbered)

    def __len__(self) -> int:
        return self.left()

    def pull(self) -> Iterator[Entry]:
        """What a thread iterates over to take inputs; where they are in a deque, it ends with ``IndexError``."""
        numbered = self._numbered  # read once: ``spread`` may come between
        return iter(self.entries.popleft, None) if numbered is None else numbered

    def take(self) -> Entry | None:
        """Pull one entry, or None."""
        try:
            return next(self.pull(), None)
        except IndexError:
            return None

    def spread(self) -> None:
        """Have threads pull from the deque from now on, where single ones can be taken out.  With the lock held.

        One call of C takes them there, so that each is in one of the two places.
        """
        if self._numbered is not None:
            self.entries.extend(self._numbered)
            self.left = self.entries.__len__
            self._numbered = None

    def take_out(self, index: int) -> Entry | None:
        """Pull the entry of an input, or None if others have pulled it.  With the lock held."""
        self.spread()
        while True:
            try:
                found = next((entry for entry in list(self.entries) if entry[0] == index), None)
                if found is not None:
                    self.entries.remove(found)
            except ValueError:
                return None
            except (IndexError, RuntimeError):  # another thread pulled one meanwhile: look again
                continue
            return found

    def never_queued(self, index: int, since: float, now: float) -> Raw:
        """The outcome of an input at whose feeding a signal's exception has struck: it was counted, and no more.

        Args:
            since: when the batch was made.
        """
        first, items, since = self.feeding or (index, [None], since)
        error = TaskCancelled("the batch was ended while this input was taken")
        return (index, items[index - first], since, CANCELLED, error, None, now, None)
