"""The HTTP status of the answer that an error was raised for."""

from __future__ import annotations

from ..base.static import is_a, is_group
from .asking import at, attribute, first_at, members, telling, text
from .shapes import CODES, NUMBERS, STATUSES, WORDS
from .words import bodies, has_companion, letters, own_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeGuard

OVERLOADS = (429, 529)
_TOO_MANY = ("too many ", " error responses")  # around the status: what urllib3 leaves of answers after its retries


def status_of(error: BaseException) -> int | None:
    """The HTTP status, 100 to 599, of the answer that ``error`` was raised for; None if there was no answer.

    An error that a provider reports in the middle of a stream has the status that stands for it elsewhere, and so has
    one that comes by another protocol.
    """
    return next((status for link in telling(error) if (status := own_status(link)) is not None), None)


def own_status(error: BaseException) -> int | None:
    """``status_of``, without what the error was raised from."""
    if is_group(error):
        return _status_of_all(members(error))
    status = status_in(error)
    if status is None and has_companion(error):
        status = first_at(error, NUMBERS, _status)
    if status is None:
        status = _given_up(error)
    if status is None or status < 400 or status == 400:  # Amazon's services throttle with 400 too
        said = _said_status(error)
        if said is not None and (status != 400 or _is_amazons(error)):
            return said
    return status


def status_in(thing: object) -> int | None:
    """The HTTP status that stands in one of the places where clients put it, in errors and in answers."""
    return first_at(thing, STATUSES, _number)


def passes(status: int | None) -> bool:
    """Whether what has this status may be over the next time."""
    return status is not None and (status in (408, 409, 429) or status >= 500)


def _status_of_all(errors: list[BaseException]) -> int | None:
    """Of the members of a group: a refusal only if the others are transient errors too."""
    statuses = [status_of(error) for error in errors]
    odd = [status for status in statuses if not passes(status)]
    if odd:
        return next((status for status in odd if status is not None), None)
    return next((status for status in statuses if status in OVERLOADS), statuses[0] if statuses else None)


def _number(value: object) -> int | None:
    return int(value) if _is_status(value) else None


def _status(value: object) -> int | None:
    """A status as an int or in digits."""
    if is_a(value, str) and len(value) == 3 and value.isdecimal():
        value = int(value)
    return _number(value)


def _is_status(value: object) -> TypeGuard[int]:
    return is_a(value, int) and not is_a(value, bool) and 100 <= value <= 599


def _given_up(error: BaseException) -> int | None:
    """The status of the answers after which urllib3 has given up, which it says in words only."""
    args = attribute(error, "args")
    for holder in (error, *(args[:1] if is_a(args, tuple) else ())):
        reason = attribute(holder, "reason")
        if reason is not None and is_a(reason, Exception) and (said := text(reason)).startswith(_TOO_MANY[0]):
            return _status(said.removeprefix(_TOO_MANY[0]).removesuffix(_TOO_MANY[1]))
    return None


def _said_status(error: BaseException) -> int | None:
    """The status that stands for what the provider says; a number in a body is one too."""
    numbers = (_status(value) for body in bodies(error) for path in WORDS if (value := at(body, path)) is not None)
    named = (CODES.get(letters(word)) for word in own_words(error))
    return next((status for status in (*named, *numbers) if status is not None), None)


def _is_amazons(error: BaseException) -> bool:
    return is_a(at(error, ("response", "Error", "Code")), str)
