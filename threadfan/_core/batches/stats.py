"""The figures of a batch, which a report makes when it is asked for them."""

from __future__ import annotations

from ..base.outcome import CANCELLED, FAILED, SKIPPED, STATUSES, SUCCEEDED, TIMED_OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .columns import Columns


class Stats:
    """The figures of one batch; durations in seconds.

    ``concurrency`` is the sum of durations over the wall time: how many calls ran at once on average.
    ``utilisation`` is that over the slots, at most about 1.  Percentiles are nearest-rank, over the calls that were
    started.

    ``waited_slot``, ``waited_limit`` and ``waited_backoff`` are how long all calls together waited for a slot, for a
    rate limit and after failed attempts.  ``limited`` is how long nothing could start because of a rate limit,
    ``pauses`` how often a refusal paused all calls under the limits, and ``asked`` the longest time that an answer
    asked to wait.

    ``kept`` is how many calls were not made, since a journal had their results; they count as succeeded.

    ``advice`` names the change that would help most, in one line; None if no change is known to help much.
    """

    __slots__ = (
        "advice", "asked", "cancelled", "duration_max", "duration_p50", "duration_p90", "duration_p99", "duration_sum",
        "failed", "input_tokens", "kept", "limited", "output_tokens", "pauses", "retries", "skipped", "slots",
        "succeeded", "timed_out", "total", "waited_backoff", "waited_limit", "waited_slot", "wall",
    )  # fmt: skip

    advice: str | None

    def __init__(
        self, columns: Columns, wall: float, slots: int, limited: float = 0.0, pauses: int = 0, kept: int = 0
    ) -> None:
        self.advice = None  # the report's affair, which knows more
        counts = columns.counts()
        self.kept: int = kept
        self.total: int = sum(counts.values()) + kept
        self.succeeded: int = counts[SUCCEEDED] + kept
        self.failed: int = counts[FAILED]
        self.timed_out: int = counts[TIMED_OUT]
        self.cancelled: int = counts[CANCELLED]
        self.skipped: int = counts[SKIPPED]
        self.wall: float = wall
        self.slots: int = slots
        durations = sorted([seconds for seconds in columns.durations() if seconds is not None])
        self.duration_sum = sum(durations)
        self.duration_p50: float = percentile(durations, 50)
        self.duration_p90: float = percentile(durations, 90)
        self.duration_p99: float = percentile(durations, 99)
        self.duration_max: float = durations[-1] if durations else 0.0
        several = columns.several()
        self.retries: int = sum(max(0, outcome.attempts - 1) for outcome in several)
        self.waited_slot = sum(columns.waited_slot())
        self.waited_limit = sum(outcome.waited_limit for outcome in several)
        self.waited_backoff = sum(outcome.waited_backoff for outcome in several)
        self.asked: float = columns.asked() if several or self.cancelled else 0.0
        self.limited: float = limited
        self.pauses: int = pauses
        usages = columns.usages()
        self.input_tokens: int = sum(usage.input_tokens for usage in usages)
        self.output_tokens: int = sum(usage.output_tokens for usage in usages)

    @property
    def counts(self) -> dict[str, int]:
        """How many calls ended with each status."""
        return {status: getattr(self, status) for status in STATUSES}

    @property
    def success_rate(self) -> float:
        """The share of calls that have a value, from 0 to 1; 1 for an empty batch."""
        return self.succeeded / self.total if self.total else 1.0

    @property
    def concurrency(self) -> float:
        """The sum of durations divided by the wall time."""
        return self.duration_sum / self.wall if self.wall else 0.0

    @property
    def utilisation(self) -> float:
        """Concurrency divided by the number of slots."""
        return self.concurrency / self.slots

    def to_dict(self) -> dict[str, float]:
        """All figures by name, without the advice."""
        names = (*self.__slots__, "success_rate", "concurrency", "utilisation")
        return {name: getattr(self, name) for name in names if name != "advice"}

    def __repr__(self) -> str:
        return "Stats(" + ", ".join(f"{name}={value:.4g}" for name, value in self.to_dict().items()) + ")"


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of values in ascending order; 0 of none."""
    if not ordered:
        return 0.0
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(0, int(rank) - 1)]
