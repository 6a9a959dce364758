"""One provider with one limit for everybody: requests and tokens a minute, refusals with a Retry-After, outages."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter

    from benchmarks.planning.world import World

BURST = 1.0  # seconds' worth of requests that may come at once
TOKENS = 10.0  # seconds' worth of tokens that may


class Refused(Exception):
    """What its library raises for an answer that is none."""

    def __init__(self, status: int, seconds: int | None = None) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.headers = {} if seconds is None else {"retry-after": str(seconds)}


class Level:
    """A bucket: so many units a second in the long run, ``size`` at once."""

    def __init__(self, per_second: float, seconds: float) -> None:
        self._seconds, self._at = seconds, 0.0
        self.per_second = per_second
        self.size = self.level = max(1.0, per_second * seconds)

    def change(self, now: float, per_second: float) -> None:
        """Another limit holds from now on."""
        self.fill(now)
        self.per_second, self.size = per_second, max(1.0, per_second * self._seconds)
        self.level = min(self.level, self.size)

    def fill(self, now: float) -> None:
        """Add what has come in until now."""
        self.level = min(self.size, self.level + (now - self._at) * self.per_second)
        self._at = now

    def lacking(self, units: float) -> float:
        """Seconds until there are so many."""
        return max(0.0, (min(units, self.size) - self.level) / self.per_second)


class Provider:
    """Answers, or refuses.

    Args:
        requests_per_minute: for all machines together.
        tokens_per_minute: of input, likewise; None for no limit.
    """

    def __init__(self, world: World, requests_per_minute: float, tokens_per_minute: float | None = None) -> None:
        self._world = world
        self._given = requests_per_minute / 60, None if tokens_per_minute is None else tokens_per_minute / 60
        self._requests = Level(self._given[0], BURST)
        self._tokens = None if tokens_per_minute is None else Level(tokens_per_minute / 60, TOKENS)
        self.down = False
        self.accepted: list[int] = []  # in each second
        self.refused: list[int] = []
        self.lost: list[int] = []  # requests that came while it was down
        self.read: list[float] = []  # tokens in each second
        self.limits: list[tuple[float, float]] = [(0.0, self._given[0])]  # since when how many a second

    def change(self, factor: float) -> None:
        """From now on that part of the limit holds that was given at first."""
        now, (requests, tokens) = self._world.now, self._given
        self._requests.change(now, requests * factor)
        if self._tokens is not None and tokens is not None:
            self._tokens.change(now, tokens * factor)
        self.limits.append((now, requests * factor))

    def set_down(self, down: bool) -> None:
        """It breaks down, or is back."""
        self.down = down

    def ask(self, tokens: float) -> Refused | None:
        """None if a request is let in; else why not."""
        now = self._world.now
        second = int(now)
        while len(self.accepted) <= second:
            for counts in (self.accepted, self.refused, self.lost):
                counts.append(0)
            self.read.append(0.0)
        if self.down:
            self.lost[second] += 1
            return Refused(500)
        limits = [(self._requests, 1.0)] if self._tokens is None else [(self._requests, 1.0), (self._tokens, tokens)]
        wait = 0.0
        for level, units in limits:
            level.fill(now)
            wait = max(wait, level.lacking(units - 1e-9))
        if wait > 0.0:
            self.refused[second] += 1
            return Refused(429, max(1, ceil(wait)))
        for level, units in limits:
            level.level -= units
        self.accepted[second] += 1
        self.read[second] += tokens
        return None


def jain(shares: Counter[str] | list[float]) -> float:
    """Jain's index of fairness: 1 if all have the same, 1/n if one of n has everything."""
    values = list(shares.values()) if isinstance(shares, dict) else list(shares)
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0
