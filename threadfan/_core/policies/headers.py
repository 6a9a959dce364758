"""What a provider's response headers say about its limits, as plain numbers.

Anthropic: ``anthropic-ratelimit-<unit>-limit``, ``-remaining`` and ``-reset`` (RFC 3339) for requests, input-tokens,
output-tokens and tokens.  OpenAI: ``x-ratelimit-<what>-<unit>`` for requests and tokens, the reset as "6m0s" or "20ms".
Headers that cannot be read count as absent: they are advice, and no call may fail over them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

UNITS = {
    "requests": "requests",
    "input-tokens": "input_tokens",
    "output-tokens": "output_tokens",
    "tokens": "tokens",
}
_LONGEST = 100
"""Characters of a span of time; arbitrary: more than anybody writes, and each part is cut off the rest."""
_SECONDS = (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0))


class Said:
    """The headers' numbers for one unit; each is None if it was not said.

    ``limit`` is per minute, ``remaining`` what may be used now, ``reset`` the seconds until all of it is there again.
    """

    __slots__ = ("limit", "remaining", "reset")

    def __init__(self, limit: float | None, remaining: float | None, reset: float | None) -> None:
        self.limit = limit
        self.remaining = remaining
        self.reset = reset


def read(headers: Mapping[str, str], wall: float | None = None) -> dict[str, Said]:
    """The numbers by unit: requests, input_tokens, output_tokens, tokens; without those of which nothing is said.

    Args:
        headers: of a response, in any case.
        wall: the time of day as a Unix time stamp; used for RFC 3339 resets if the response has no ``date``.
    """
    lower = {str(key).lower(): value for key, value in headers.items()}
    now = _date(lower.get("date"))
    said = {}
    for written, unit in UNITS.items():
        found = _anthropic(lower, written, wall if now is None else now) or _openai(lower, written)
        if found is not None:
            said[unit] = found
    return said


def copied(headers: Mapping[str, str] | None) -> dict[str, str] | None:
    """What ``read`` looks at, in a dict of its own: a client's mapping may run any code, and must not under a lock."""
    if headers is None:
        return None
    try:
        lower = ((str(key).lower(), value) for key, value in headers.items())
        return {key: str(value) for key, value in lower if "ratelimit" in key or key == "date"}
    except BaseException:  # advice that cannot be read
        return None


def _anthropic(lower: Mapping[str, str], unit: str, now: float | None) -> Said | None:
    limit, remaining, reset = (lower.get(f"anthropic-ratelimit-{unit}-{what}") for what in _WHAT)
    if limit is None and remaining is None:
        return None
    at = _moment(reset)
    return Said(_number(limit), _number(remaining), None if at is None or now is None else max(0.0, at - now))


def _openai(lower: Mapping[str, str], unit: str) -> Said | None:
    limit, remaining, reset = (lower.get(f"x-ratelimit-{what}-{unit}") for what in _WHAT)
    if limit is None and remaining is None:
        return None
    return Said(_number(limit), _number(remaining), span(reset))


_WHAT = ("limit", "remaining", "reset")


def span(text: str | None) -> float | None:
    """Seconds of "6m0s", "20ms", "1d2h" or a bare number; None if it is none of these.

    >>> span("6m0s"), span("20ms"), span("1.5"), span("soon")
    (360.0, 0.02, 1.5, None)
    """
    if not text or len(text) > _LONGEST:
        return None
    rest, total = text.strip().lower(), 0.0
    while rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(digits) :]
        number = _number(digits)
        name, factor = next((pair for pair in _SECONDS if rest.startswith(pair[0])), ("", 1.0))
        if number is None or (rest and not name):
            return None
        rest = rest[len(name) :]
        total += number * factor
    return total


def _number(text: str | None) -> float | None:
    try:
        number = float(text)  # type: ignore[arg-type]  # of None it is a TypeError
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < float("inf") else None


def _moment(text: str | None) -> float | None:
    """The Unix time stamp of an RFC 3339 moment; one without an offset is taken for UTC."""
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _date(text: str | None) -> float | None:
    """The Unix time stamp of a ``date`` header (RFC 9110, section 5.6.7)."""
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
