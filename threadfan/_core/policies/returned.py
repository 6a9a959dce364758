"""Answers that a call returns instead of raising: ``fan.run(session.get, urls)``.

requests and httpx return an answer whatever its status is.  Under a ``retry`` or a ``rate`` one with a status that may
pass (429, 503, …) counts as the error that ``raise_for_status()`` would make of it.  If no attempt follows it is the
call's value after all, as without either.
"""

from __future__ import annotations

from contextlib import suppress

from .asking import attribute, has_any
from .statuses import passes, status_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class ErrorAnswer(Exception):
    """What an attempt returned was an answer with an error's status.

    Attributes:
        response: the answer; None once another attempt has been made.
        status_code: its status.
        headers: its headers.
    """

    response: object
    status_code: int
    headers: dict[str, str]

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.response = None

    def let_go(self) -> None:
        """Another attempt is made: close the answer, so that its connection is free, and forget it."""
        response, self.response = self.response, None
        close = attribute(response, "close")
        if callable(close):
            with suppress(Exception):
                close()


def may_be_answer(kind: type) -> bool:
    """Whether values of this class can be answers."""
    return has_any(kind, ("raise_for_status", "release_conn"))


def error_in(value: object) -> ErrorAnswer | None:
    """What a returned value is as an error; None if it is no answer, or one that nothing would change.

    An answer is what has a method ``raise_for_status`` (requests, httpx) or ``release_conn`` (urllib3), a status and
    headers.
    """
    if not may_be_answer(type(value)):
        return None
    status, headers = status_in(value), attribute(value, "headers")
    if not passes(status) or not callable(attribute(headers, "get")):
        return None
    error = ErrorAnswer(f"an answer with status {status}")
    error.status_code, error.response = status, value  # type: ignore[assignment]  # a status that passes is one
    error.headers = _plain(headers)  # type: ignore[arg-type]  # as far as one can tell
    return error


def _plain(headers: Mapping[str, object]) -> dict[str, str]:
    """As a dict, in small letters: the headers of clients tell no letters apart, and a dict does."""
    try:
        return {str(key).lower(): str(headers[key]) for key in headers}
    except Exception:
        return {}
