"""Pacing by the generic cell rate algorithm (GCRA): when may a request start that costs so and so much.

The algorithm is the "virtual scheduling" one of ITU-T Recommendation I.371, Annex A (also ATM Forum, Traffic Management
4.1, section 4.4.2).  It keeps one number, the theoretical arrival time: here the moment at which a bucket that holds
``capacity`` units and is filled at one unit per interval would be full again.
"""

from __future__ import annotations

# To wake up a little later than asked for is usual, and would add up from gap to gap.  A start that is late by at most
# so much of an interval is made up for in the next gap.  It is less than the smallest margin of a limit without bursts,
# so that no gap is shorter than that limit's own interval.  Simulated as in rate_limit.py, with starts that are
# 0.1-0.5 ms late: 96.7 % of the limit without this, 97.4 % with it; 0.5-1.5 ms late: 96.0 and 97.4 %.
LATE = 0.02
CATCH_UP = 0.002
"""Seconds of lateness that are made up for at the most, where that is more: at rates at which a thread is always late
by much of an interval, bit by bit in the gaps that follow, none of which is shorter for it than by the part above."""
NOTHING = 1e-9  # seconds; shorter waits are the rounding of sums of floats


class TokenBucket:
    """One kind of unit, requests or tokens, that may be used at so many per minute.

    Args:
        per_minute: the units that may be used in a minute.
        capacity: the units that may be used at once after a quiet time, at least 1.
        slack: seconds by which a burst is kept smaller, so that a server whose bucket was found full a little later
            than it was here never sees one request too many.
        apart: whether units are requests without a burst, of which a strict server wants each two apart.
    """

    __slots__ = (
        "_apart", "_apart_until", "_full_at", "_interval", "_matched", "_slack", "_stretch", "_taken_at", "capacity",
        "per_minute",
    )  # fmt: skip

    def __init__(self, per_minute: float, capacity: float = 1.0, slack: float = 0.0, *, apart: bool = False) -> None:
        self.per_minute: float = per_minute
        self.capacity: float = capacity
        self._slack = slack
        self._apart = apart
        self._stretch = 1.0
        self._interval = 60.0 / per_minute  # seconds per unit, stretched
        self._full_at = self._matched = float("-inf")
        self._taken_at = self._apart_until = float("-inf")  # without a burst: the last start, and when one may follow

    @property
    def bucket(self) -> tuple[float, float]:
        """Seconds in which a unit comes in, and how many units there may be at once."""
        return self._interval, self.capacity - self._slack / self._interval

    def wait(self, now: float, cost: float = 1.0) -> float:
        """Seconds until ``cost`` units may be used; more than the bucket can hold may go when it is full."""
        missing = min(cost, self.capacity) - self.capacity  # negative: so many units may be lacking
        behind = max(self._full_at + missing * self._interval + self._slack, self._apart_until) - now
        return behind if behind > NOTHING else 0.0

    def demands(self, now: float, units: float) -> float:
        """Seconds until so many units have come in, whether or not the bucket can hold them."""
        return max(0.0, self._full_at - now + (units - self.capacity) * self._interval)

    def take(self, now: float, cost: float = 1.0) -> None:
        """Use ``cost`` units at ``now``: the next gap counts from here, or from just before if that was allowed."""
        interval, made_up_for = self._interval, LATE * self._interval
        if self._apart:
            self._taken_at, self._apart_until = now, now + interval - made_up_for
            made_up_for = max(made_up_for, CATCH_UP)
        self._full_at = (self._full_at if now - self._full_at <= made_up_for else now) + cost * interval

    def try_take(self, now: float, cost: float = 1.0) -> float | None:
        """``take`` if ``wait`` answers 0; the units in the bucket then, or None."""
        capacity, interval, full_at = self.capacity, self._interval, self._full_at
        missing = cost - capacity if cost < capacity else 0.0
        if full_at + missing * interval + self._slack - now > NOTHING or self._apart_until - now > NOTHING:
            return None
        self.take(now, cost)
        full_at = self._full_at
        return capacity - (full_at - now) / interval if full_at > now else capacity

    def put_back(self, units: float, taken_at: float) -> None:
        """What was taken then is not used after all."""
        self._full_at -= units * self._interval
        if taken_at == self._taken_at:
            self._apart_until = float("-inf")  # nothing has started then

    def correct(self, units: float) -> None:
        """So many units more (or, negative, less) were used than was said."""
        self._full_at += units * self._interval

    def level(self, now: float) -> float:
        """The units in the bucket; negative when more was used than it held."""
        return self.capacity - max(0.0, self._full_at - now) / self._interval

    def match(self, level: float, remaining: float, taken_at: float, now: float) -> None:
        """A server says that ``remaining`` units were left when here it was ``level``: go by the smaller one.

        What was taken before the last such correction has been corrected by it.  It is not known whether a server means
        the moment at which it let the request in or that of its answer, by which others had been let in: the level that
        is less counts.
        """
        level = min(level, self.level(now))
        if level > remaining and taken_at >= self._matched:
            self.correct(level - remaining)
            self._matched = now

    def empty(self, now: float) -> None:
        """The server has nothing left: at most as much is here as comes in from now on."""
        self._full_at = max(self._full_at, now + self.capacity * self._interval)

    def tune(self, now: float, per_minute: float, stretch: float) -> None:
        """Go on at another pace, ``stretch`` times slower than ``per_minute``; what the bucket lacks stays lacking."""
        if (per_minute, stretch) == (self.per_minute, self._stretch):
            return
        self.per_minute, self._stretch = per_minute, stretch
        before, self._interval = self._interval, 60.0 / per_minute * stretch
        if self._full_at > now:
            self._full_at = now + (self._full_at - now) * self._interval / before
        if self._apart_until > now:
            self._apart_until = now + (self._apart_until - now) * self._interval / before
