"""How far a run of a pipeline has read its inputs, and how far it may."""

from __future__ import annotations

from ..batches import intake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .stage_state import StageState


class Inputs:
    """The inputs of one run.

    Guarded by ``scheduler.lock``: ``read`` and ``handed_out``, which count inputs and outcomes.

    Args:
        items: all of them if they are at hand, else None, and they are fed.
        first: the stage that they wait for.
        window: how many may be read and not handed out.
    """

    def __init__(self, items: list[object] | None, first: StageState, window: float) -> None:
        self.items = items
        self.read = self.handed_out = 0
        self._first = first
        self._window = window

    @property
    def at_hand(self) -> bool:
        """Whether nobody needs to feed them."""
        return self.items is not None

    def total(self) -> int:
        """How many there are, or were read."""
        return self.read if self.items is None else len(self.items)

    def value(self, place: int) -> object:
        """One that is at hand."""
        return (self.items or ())[place]

    def room(self, accepted: int) -> int:
        """How many more may be read.

        Args:
            accepted: how many of those at hand were not handed in to the first stage.
        """
        first = self._first
        entering = 0 if self.items is None else max(0, self.read + accepted - len(self.items))
        ahead = first.buffer - (first.present - first.begun)
        return int(min(min(ahead, first.room) - entering, self._window - (self.read - self.handed_out)))

    def should_read(self, accepted: int) -> bool:
        """Whether it is worth while to read: half of what may wait in front is missing, or nothing waits there."""
        room, first = self.room(accepted), self._first
        return room > 0 and (2 * room >= min(first.buffer, self._window) or first.present == first.begun)

    def advance_locked(self, items: list[object], accepted: int) -> range:
        """Read as many of those at hand as there is room for; their places."""
        first = self.read
        last = self.read = max(first, min(len(items), first + self.room(accepted)))
        return range(first, last)


def at_hand(given: Any) -> list[object] | None:
    """All inputs, if they can be taken at once."""
    return list(given) if intake.known((given,)) else None
