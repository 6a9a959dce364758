"""The rate limits that the loopback server enforces, as a user sets them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from threadfan._core.base.given import real

ALGORITHMS = ("bucket", "window")

_ROUNDING = 9  # digits; 1.1 s are 11.000000000000002 times 0.1 s, and no twelfth window has begun


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What each API key may use; without any figure nothing is refused, and arrivals are still counted.

    A bucket starts full and refills continuously: https://docs.anthropic.com/en/api/rate-limits.
    A request is judged when it arrives, without tolerance, and uses nothing up when it is refused.
    It is refused when its input tokens are more than what is left, or when not even one output token is left; output
    tokens are charged as the answer begins, and what they take beyond the rest has to refill first.

    Args:
        requests_per_minute: Requests that a minute brings; None means no limit, here and below.
        input_tokens_per_minute: Tokens of prompts, counted as in the answer's `usage`.
        output_tokens_per_minute: Tokens of answers, counted likewise.
        burst: Requests that may come at once.
        algorithm: How requests are counted.  "bucket": `burst` is the bucket's capacity.  "window": at most `burst` of
            them in any `burst * 60 / requests_per_minute` seconds, so 600 a minute and a burst of 10 are at most 10 in
            any second.  Tokens are always counted by a bucket.
        input_token_burst: The capacity of the bucket of input tokens; None means one minute's worth, here and below.
        output_token_burst: The capacity of the bucket of output tokens.
        headers: Whether answers and refusals carry `anthropic-ratelimit-*` headers.
        retry_after_ms: Whether a refusal carries `retry-after-ms` too, in whole milliseconds rounded up.
            Anthropic sends only `retry-after`, in whole seconds rounded up.

    Raises:
        ValueError: A figure is out of range, or there is no such algorithm.
    """

    requests_per_minute: float | None = None
    input_tokens_per_minute: float | None = None
    output_tokens_per_minute: float | None = None
    burst: int = 1
    algorithm: str = "bucket"
    input_token_burst: float | None = None
    output_token_burst: float | None = None
    headers: bool = True
    retry_after_ms: bool = False

    def __post_init__(self) -> None:
        for name, figure in vars(self).items():
            if name.endswith(("_per_minute", "_token_burst")) and figure is not None and real(figure) is None:
                raise TypeError(f"{name} is {figure!r}; right is a number, or None")
            if name.endswith("_per_minute") and figure is not None and not 0 < figure < math.inf:
                raise ValueError(f"{name} is {figure!r}; right is a number above 0, or None for no limit")
            if name.endswith("_token_burst") and figure is not None and not 1 <= figure < math.inf:
                raise ValueError(f"{name} is {figure!r}; right is a number from 1, or None for one minute's worth")
        if not (isinstance(self.burst, int) and self.burst >= 1):
            raise ValueError(f"burst is {self.burst!r}; right is a whole number of requests, 1 or more")
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm is {self.algorithm!r}; right is {' or '.join(map(repr, ALGORITHMS))}")

    def allowed(self, seconds: float) -> float:
        """Returns the most requests that any span of so many seconds, its last instant excluded, can have accepted.

        That is burst + seconds * rate for a bucket that was full, and `burst` for every window that has begun.
        A fraction is a request that is not there yet; without a limit of requests it is infinite.
        """
        if self.requests_per_minute is None:
            return math.inf
        grown = seconds * self.requests_per_minute / 60
        if self.algorithm == "bucket":
            return self.burst + grown
        return float(self.burst * math.ceil(round(grown / self.burst, _ROUNDING)))
