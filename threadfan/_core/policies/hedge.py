"""``Hedge``: when a second attempt is worth its price.

The delay is a percentile of the durations seen, after Dean and Barroso, "The tail at scale" (Communications of the ACM,
2013), with two additions.  A budget is kept exactly, since every second attempt is paid for.  And a percentile counts
only as far as it parts stragglers from ordinary calls: with 4 % of stragglers the 95th percentile lies among the
ordinary calls, of which one in a hundred would then waste budget, so the delay is never below ``CLEAR`` medians; and
with 6 % it lies among the stragglers, where waiting so long would gain nothing, so it is never above ``FAR`` medians.
It is told by the executor, under one lock, and answers with numbers.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from ..base import forks
from ..base.given import real
from ..base.locks import Lock
from ..base.texts import brief

FEWEST = 20  # durations that must be known before a percentile means anything
WINDOW = 1000  # durations that are kept
CLEAR, FAR = 2.0, 4.0  # medians; between them a percentile is free to choose


class Hedge:
    """A second attempt for calls that take long; the first answer wins, the other attempt is cancelled.

    Only for calls that may be made twice.

    Args:
        after: when the second attempt starts: seconds after the first, or a percentile of the last 1000 durations such
            as "p95", kept between 2 and 4 medians.  With a percentile the first 20 calls are never hedged.
        budget: how many second attempts there may be, as a share of the calls started so far; never exceeded.

    Raises:
        TypeError, ValueError: an argument is wrong; the message says what would be right.
    """

    __slots__ = (
        "__weakref__",
        "_percent",
        "_recent",
        "_seconds",
        "_sorted",
        "after",
        "budget",
        "calls",
        "extra",
        "lock",
    )

    def __init__(self, after: str | float = "p95", budget: float = 0.05) -> None:
        self._percent, self._seconds = _percent(after), _seconds(after)
        part = real(budget)
        if part is None:
            raise TypeError(f"budget must be a part of the calls, e.g. 0.05, not {brief(budget)}")
        if not 0 < part <= 1:
            raise ValueError(f"budget must be greater than 0 and at most 1, not {budget!r}")
        self.lock: Lock = Lock()  # held by whoever tells it
        self.after: str | float = after
        self.budget: float = part
        self.calls: int = 0
        self.extra: int = 0
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []  # the same in ascending order
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork: whoever had the lock may have told only half of it."""
        self.lock = Lock()
        self._sorted = sorted(self._recent)

    def began(self) -> None:
        """A call starts with its first attempt."""
        self.calls += 1

    def delay(self) -> float:
        """Seconds after a call's start at which a second attempt is due; infinity while too little is known."""
        if self._percent is None:
            return self._seconds
        known = len(self._sorted)
        if known < FEWEST:
            return float("inf")
        median = self._rank(50)
        return min(max(self._rank(self._percent), CLEAR * median), FAR * median)

    def allow(self) -> bool:
        """Whether a second attempt may start now; if so, it is taken from the budget."""
        if self.extra + 1 > self.budget * self.calls:
            return False
        self.extra += 1
        return True

    def ended(self, duration: float) -> None:
        """A call took so many seconds, from the start of its first attempt to the first answer."""
        if len(self._recent) == WINDOW:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        self._recent.append(duration)
        insort(self._sorted, duration)

    def _rank(self, percent: float) -> float:
        """The nearest-rank percentile."""
        rank = -(-len(self._sorted) * percent // 100)  # rounded up
        return self._sorted[max(0, int(rank) - 1)]

    def __repr__(self) -> str:
        return f"<Hedge after {self.after!r}: {self.extra} extra for {self.calls} calls, budget {self.budget:g}>"


def _percent(after: str | float) -> float | None:
    if not isinstance(after, str):
        return None
    try:
        percent = float(after.removeprefix("p")) if after.startswith("p") else -1.0
    except ValueError:
        percent = -1.0
    if not 0 < percent < 100:
        raise ValueError(f'after must be a percentile such as "p95", or seconds, not {brief(after)}')
    return percent


def _seconds(after: str | float) -> float:
    if isinstance(after, str):
        return float("inf")
    found = real(after)
    if found is None:
        raise TypeError(f'after must be a percentile such as "p95", or seconds, not {brief(after)}')
    if not 0 < found < float("inf"):
        raise ValueError(f"after must be greater than 0 seconds and finite, not {after!r}")
    return found
