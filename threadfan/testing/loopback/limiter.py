"""The arithmetic of rate limits: what may pass at a given moment, and how long anything else has to wait.

Time is an argument, in nanoseconds of one monotonic clock, and everything is counted in whole numbers: a level is kept
in parts of a minute's nanoseconds, of which each nanosecond brings `per_minute`.  With whole figures no rounding ever
lets a request pass too early or too late.  Looking changes nothing; taking at a moment before the latest at which
something was taken counts as at that one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threadfan.testing.limits import Limits

SECOND = 1_000_000_000
MINUTE = 60 * SECOND

_KEPT = 10_000  # accepted requests that a window remembers beyond its burst, in case it is made wider


class Bucket:
    """A token bucket: full at first, refilled continuously, and in debt when more is taken than was there.

    Args:
        per_minute: What a minute brings.
        capacity: The most that it holds.
        now: The moment from which it refills.
    """

    def __init__(self, per_minute: float, capacity: float, now: int) -> None:
        self._rate, self._capacity = per_minute, capacity * MINUTE
        self._level, self._now = self._capacity, now

    def wait(self, amount: int, now: int) -> int:
        """Returns the nanoseconds until an amount is there, 0 when it is: a minute for more than it can ever hold."""
        return MINUTE if amount * MINUTE > self._capacity else self._until(amount * MINUTE, now)

    def take(self, amount: int, now: int) -> None:
        """Takes an amount out, whether it is there or not."""
        self._refill(now)
        self._level -= amount * MINUTE

    def left(self, now: int) -> int:
        """Returns how many whole units are there."""
        return max(0, int(self._at(now) // MINUTE))

    def full(self, now: int) -> int:
        """Returns the nanoseconds until the bucket is full."""
        return self._until(self._capacity, now)

    def change(self, per_minute: float, capacity: float, now: int) -> None:
        """Goes on with other figures and what is there, clipped to the new capacity."""
        self._refill(now)
        self._rate, self._capacity = per_minute, capacity * MINUTE
        self._level = min(self._level, self._capacity)

    def _refill(self, now: int) -> None:
        self._level, self._now = self._at(now), max(self._now, now)

    def _at(self, now: int) -> float:
        return min(self._capacity, self._level + max(0, now - self._now) * self._rate)

    def _until(self, level: float, now: int) -> int:
        return max(0, int(-((self._at(now) - level) // self._rate)))


class Window:
    """A sliding log: at most `burst` units in any span as long as the rate takes to bring them.

    Args:
        per_minute: What a minute may have.
        burst: What one span may have.
        now: Not needed; nothing has been taken yet.
    """

    def __init__(self, per_minute: float, burst: float, now: int) -> None:
        self._taken: deque[int] = deque(maxlen=_KEPT)
        self.change(per_minute, burst, now)

    def wait(self, amount: int, now: int) -> int:
        """Returns the nanoseconds until an amount may be taken, 0 when it may: a minute for more than `burst`."""
        if amount > self._burst:
            return MINUTE
        place = self._burst + 1 - amount
        return max(0, self._taken[-place] + self._span - now) if place <= len(self._taken) else 0

    def take(self, amount: int, now: int) -> None:
        """Enters an amount."""
        last = self._taken[-1] if self._taken else now
        self._taken.extend([max(last, now)] * amount)

    def left(self, now: int) -> int:
        """Returns how many units may be taken."""
        recent = len(self._taken) - bisect_right(self._taken, now - self._span)
        return max(0, self._burst - recent)

    def full(self, now: int) -> int:
        """Returns the nanoseconds until the whole burst may be taken."""
        return max(0, self._taken[-1] + self._span - now) if self._taken else 0

    def change(self, per_minute: float, burst: float, _now: int) -> None:
        """Goes on with other figures; what has been taken counts in the new span."""
        self._burst = int(burst)
        self._span = int(-(-self._burst * MINUTE // per_minute))
        self._taken = deque(self._taken, maxlen=self._burst + _KEPT)


class Refusal(NamedTuple):
    """Why a request may not pass: the kind of limit, its figure per minute, and the nanoseconds until it would."""

    kind: str
    per_minute: float
    wait: int


class Level(NamedTuple):
    """How a kind of limit stands: its figure per minute, what is left, and the nanoseconds until it is full."""

    kind: str
    per_minute: float
    left: int
    full: int


class Limiter:
    """All limits of one API key.

    Args:
        limits: The figures.
        now: The moment from which buckets refill.
    """

    def __init__(self, limits: Limits, now: int) -> None:
        self._gauges: dict[str, Bucket | Window] = {}
        self.change(limits, now)

    def change(self, limits: Limits, now: int) -> None:
        """Goes on with other limits; a kind that is limited by the same algorithm as before keeps its level."""
        self.limits: Limits = limits
        old, self._gauges, self._figures = self._gauges, {}, dict(_figures(limits))
        for kind, (per_minute, capacity) in self._figures.items():
            how = Window if kind == "requests" and limits.algorithm == "window" else Bucket
            gauge = old.get(kind)
            if type(gauge) is how:
                gauge.change(per_minute, capacity, now)
            self._gauges[kind] = gauge if type(gauge) is how else how(per_minute, capacity, now)

    def admit(self, input_tokens: int, now: int) -> Refusal | None:
        """Lets a request pass and takes what it uses, or refuses it and takes nothing."""
        amounts = {"requests": 1, "input-tokens": input_tokens, "output-tokens": 1}
        waits = {kind: gauge.wait(amounts[kind], now) for kind, gauge in self._gauges.items()}
        kind = max(waits, key=lambda kind: waits[kind], default="")
        if kind and waits[kind]:
            return Refusal(kind, self._figures[kind][0], waits[kind])
        for kind in self._gauges.keys() - {"output-tokens"}:
            self._gauges[kind].take(amounts[kind], now)
        return None

    def charge(self, output_tokens: int, now: int) -> None:
        """Takes the output tokens of an answer, even beyond what is left."""
        if "output-tokens" in self._gauges:
            self._gauges["output-tokens"].take(output_tokens, now)

    def levels(self, now: int) -> list[Level]:
        """Returns how each kind of limit stands; a last one of kind "tokens" sums input and output up.

        Where one of the two is not limited there is no such sum: that of the other alone would be a limit of its own
        to clients that take it for what it says.  https://docs.anthropic.com/en/api/rate-limits#response-headers
        """
        kinds = self._gauges.items()
        levels = [Level(kind, self._figures[kind][0], gauge.left(now), gauge.full(now)) for kind, gauge in kinds]
        if len(tokens := [level for level in levels if level.kind.endswith("-tokens")]) == 2:
            _, per_minute, left, full = zip(*tokens, strict=True)
            levels.append(Level("tokens", sum(per_minute), sum(left), max(full)))
        return levels


def _figures(limits: Limits) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yields each kind that is limited with its figure per minute and its capacity."""
    for kind, per_minute, capacity in (
        ("requests", limits.requests_per_minute, limits.burst),
        ("input-tokens", limits.input_tokens_per_minute, limits.input_token_burst),
        ("output-tokens", limits.output_tokens_per_minute, limits.output_token_burst),
    ):
        if per_minute is not None:
            yield kind, (per_minute, max(1, per_minute) if capacity is None else capacity)
