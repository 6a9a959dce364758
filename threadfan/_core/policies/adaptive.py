"""``Adaptive``: how many calls at once, found out by what is refused.

Whole numbers of workers are too coarse for most limits (10 requests a second of 0.2 s each are 2 workers; with 3, a
third is refused), so from the first overload on the starts are paced as well: ``wait`` answers the gap, and ``limit``
is what that pace needs by Little's law, with room for slow answers.  It is told of each request by the executor, under
one lock and by one monotonic clock, and answers with numbers.

- Until the first overload: doubling with each round of successes, while the limit is in use (slow start).
- At an overload: the pace becomes ``CUT`` of what the server has really answered lately.  An overload of a request that
  was sent before the last cut, or within its cool-down, does not cut again; nor does a server that answers nothing at
  all, beyond ``BLIND`` cuts: that is no matter of pace.
- After it: the curve of CUBIC (RFC 9438, section 4.2) in the time in which the pace was in use: quickly back, a plateau
  just below the level that was refused, then on.  Each time that the same level is confirmed the plateau gets longer.

Simulated (tests/policies/test_adaptive.py), 120 s after 20 s of warm-up, limits of 5 to 100 a second, calls of 0.1 to
1 s: 98-100 % of what a token bucket allows, 92-97 % of a sliding window, at most 2 % refused (1 % for the window).  A
server without any burst gives 94 % at 10 a second and, since jitter is as long as its gaps, 70 % at 100.  A ``CUT``
of 0.9 with a ``SPAN`` of 5 s gives the window 86-95 %: with slow answers too little is counted.
"""

from __future__ import annotations

from collections import deque
from math import ceil

from ..base import arguments
from .token_bucket import NOTHING

CUT = 0.93  # of the pace that was really answered
DROP = 0.5  # but never below this part of the pace before
BELOW = 0.98  # the plateau, as a part of the level that was refused
COOL_DOWN = 1.0  # seconds
BLIND = 3  # cuts in a row without a success between them
SHORTEST, LONGEST = 4.0, 20.0  # seconds of use from a cut to the middle of the plateau
LONGER = 1.5  # times, each time that the level is confirmed ...
SAME = 0.15  # ... which it is within this part of it
SPAN = 3.0  # seconds over which answers are counted
ROOM = 1.5  # times the calls in flight that the pace needs on average
SLOWEST = 0.1  # starts a second
STEEP = (
    0.05  # starts a second: the curve is never flatter than that of such a cut, or it would take minutes from SLOWEST
)
HISTORY = 1000  # changes that are kept


class Adaptive:
    """Finds by itself how many calls to run at once: ``Fan(Adaptive())``; each object is for one fan.

    Args:
        start: calls at once to begin with.
        ceiling: never more than this; threads are started only as they are needed.
        floor: never fewer.

    Raises:
        TypeError, ValueError: an argument is wrong; the message says what would be right.
    """

    __slots__ = ("_answered", "_blind", "_bottom", "_cut_at", "_latency", "_next", "_pace", "_plateau", "_reach",
                 "_started", "_use", "ceiling", "floor", "history", "limit", "waitlist")  # fmt: skip

    def __init__(self, start: int = 4, ceiling: int = 64, floor: int = 1) -> None:
        self.floor: int = arguments.whole("floor", floor)
        self.ceiling: int = arguments.whole("ceiling", ceiling)
        self.limit: int = arguments.whole("start", start)
        if not self.floor <= self.limit <= self.ceiling:
            raise ValueError(f"start must be between floor and ceiling, not {start!r} with {floor!r} and {ceiling!r}")
        self.waitlist: object = None  # of those who wait for it, see ``limits``
        self.history: deque[tuple[float, int]] = deque(maxlen=HISTORY)
        self._answered: deque[float] = deque()  # when, within the last SPAN seconds
        self._pace = float("inf")  # starts a second
        self._plateau = self._bottom = self._latency = 0.0
        self._reach = SHORTEST
        self._use = 0.0  # seconds of use since the last cut
        self._blind = 0
        self._next = self._started = self._cut_at = float("-inf")

    @property
    def pace(self) -> float:
        """Starts a second that are allowed at present; infinity until the first overload."""
        return self._pace

    def wait(self, now: float) -> float:
        """Seconds until the next call may start; 0.0 if it may now, as far as ``limit`` has room."""
        behind = self._next - now
        return behind if behind > NOTHING else 0.0

    def started(self, now: float) -> None:
        """An attempt starts; only when ``wait`` has answered 0."""
        gap = 1.0 / self._pace
        if now - self._next < gap:  # it had to wait, or nearly: the pace is in use
            self._use += min(now - self._started, 1.0)
        self._started = now
        self._next = max(self._next, now - gap / 2) + gap  # a late start is made up for by half a gap

    def succeeded(self, now: float, duration: float, in_flight: int) -> None:
        """An attempt of ``duration`` seconds succeeded; ``in_flight`` counts it too."""
        self._blind = 0
        self._answered.append(now)
        self._latency += (duration - self._latency) / (8.0 if self._latency else 1.0)
        if len(self._answered) > 1 and self._answered[0] < now - SPAN:
            self._forget(now)
        if self._pace < float("inf"):
            self._grow(now)
        elif in_flight >= self.limit:
            self._set(now, self.limit + 1)  # one more for each of a round: twice as many after it

    def overloaded(self, now: float, duration: float, in_flight: int) -> None:
        """An attempt of ``duration`` seconds was refused: 429 or 529."""
        if now - duration < self._cut_at or now < self._cut_at + COOL_DOWN or self._blind >= BLIND:
            return
        refused = self._refused_level(now, in_flight)
        confirmed = abs(refused - self._plateau / BELOW) <= SAME * refused
        self._reach = min(self._reach * LONGER, LONGEST) if confirmed else SHORTEST
        self._plateau, self._bottom = BELOW * refused, max(SLOWEST, CUT * refused)
        self._pace = self._bottom
        self._next = now + 1.0 / self._pace
        self._cut_at, self._use = now, 0.0
        self._blind += 1
        self._set(now, self._needed())

    def failed(self, now: float, duration: float, in_flight: int) -> None:
        """An attempt ended otherwise: that says nothing about the limit."""

    def _refused_level(self, now: float, in_flight: int) -> float:
        """Starts a second that were too many: no more than were really answered lately."""
        self._forget(now)
        since = max(self._cut_at, self._answered[0] if self._answered else now, now - SPAN)
        span = max(now - since, COOL_DOWN / 2)
        answered = sum(1 for at in self._answered if at >= since) / span
        if self._pace == float("inf"):
            return max(answered, float(in_flight), SLOWEST)  # before any answer: those in flight, in a second
        return max(min(self._pace, answered), DROP * self._pace, SLOWEST)

    def _grow(self, now: float) -> None:
        depth = max(self._plateau - self._bottom, STEEP)
        self._pace = max(SLOWEST, self._plateau + depth * (self._use / self._reach - 1.0) ** 3)
        self._set(now, self._needed())

    def _needed(self) -> int:
        return ceil(self._pace * self._latency * ROOM) + 1

    def _set(self, now: float, limit: int) -> None:
        limit = min(max(limit, self.floor), self.ceiling)
        if limit != self.limit:
            self.limit = limit
            self.history.append((now, limit))

    def _forget(self, now: float) -> None:
        while self._answered and self._answered[0] < now - SPAN:
            self._answered.popleft()

    def __repr__(self) -> str:
        pace = "no overload yet" if self._pace == float("inf") else f"{self._pace:.2f} starts/s"
        return f"<Adaptive: {self.limit} of {self.floor} to {self.ceiling} at once, {pace}>"
