"""When a call ran, and what it waited for."""

from __future__ import annotations

from .moments import EPOCH
from .portable import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .attempt import Attempt, Raw


class Timed(Record):
    """The times of an outcome: durations in seconds, moments in seconds since 1970."""

    __slots__ = ("_history", "_raw")

    _raw: Raw
    _history: list[Attempt] | None

    @property
    def waited_slot(self) -> float:
        """Seconds that the call waited for a slot, before all attempts; if it never started, until it was dropped."""
        if self._history:
            return sum(attempt.waited_slot for attempt in self._history)
        _, _, since, _, _, start, end, _ = self._raw
        return (end if start is None else start) - since

    @property
    def waited_limit(self) -> float:
        """Seconds that the call waited for a rate limit, in all."""
        return sum(attempt.waited_limit for attempt in self._history or ())

    @property
    def waited_backoff(self) -> float:
        """Seconds that the call waited after failed attempts, in all."""
        return sum(attempt.waited_backoff for attempt in self._history or ())

    @property
    def started(self) -> float | None:
        """When its first attempt began, in seconds since 1970, as ``time.time()`` has them; None if none did.

        Differences between the times of one batch are exact, even if the system's clock is set meanwhile.
        """
        if self._history:
            return EPOCH + self._raw[2] + self._history[0].started
        return None if self._raw[5] is None else EPOCH + self._raw[5]

    @property
    def ended(self) -> float:
        """When the outcome was decided, in seconds since 1970."""
        return EPOCH + self._raw[6]

    @property
    def duration(self) -> float:
        """Seconds that the call ran, over all attempts; time in which two attempts ran at once counts once."""
        if self._history:
            return time_covered([(attempt.started, attempt.started + attempt.duration) for attempt in self._history])
        start, end = self._raw[5:7]
        return 0.0 if start is None else end - start


def time_covered(spans: list[tuple[float, float]]) -> float:
    """Seconds that lie in at least one of the spans."""
    covered, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        covered += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return covered
