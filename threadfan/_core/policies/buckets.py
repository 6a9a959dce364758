"""The buckets of a ``RateLimit``: one for each unit, requests and tokens, that is limited or of which a provider tells.

Guarantees, if all of it is used under one lock and by one monotonic clock: what was taken is what was used once it was
settled or given back, and no bucket lets out more than its own pace, stretched by what the server has refused.
"""

from __future__ import annotations

from .cost import Cost
from .token_bucket import NOTHING, TokenBucket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .cost import Costs, Permit
    from .departures import Departures
    from .feedback import Feedback

LEAST = 1.0  # a minute: what a header may say; providers' limits are whole numbers, and less would hold for ever
SLACK = 0.02  # seconds, or half an interval if that is more, by which a burst is kept smaller


class Buckets:
    """All that a limit counts.

    Args:
        configured: units per minute, by unit; None for a unit that only a provider's headers may limit.
        burst: requests that may start at once.
        costs: what requests have cost, by which bursts of tokens are measured.
        feedback: how far below its limit each bucket stays.
        departures: what is told how many requests there may be.
    """

    __slots__ = ("_buckets", "_burst", "_configured", "_costs", "_departures", "_feedback", "_tuned_by", "alone")

    def __init__(
        self,
        configured: dict[str, float | None],
        burst: int,
        costs: Costs,
        feedback: Feedback,
        departures: Departures,
    ) -> None:
        self._configured = configured
        self._burst = burst
        self._costs = costs
        self._feedback = feedback
        self._departures = departures
        self._buckets: dict[str, TokenBucket] = {}
        self.alone: TokenBucket | None = None  # that of requests, if there is no other
        self._tuned_by: tuple[float, Cost | None] | None = None
        for unit, number in configured.items():
            if number is not None:
                self._add(unit, number)

    @property
    def of_requests(self) -> TokenBucket | None:
        """That of requests; None if they are not limited."""
        return self._buckets.get("requests")

    def rates(self) -> dict[str, float]:
        """What is let through per minute, by unit."""
        return {unit: bucket.per_minute for unit, bucket in self._buckets.items()}

    def seconds_worth(self) -> Cost:
        """A blind guess of a request's tokens: one call a second until the first answer, which corrects it."""
        rates = self.rates()
        return Cost(rates.get("input_tokens", 0.0) / 60.0, rates.get("output_tokens", 0.0) / 60.0)

    def wait(self, now: float, cost: Cost) -> float:
        """Seconds until all of them have what a request of this cost takes."""
        return max([bucket.wait(now, cost.of_unit(unit)) for unit, bucket in self._buckets.items()], default=0.0)

    def demands(self, now: float, number: int) -> float:
        """Seconds until so many requests may have started, of what they have cost so far."""
        mean = self._costs.mean or Cost()
        return max(
            [bucket.demands(now, number * mean.of_unit(unit)) for unit, bucket in self._buckets.items()] or [0.0]
        )

    def take(self, now: float, cost: Cost) -> dict[str, float]:
        """Take that; answers what each bucket holds then."""
        for unit, bucket in self._buckets.items():
            bucket.take(now, cost.of_unit(unit))
        return {unit: bucket.level(now) for unit, bucket in self._buckets.items()}

    def try_take(self, now: float, cost: Cost) -> dict[str, float] | None:
        """``take``, if ``wait`` answers 0; else None."""
        alone = self.alone
        if alone is not None:
            level = alone.try_take(now)
            return None if level is None else {"requests": level}
        return None if self.wait(now, cost) > NOTHING else self.take(now, cost)

    def put_back(self, cost: Cost, taken_at: float) -> None:
        """Of what was taken then nothing was used."""
        for unit, bucket in self._buckets.items():
            bucket.put_back(cost.of_unit(unit), taken_at)

    def settle(self, reserved: Cost, true: Cost) -> None:
        """A request has used other tokens than were reserved for it."""
        for unit, bucket in self._buckets.items():
            if unit != "requests":
                bucket.correct(true.of_unit(unit) - reserved.of_unit(unit))
        if true.input or true.output:
            self._costs.learn(true)

    def empty(self, now: float) -> None:
        """No burst on top of the pace: after a pause, all that had to wait would go out in it."""
        for bucket in self._buckets.values():
            bucket.empty(now)

    def refused(self, now: float, paced: bool) -> None:
        """The server has let in no more.

        Args:
            paced: whether the pace was kept; a probe that is refused says nothing about it.
        """
        if paced:
            self._feedback.overloaded()
        self.empty(now)

    def refused_elsewhere(self, now: float, paced: bool) -> None:
        """The same, to another process, which nothing else of this limit hears of."""
        self.refused(now, paced)
        self.tune(now)

    def follow(self, permit: Permit, now: float, headers: Mapping[str, str] | None, wall: float | None) -> float:
        """Go on by what was learned, also from the provider's headers, if there are any.

        Where the pace is known, "nothing remaining" means an empty bucket, which fills at that pace: both providers
        define the reset as the moment at which the limit is *fully* replenished, and to hold until then would leave
        most of it unused.  Only where no pace is known is the reset all there is to go by.

        Returns:
            The moment before which nothing is to start, if that was all that was said.
        """
        until = float("-inf") if headers is None else self._heed(permit, now, headers, wall)
        self.tune(now)
        return until

    def _heed(self, permit: Permit, now: float, headers: Mapping[str, str], wall: float | None) -> float:
        from .headers import read
        from .retry_after import LONGEST

        until = float("-inf")
        for unit, said in read(headers, wall).items():
            if said.limit and said.limit >= LEAST:
                self._limit(unit, said.limit, now)
            if said.remaining is not None and unit in self._buckets:
                self._buckets[unit].match(permit.levels.get(unit, 0.0), said.remaining, permit.at, now)
            elif said.remaining == 0 and said.reset:
                until = max(until, now + min(said.reset, LONGEST))
        return until

    def tune(self, now: float) -> None:
        """Go on by what was learned: the stretch, and what a request costs."""
        stretch = self._feedback.stretch
        learned = stretch, self._costs.mean
        if learned == self._tuned_by:
            return
        self._tuned_by = learned
        for unit, bucket in self._buckets.items():
            bucket.tune(now, bucket.per_minute, stretch)
            bucket.capacity = self._capacity(unit, bucket.per_minute)
            if unit == "requests":
                self._departures.tune(now, bucket.per_minute)

    def _limit(self, unit: str, said: float, now: float) -> None:
        per_minute = min(said, self._configured[unit] or said)
        bucket = self._buckets.get(unit)
        if bucket is None:
            self._add(unit, per_minute)
        elif bucket.per_minute != per_minute:
            if per_minute < bucket.per_minute:
                self._feedback.forget()  # the refusals are explained
            bucket.tune(now, per_minute, self._feedback.stretch)
            bucket.capacity = self._capacity(unit, per_minute)  # first: "nothing remaining" is said of this one
            self._tuned_by = None  # how far apart requests leave is to be told

    def _add(self, unit: str, per_minute: float) -> None:
        slack = 0.0
        if unit == "requests":
            interval = 60.0 / per_minute
            slack = min(max(SLACK, interval / 2), interval * (self._burst - 1) / 2)
            self._departures.tune(0.0, per_minute)
        apart = unit == "requests" and self._burst == 1
        bucket = self._buckets[unit] = TokenBucket(per_minute, self._capacity(unit, per_minute), slack, apart=apart)
        bucket.tune(0.0, per_minute, self._feedback.stretch)
        self.alone = bucket if len(self._buckets) == 1 and unit == "requests" else None
        self._tuned_by = None

    def _capacity(self, unit: str, per_minute: float) -> float:
        if unit == "requests":
            return float(self._burst)
        mean = self._costs.mean
        return max(per_minute / 60.0, self._burst * mean.of_unit(unit) if mean else 0.0)
