"""A store that all machines reach, in memory: what it answers is decided as for the one in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from unittest.mock import patch

from benchmarks.planning.world import Nap
from threadfan._core.limits import shared_waitlist
from threadfan._core.limits.in_file import SQLiteStore, _State
from threadfan._core.limits.shared_waitlist import SharedWaitlist
from threadfan._core.limits.ticks import TICKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.planning.world import World
    from threadfan import RateLimit
    from threadfan._core.limits.turns import Word

T = TypeVar("T")

TRIP = 0.0005  # seconds to a store and back


class Common:
    """What is kept, and how often it was asked for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.state = _State(0, 0, 0, 0, 0, 0)
        self.asked = 0

    def waitlist(self, limit: RateLimit) -> tuple[SharedWaitlist, Store]:
        """That of one machine's limit, and the machine's way to this."""
        store = Store(self)
        with (
            patch.object(shared_waitlist, "store_at", lambda *_: store),
            patch.object(shared_waitlist, "reach", lambda _: None),
        ):
            made = SharedWaitlist(limit, "sqlite:////simulated")
        return made, store


class Store(SQLiteStore):
    """One machine's way to it.

    Attributes:
        late: seconds from the last answer until the request that was counted by it may leave.
    """

    def __init__(self, common: Common) -> None:
        super().__init__("/simulated", "simulated")
        self._common = common
        self._counted = False
        self.late = 0.0

    def take(self, spacing: float, capacity: float) -> float:
        """See ``Turns``; it does not sleep, but says when it would have woken up."""
        self._counted, self.late = False, TRIP
        try:
            return super().take(spacing, capacity)
        except Nap as nap:
            if not self._counted:
                return nap.seconds
            self.late += nap.seconds
            return 0.0

    def ask(self, spacing: float, capacity: float, ticket: int | None, lead: float = 0.0) -> Word:
        """See ``Turns``."""
        word = super().ask(spacing, capacity, ticket, lead)
        self._counted = word.counted
        return word

    def _change(self, decide: Callable[[int, _State], T]) -> T:
        common = self._common
        common.asked += 1
        return decide(round(common.world.now * TICKS) + TICKS, common.state)
