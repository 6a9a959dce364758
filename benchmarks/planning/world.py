"""Virtual time: a heap of what is to happen, which also stands in for the clock and the alarms of the real policies.

What waits for a limit sets alarms, and what shares one sleeps for milliseconds; inside a ``with World()`` block both
come here.  So the waitlists, the tickets and the policies are those that a fan uses, and only threads, sockets and
stores are played.
"""

from __future__ import annotations

import heapq
import random
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from threadfan._core.base.clock import Clock
from threadfan._core.limits import shared_waitlist, turns, waitlist

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    Act = Callable[[], object]

EARLIEST, LATEST = 0.0001, 0.0005  # seconds by which a timed wait is late
WAY, JITTER = 0.02, 0.002  # seconds to a provider and back again, each; the mean of what comes on top of it


class Nap(Exception):
    """A part of the real code would sleep for so long, with a slot in its hands."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class World(Clock):
    """All that is to happen.

    Args:
        seed: of everything that is left to chance.
    """

    def __init__(self, seed: int = 0) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self._events: list[list[Any]] = []
        self._number = 0

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self.now

    def at(self, moment: float, act: Act) -> list[Any]:
        """Have something done at a moment; what is returned can be given to ``forget``."""
        self._number += 1
        event = [moment, self._number, act]
        heapq.heappush(self._events, event)
        return event

    @staticmethod
    def forget(event: list[Any]) -> None:
        """It is not to be done."""
        event[2] = None

    def transit(self) -> float:
        """Seconds on the way to a provider, or back."""
        return WAY + min(self.random.expovariate(1 / JITTER), 10 * JITTER)

    def run(self, until: float) -> None:
        """Let time pass until that moment, or until nothing is to happen any more."""
        events = self._events
        while events and events[0][0] < until:
            moment, _, act = heapq.heappop(events)
            if act is not None:
                self.now = max(self.now, moment)
                act()

    def _set_alarm(self, clock: Clock, due: float, act: Act, *, quick: bool = False) -> Callable[[], None]:
        late = EARLIEST + self.random.random() * (LATEST - EARLIEST)
        return partial(self.forget, self.at(max(due, self.now) + late, act))

    @staticmethod
    def _sleep(seconds: float) -> None:
        raise Nap(seconds)

    def __enter__(self) -> Self:
        self._patches = ExitStack()
        for module in (waitlist, shared_waitlist):
            self._patches.enter_context(patch.object(module, "set_alarm", self._set_alarm))
        time = SimpleNamespace(monotonic=self.monotonic, sleep=self._sleep)
        self._patches.enter_context(patch.object(turns, "time", time))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._patches.close()
