"""Where requests meet the limits: a limiter for each API key, the log of its verdicts, and what clients are told."""

from __future__ import annotations

from array import array
from functools import lru_cache
from time import gmtime, monotonic_ns, strftime, time_ns
from typing import TYPE_CHECKING

from threadfan.testing.loopback.connections import arrival
from threadfan.testing.loopback.intake import ApiError, key_of
from threadfan.testing.loopback.limiter import SECOND, Limiter

if TYPE_CHECKING:
    from starlette.requests import Request

    from threadfan.testing.limits import Limits
    from threadfan.testing.loopback.limiter import Refusal

_MILLISECOND = SECOND // 1000


class Gate:
    """Lets requests pass, or refuses them.

    A request is decided on for the moment of its arrival, or for that of the one before it if the event loop has got to
    them in another order; the log holds just these moments.  Requests without a key share one limiter.

    Args:
        limits: What each key may use; without them everything passes and nothing is counted.
    """

    def __init__(self, limits: Limits | None) -> None:
        self.accepted: int = 0
        self.refused: int = 0
        self._limits = limits
        self._limiters: dict[str, Limiter] = {}
        self._began = self._now = monotonic_ns()
        self._log = array("q")  # nanoseconds since the beginning, doubled, and 1 for an accepted request: 8 bytes each

    def change(self, limits: Limits | None) -> None:
        """Goes on with other limits; those that are changed keep their levels, and equal ones are not touched."""
        if limits == self._limits:
            return
        self._limits, self._now = limits, monotonic_ns()
        if limits is None:
            self._limiters = {}
            return
        for limiter in self._limiters.values():
            limiter.change(limits, self._now)

    def admit(self, request: Request, input_tokens: int = 0) -> Ticket:
        """Lets a request pass and enters what it uses.

        Raises:
            ApiError: A 429, since it would exceed a limit; nothing has been used up.
        """
        if self._limits is None:
            return Ticket(None)
        now = self._now = max(self._now, arrival(request.scope["client"]))
        key = key_of(request.headers)
        limiter = self._limiters.get(key) or self._limiters.setdefault(key, Limiter(self._limits, now))
        refusal = limiter.admit(input_tokens, now)
        self._enter(now, accepted=refusal is None)
        if refusal:
            raise _error(refusal, Ticket(limiter).headers(now), precisely=self._limits.retry_after_ms)
        return Ticket(limiter)

    def permits(self) -> list[tuple[float, bool]]:
        """Returns the seconds since the beginning at which each request came, and whether it was accepted."""
        return [((entry >> 1) / SECOND, bool(entry & 1)) for entry in self._log]

    def _enter(self, now: int, *, accepted: bool) -> None:
        self.accepted += accepted
        self.refused += not accepted
        self._log.append((now - self._began) * 2 + accepted)


class Ticket:
    """What a request that has passed owes and is told.

    Args:
        limiter: That of its key; None when there are no limits.
    """

    def __init__(self, limiter: Limiter | None) -> None:
        self._limiter = limiter

    def charge(self, output_tokens: int) -> None:
        """Pays for the answer."""
        if self._limiter:
            self._limiter.charge(output_tokens, monotonic_ns())

    def headers(self, now: int | None = None) -> dict[str, str]:
        """Returns the headers that tell how the limits stand, at this moment unless another is given."""
        if self._limiter is None or not self._limiter.limits.headers:
            return {}
        told, offset = {}, time_ns()
        for kind, per_minute, left, full in self._limiter.levels(monotonic_ns() if now is None else now):
            told[f"anthropic-ratelimit-{kind}-limit"] = f"{per_minute:.0f}"  # clients read whole numbers
            told[f"anthropic-ratelimit-{kind}-remaining"] = str(left)
            told[f"anthropic-ratelimit-{kind}-reset"] = _date(-(-(offset + full) // SECOND))
        return told


def _error(refusal: Refusal, headers: dict[str, str], *, precisely: bool) -> ApiError:
    limit = f"{refusal.per_minute:.12g} {refusal.kind.replace('-', ' ')} per minute"
    wait = {"retry-after": str(-(-refusal.wait // SECOND))}
    if precisely:
        wait["retry-after-ms"] = str(-(-refusal.wait // _MILLISECOND))
    message = f"This request would exceed your organization's rate limit of {limit}"
    return ApiError(429, "rate_limit_error", message, {**wait, **headers})


@lru_cache(64)
def _date(seconds: int) -> str:
    """A moment in the form of RFC 3339, which the service gives in whole seconds."""
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(seconds))
