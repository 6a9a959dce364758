"""What an error carries of the HTTP answer that it was raised for.

Clients are told by the attributes of their errors and never imported: what is said here holds for errors of anthropic,
openai, requests, httpx, urllib, aiohttp and for whatever looks like them.  Where an error was raised from another one
(``raise … from``), the first of them that carries what is asked for counts.  Nothing here ever fails.
"""

from __future__ import annotations

from ..base.static import cause_of, is_a

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping
    from typing import Any

LONGEST = 3600.0
"""Seconds; a longer Retry-After counts as this: a call that comes too early is told again."""

OVERLOADS = (429, 529)
SHOULD_RETRY = "x-should-retry"
AS_SENT = "x-threadfan-should-retry"  # what the provider had put there, in an answer that `silence` has changed

# What an API says in a stream that began with status 200, and the status that stands for it elsewhere.  The first
# eleven: https://docs.anthropic.com/en/api/errors; the other two are OpenAI's.
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    "rate_limit_exceeded": 429,
    "server_error": 500,
}


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what it was raised from, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = cause_of(error)


def status_of(error: BaseException) -> int | None:
    """The HTTP status, 100 to 599, of the answer that ``error`` was raised for; None if there was no answer.

    An error that a provider reports in the middle of a stream has the status that stands for it elsewhere.
    """
    return next((status for link in causes(error) if (status := own_status(link)) is not None), None)


def own_status(error: BaseException) -> int | None:
    """``status_of``, without what the error was raised from."""
    response = attribute(error, "response")
    found = [attribute(error, "status_code"), attribute(error, "status"), attribute(response, "status_code")]
    if response is not None or _headers(error) is not None:  # else a `code` may be anything
        found.append(attribute(error, "code"))
    status = next((int(value) for value in found if _is_status(value)), None)
    return status if status is not None and status >= 400 else _reported(error) or status


def headers_of(error: BaseException) -> Mapping[str, str] | None:
    """The headers of the answer that ``error`` was raised for; None if there was no answer."""
    return next((headers for link in causes(error) if (headers := _headers(link)) is not None), None)


def is_overload(error: BaseException) -> bool:
    """Whether the answer that ``error`` was raised for says that too much is asked."""
    return refuses(status_of(error), headers_of(error))


def refuses(status: int | None, headers: Mapping[str, str] | None) -> bool:
    """Whether an answer says that too much is asked: 429, 529, or a 503 with a Retry-After."""
    return status in OVERLOADS or (status == 503 and retry_after(headers, 0.0) is not None)


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


def retry_after(headers: Mapping[str, str] | None, now_wall: float | None = None) -> float | None:
    """Seconds that the headers of an answer ask to wait: 0 to ``LONGEST``, or None if they ask for nothing.

    ``retry-after-ms`` counts before ``retry-after``, which holds seconds, with a fraction or without, or a date
    (RFC 9110, section 10.2.3).  A date is compared with the answer's own ``Date``, so that clocks need not agree.

    Args:
        headers: of the answer.
        now_wall: seconds since 1970, for an answer without a ``Date``; a date in such an answer says nothing without.
    """
    thousandths = _number(_header(headers, "retry-after-ms"))
    if thousandths is not None:
        return _bounded(thousandths / 1000)
    asked = _header(headers, "retry-after")
    seconds = _number(asked)
    if seconds is not None:
        return _bounded(seconds)
    due = _date(asked)
    sent = _date(_header(headers, "date"))
    now = now_wall if sent is None else sent
    return None if due is None or now is None else _bounded(due - now)


def retry_after_of(error: BaseException, now_wall: float | None = None) -> float | None:
    """``retry_after`` of the answer that ``error`` was raised for."""
    return retry_after(headers_of(error), now_wall)


def attribute(thing: object, name: str) -> Any:
    """An attribute that need not be there; one that fails is not there either (httpx has such properties)."""
    try:
        return getattr(thing, name, None)
    except BaseException:
        return None


def _is_status(value: object) -> bool:
    return is_a(value, int) and not is_a(value, bool) and 100 <= value <= 599  # type: ignore[operator]


def _reported(error: BaseException) -> int | None:
    """The status that stands for the type of error in the body of ``error``, as the SDKs keep it."""
    body = attribute(error, "body")
    if not is_a(body, dict):
        return None
    inner = body.get("error")
    name = inner.get("type") if isinstance(inner, dict) else body.get("type")
    return _STATUSES.get(name) if isinstance(name, str) else None


def _headers(error: BaseException) -> Mapping[str, str] | None:
    for holder in (attribute(error, "response"), error):
        headers = attribute(holder, "headers")
        if callable(attribute(headers, "get")):
            return headers  # type: ignore[no-any-return]
    return None


def _header(headers: Mapping[str, str] | None, name: str) -> str | None:
    """A header in any mapping: clients' own ones do not tell ``Retry-After`` from ``retry-after``, a dict does."""
    for spelling in (name, name.title()):
        try:
            value = None if headers is None else headers.get(spelling)
        except BaseException:  # what has a `get` need not be headers
            return None
        if isinstance(value, str):
            return value.strip()
    return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return None if number != number else number  # NaN is no number of seconds


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST)


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
