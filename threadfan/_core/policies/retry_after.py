"""What the answer to a failed call asks for: to wait, or to ask again, or not to."""

from __future__ import annotations

from ..base.static import is_a, is_group
from .asking import at, attribute, causes, first_at, members, telling
from .shapes import HEADERS
from .words import bodies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

FOREVER = float("inf")

LONGEST = 3600.0
"""Seconds; a longer Retry-After counts as this: a call that comes too early is told again."""

LONG = 60.0
"""Seconds; a Retry-After from this on is said when it comes.  Arbitrary: what limits per minute never ask for."""

SHOULD_RETRY = "x-should-retry"
AS_SENT = "x-threadfan-should-retry"  # what the provider had put there, in an answer that `silence` has changed


def headers_of(error: BaseException) -> Mapping[str, str] | None:
    """The headers of the answer that ``error`` was raised for; None if there was no answer.

    Of a group, those that ask for the longest wait.
    """
    return next((headers for link in telling(error) if (headers := _headers(link)) is not None), None)


def plain(headers: Mapping[str, str] | None) -> dict[str, str] | None:
    """Headers as a dict, which can be read under a lock: nobody's code is in it."""
    try:
        return None if headers is None else {str(key): str(headers[key]) for key in headers}
    except BaseException:
        return None


def retry_after(
    headers: Mapping[str, str] | None, now_wall: float | None = None, longest: float = LONGEST
) -> float | None:
    """Seconds that the headers of an answer ask to wait: 0 to ``longest``, or None if they ask for nothing.

    ``retry-after-ms`` counts before ``retry-after``, which holds seconds, with a fraction or without, or a date
    (RFC 9110, section 10.2.3).  A date is compared with the answer's own ``Date``, so that clocks need not agree.

    Args:
        headers: of the answer.
        now_wall: seconds since 1970, for an answer without a ``Date``; a date in such an answer says nothing without.
    """
    thousandths = _number(_header(headers, "retry-after-ms"))
    if thousandths is not None:
        return _bounded(thousandths / 1000, longest)
    asked = _header(headers, "retry-after")
    seconds = _number(asked)
    if seconds is not None:
        return _bounded(seconds, longest)
    due = _date(asked)
    sent = _date(_header(headers, "date"))
    now = now_wall if sent is None else sent
    return None if due is None or now is None else _bounded(due - now, longest)


def retry_after_of(error: BaseException, now_wall: float | None = None, longest: float = LONGEST) -> float | None:
    """``retry_after`` of the answer that ``error`` was raised for, or what its body says instead."""
    asked = asked_by(headers_of(error), telling(error), now_wall)
    return None if asked is None else min(asked, longest)


def asked_by(
    headers: Mapping[str, str] | None, links: list[BaseException], now_wall: float | None = None
) -> float | None:
    """The same, however long that is, of the headers of an answer and the errors that tell of it."""
    asked = retry_after(headers, now_wall, FOREVER)
    if asked is not None:
        return asked
    return next((max(delay, 0.0) for link in links if (delay := _delay(link)) is not None), None)


def told_to_retry(error: BaseException) -> bool | None:
    """What the header ``x-should-retry`` of this error's answer says, as the SDKs read it; None without a word.

    In an answer that ``silence`` has changed, what the provider said counts.
    """
    headers = _headers(error)
    said = _header(headers, AS_SENT)
    if said is None:
        said = _header(headers, SHOULD_RETRY)
    return {"true": True, "false": False}.get(said or "")


def silence(headers: MutableMapping[str, str]) -> None:
    """Keep the SDK that gets an answer with these headers from asking again; ``told_to_retry`` is not deceived."""
    headers.setdefault(AS_SENT, headers.get(SHOULD_RETRY, ""))
    headers[SHOULD_RETRY] = "false"


def _headers(error: BaseException) -> Mapping[str, str] | None:
    if is_group(error):
        found = [headers for member in members(error) if (headers := headers_of(member)) is not None]
        return max(found, key=lambda headers: retry_after(headers) or 0.0, default=None)
    return first_at(error, HEADERS, _mapping)


def _mapping(thing: object) -> Mapping[str, str] | None:
    return thing if callable(attribute(thing, "get")) else None  # type: ignore[return-value]  # as far as one can tell


def _delay(error: BaseException) -> float | None:
    """Seconds that a body of Google's asks to wait: https://google.aip.dev/193, ``RetryInfo``."""
    if is_group(error):
        return max((delay for one in members(error) for link in causes(one) if (delay := _delay(link))), default=None)
    for body in bodies(error):
        details = at(body, ("error", "details"))
        for detail in details if is_a(details, list) else ():
            said = at(detail, ("retryDelay",)) if is_a(detail, dict) else None
            seconds = _number(said.removesuffix("s")) if is_a(said, str) else None
            if seconds is not None:
                return seconds
    return None


def _header(headers: Mapping[str, str] | None, name: str) -> str | None:
    """A header in any mapping: clients' own ones do not tell ``Retry-Actions`` from ``retry-after``, a dict does."""
    if headers is None:
        return None
    for spelling in (name, name.title()):
        try:
            value = headers.get(spelling)
        except BaseException:  # what has a `get` need not be headers
            return None
        if value is not None and is_a(value, str):
            return value.strip()
    return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return None if number != number else number  # NaN is no number of seconds


def _bounded(seconds: float, longest: float) -> float:
    return min(max(seconds, 0.0), longest)


def _date(text: str | None) -> float | None:
    """Seconds since 1970 of an HTTP date, which is always in GMT."""
    if not text:
        return None
    from email.utils import mktime_tz, parsedate_tz

    try:
        parts = parsedate_tz(text)
        return None if parts is None else float(mktime_tz((*parts[:9], parts[9] or 0)))
    except (ValueError, OverflowError, TypeError, IndexError):  # a year 99999, and what parsers stumble over
        return None
