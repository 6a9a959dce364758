"""How far apart requests leave, which have their permits already.

Calls take differently long from their start to their request, the first above all, and a strict server would refuse two
that arrive too close together.  So whoever knows when a request is about to be written asks once more.
"""

from __future__ import annotations

from .token_bucket import NOTHING, TokenBucket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .feedback import Feedback


class Departures:
    """Of the requests of one limit.  Used under the same lock as the limit.

    Args:
        burst: how many may leave at once.
        feedback: how far below the limit to stay.
        margin: what it need not be more than from the start, without a burst, once requests are asked about here.
    """

    __slots__ = ("_bucket", "_burst", "_feedback", "_left", "_margin")

    def __init__(self, burst: int, feedback: Feedback, margin: float) -> None:
        self._burst = burst
        self._feedback = feedback
        self._margin = margin
        self._bucket: TokenBucket | None = None  # while nothing says how many there may be
        self._left = float("-inf")  # when the last one was written

    def tune(self, now: float, per_minute: float) -> None:
        """Go on at this pace, stretched by what the server has refused."""
        if self._bucket is None:
            self._bucket = TokenBucket(per_minute, self._burst)
        self._bucket.tune(now, per_minute, self._feedback.stretch)

    def departs(self, now: float) -> float:
        """Seconds that a request with a permit should still wait before it leaves; counts it as gone then."""
        bucket = self._bucket
        if bucket is None:
            return 0.0
        if self._burst == 1:
            self._feedback.least(self._margin)
        wait = bucket.wait(now)
        bucket.take(now + wait)
        return wait

    def leaves(self, now: float) -> float:
        """Without a burst: seconds until the request before is far enough away; 0.0 counts this one as gone now."""
        if self._bucket is None or self._burst > 1:
            return 0.0
        wait = self._left + 60.0 / self._bucket.per_minute * self._feedback.stretch - now
        if wait > NOTHING:
            return wait
        self._left = now
        return 0.0

    def left(self, now: float) -> None:
        """A request, or a part of it, was written only now."""
        self._left = now
