"""What an error carries of the answer that it was raised for.

Clients are told by the shape of their errors, see ``shapes``, and never imported: what is said here holds for every
error that looks like those.  Where an error was raised from another one (``raise … from``), the first of them that
carries what is asked for counts.  A group of errors speaks with one voice only if all its members do.  Nothing here
ever fails, whatever the attributes of a user's errors do when they are asked; nothing here is called with a lock held.
"""

from __future__ import annotations

from ..base.static import cause_of, is_a, is_group
from .shapes import ACCOUNT, BODIES, CODES, COMPANIONS, FINAL, HEADERS, NUMBERS, STATUSES, WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping
    from typing import Any

LONGEST = 3600.0
"""Seconds; a longer Retry-After counts as this: a call that comes too early is told again."""

LONG = 60.0
"""Seconds; a Retry-After from this on is said when it comes.  Arbitrary: what limits per minute never ask for."""

OVERLOADS = (429, 529)
SHOULD_RETRY = "x-should-retry"
AS_SENT = "x-threadfan-should-retry"  # what the provider had put there, in an answer that `silence` has changed

_CONTENT = 100_000  # bytes of a response in which a provider's word is looked for; arbitrary
_TOO_MANY = ("too many ", " error responses")  # around the status: what urllib3 leaves of answers after its retries


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what it was raised from, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = cause_of(error)


def members(error: BaseException) -> list[BaseException]:
    """The errors of a group and of the groups in it; empty if it is no group."""
    if not is_group(error):
        return []
    found: list[BaseException] = []
    left: list[BaseException] = list(error.exceptions)
    while left:
        one = left.pop(0)
        if is_group(one):
            left[:0] = one.exceptions
        else:
            found.append(one)
    return found


def status_of(error: BaseException) -> int | None:
    """The HTTP status, 100 to 599, of the answer that ``error`` was raised for; None if there was no answer.

    An error that a provider reports in the middle of a stream has the status that stands for it elsewhere, and so has
    one that comes by another protocol.
    """
    return next((status for link in causes(error) if (status := own_status(link)) is not None), None)


def own_status(error: BaseException) -> int | None:
    """``status_of``, without what the error was raised from."""
    if is_group(error):
        return _status_of_all(members(error))
    status = status_in(error)
    if status is None and _has_companion(error):
        status = next((found for name in NUMBERS if (found := _status(attribute(error, name))) is not None), None)
    if status is None:
        status = _given_up(error)
    if status is None or status < 400 or status == 400:  # Amazon's services throttle with 400 too
        said = _said_status(error)
        if said is not None and (status != 400 or _is_amazons(error)):
            return said
    return status


def status_in(thing: object) -> int | None:
    """The HTTP status that stands in one of the places where clients put it, in errors and in answers."""
    return next((found for path in STATUSES if (found := _number_at(thing, path)) is not None), None)


def passes(status: int | None) -> bool:
    """Whether what has this status may be over the next time."""
    return status is not None and (status in (408, 409, 429) or status >= 500)


def _status_of_all(errors: list[BaseException]) -> int | None:
    """Of the members of a group: a refusal only if the others may pass too."""
    statuses = [status_of(error) for error in errors]
    odd = [status for status in statuses if not passes(status)]
    if odd:
        return next((status for status in odd if status is not None), None)
    return next((status for status in statuses if status in OVERLOADS), statuses[0] if statuses else None)


def headers_of(error: BaseException) -> Mapping[str, str] | None:
    """The headers of the answer that ``error`` was raised for; None if there was no answer.

    Of a group, those that ask for the longest wait.
    """
    return next((headers for link in causes(error) if (headers := _headers(link)) is not None), None)


def plain_headers(error: BaseException) -> dict[str, str] | None:
    """``headers_of`` as a dict, which can be read under a lock: nobody's code is in it."""
    headers = headers_of(error)
    try:
        return None if headers is None else {str(key): str(headers[key]) for key in headers}
    except BaseException:
        return None


def words_of(error: BaseException) -> list[str]:
    """What providers call what went wrong: of the error itself, of what is beneath, and of the members of groups."""
    if is_group(error):
        return [word for member in members(error) for word in words_of(member)]
    return [word for link in causes(error) for word in _words(link)]


def final_word(error: BaseException) -> str | None:
    """The provider's word for why another attempt must end the same, such as ``insufficient_quota``; or None."""
    return next((word for word in words_of(error) if _letters(word) in FINAL), None)


def account_word(error: BaseException) -> str | None:
    """The same, of what all calls of the account would be told."""
    return next((word for word in words_of(error) if _letters(word) in ACCOUNT), None)


def is_overload(error: BaseException) -> bool:
    """Whether the answer that ``error`` was raised for says that too much is asked."""
    return refuses(status_of(error), headers_of(error)) and final_word(error) is None


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
    asked = retry_after(headers_of(error), now_wall, longest)
    if asked is not None:
        return asked
    return next((_bounded(delay, longest) for link in causes(error) if (delay := _delay(link)) is not None), None)


def attribute(thing: object, name: str) -> Any:
    """An attribute that need not be there; one that fails is not there either (httpx has such properties)."""
    try:
        return getattr(thing, name, None)
    except BaseException:
        return None


def _at(thing: object, path: tuple[str, ...]) -> Any:
    for name in path:
        thing = dict.get(thing, name) if is_a(thing, dict) else attribute(thing, name)
        if thing is None:
            return None
    return thing


def _number_at(error: object, path: tuple[str, ...]) -> int | None:
    value = _at(error, path)
    return int(value) if _is_status(value) else None


def _status(value: Any) -> int | None:
    """A status as an int or in digits."""
    if is_a(value, str) and len(value) == 3 and value.isdecimal():
        value = int(value)
    return int(value) if _is_status(value) else None


def _is_status(value: object) -> bool:
    return is_a(value, int) and not is_a(value, bool) and 100 <= value <= 599


def _has_companion(error: BaseException) -> bool:
    return any(_has(error, name) for name in COMPANIONS)


def _has(thing: object, name: str) -> bool:
    try:
        return hasattr(thing, name)
    except BaseException:
        return True


def _given_up(error: BaseException) -> int | None:
    """The status of the answers after which urllib3 has given up, which it says in words only."""
    args = attribute(error, "args")
    for holder in (error, *(args[:1] if is_a(args, tuple) else ())):
        reason = attribute(holder, "reason")
        if is_a(reason, Exception) and (text := _text(reason)).startswith(_TOO_MANY[0]):
            return _status(text.removeprefix(_TOO_MANY[0]).removesuffix(_TOO_MANY[1]))
    return None


def _text(thing: object) -> str:
    try:
        return str(thing)
    except BaseException:
        return ""


def _said_status(error: BaseException) -> int | None:
    """The status that stands for what the provider says; a number in a body is one too."""
    numbers = (_status(value) for body in _bodies(error) for path in WORDS if (value := _at(body, path)) is not None)
    named = (CODES.get(_letters(word)) for word in _words(error))
    return next((status for status in (*named, *numbers) if status is not None), None)


def _words(error: BaseException) -> list[str]:
    """Those that the error itself and its body hold, the clearest first."""
    found: list[Any] = []
    if _has_companion(error):
        code = attribute(error, "code")
        if callable(code):  # gRPC
            code = attribute(_called(code), "name")
        found += [attribute(attribute(error, "grpc_status_code"), "name"), code]
        found += [attribute(error, "status"), attribute(error, "type")]
    found += [_at(body, path) for body in _bodies(error) for path in WORDS]
    return [value[:100] for value in found if is_a(value, str)]


def _letters(text: str) -> str:
    """As words are written in ``shapes``."""
    letters = "".join(filter(str.isalnum, text.lower()))
    return letters.removesuffix("exception")


def _called(function: Any) -> Any:
    try:
        return function()
    except BaseException:
        return None


def _bodies(error: BaseException) -> Iterator[dict[Any, Any]]:
    """What the provider has said, as far as it is there: nothing is read from a connection for it."""
    response = attribute(error, "response")
    for body in (response, *(attribute(error, name) for name in BODIES)):
        if is_a(body, dict):
            yield body
    content = attribute(response, "_content")  # of requests and httpx: what they have read; `content` might read
    if is_a(content, bytes) and len(content) <= _CONTENT and content[:1] in b"{[":
        import json

        try:
            parsed = json.loads(content)
        except (ValueError, RecursionError):
            return
        yield from (part for part in (parsed if is_a(parsed, list) else [parsed]) if is_a(part, dict))


def _is_amazons(error: BaseException) -> bool:
    return is_a(_at(error, ("response", "Error", "Code")), str)


def _delay(error: BaseException) -> float | None:
    """Seconds that a body of Google's asks to wait: https://google.aip.dev/193, ``RetryInfo``."""
    if is_group(error):
        return max((delay for one in members(error) for link in causes(one) if (delay := _delay(link))), default=None)
    for body in _bodies(error):
        details = _at(body, ("error", "details"))
        for detail in details if is_a(details, list) else ():
            delay = _at(detail, ("retryDelay",)) if is_a(detail, dict) else None
            seconds = _number(delay.removesuffix("s")) if is_a(delay, str) else None
            if seconds is not None:
                return seconds
    return None


def _headers(error: BaseException) -> Mapping[str, str] | None:
    if is_group(error):
        found = [headers for member in members(error) if (headers := headers_of(member)) is not None]
        return max(found, key=lambda headers: retry_after(headers) or 0.0, default=None)
    for path in HEADERS:
        headers = _at(error, path)
        if callable(attribute(headers, "get")):
            return headers  # type: ignore[no-any-return]
    return None


def _header(headers: Mapping[str, str] | None, name: str) -> str | None:
    """A header in any mapping: clients' own ones do not tell ``Retry-Actions`` from ``retry-after``, a dict does."""
    for spelling in (name, name.title()):
        try:
            value = None if headers is None else headers.get(spelling)
        except BaseException:  # what has a `get` need not be headers
            return None
        if is_a(value, str):
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
