"""How long the loopback server thinks before it answers.

A latency is an endless series of delays, one per request in order of arrival, and the series is a function of the
latency alone: the delay of the n-th request is the same in every run.
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from threadfan._core.base.given import real

if TYPE_CHECKING:
    from collections.abc import Iterator

_Z99 = 2.3263478740408408  # the 99th percentile of the standard normal distribution


@dataclass(frozen=True)
class Fixed:
    """The same delay for every request.

    Args:
        seconds: The delay; 0 or more.

    Raises:
        TypeError: `seconds` is no number.
        ValueError: `seconds` is negative or not finite.
    """

    seconds: float

    def __post_init__(self) -> None:
        seconds = real(self.seconds)
        if seconds is None or not 0 <= seconds < math.inf:
            wrong = TypeError if seconds is None else ValueError
            raise wrong(f"seconds is {self.seconds!r}; a delay is a number of seconds, 0 or more")

    def delays(self) -> Iterator[float]:
        """Yields the delay of the first request, of the second, and so on, in seconds."""
        return itertools.repeat(self.seconds)


@dataclass(frozen=True)
class LogNormal:
    """A long-tailed delay, as services have it: most answers are quick and a few take many times longer.

    The logarithm of the delay is normally distributed with mean ln(median) and deviation ln(p99 / median) / 2.326.

    Args:
        median: Half of the delays are shorter, in seconds; more than 0.
        p99: 99 of 100 delays are shorter, in seconds; at least `median`.
        seed: Another seed gives another series.

    Raises:
        TypeError: `median` or `p99` is no number.
        ValueError: `median` is not positive, or `p99` is below it or not finite.
    """

    median: float
    p99: float
    seed: int = 0

    def __post_init__(self) -> None:
        median, p99 = real(self.median), real(self.p99)
        if median is None or p99 is None or not 0 < median <= p99 < math.inf:
            wrong = TypeError if None in (median, p99) else ValueError
            raise wrong(f"median={self.median!r}, p99={self.p99!r} is no distribution; right is 0 < median <= p99")

    def delays(self) -> Iterator[float]:
        """Yields the delay of the first request, of the second, and so on, in seconds."""
        mean, deviation = math.log(self.median), math.log(self.p99 / self.median) / _Z99
        generator = random.Random(self.seed)  # noqa: S311 -- a repeatable series is the purpose
        while True:
            yield generator.lognormvariate(mean, deviation)
