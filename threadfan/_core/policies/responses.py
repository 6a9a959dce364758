"""Whether an answer, or the error that was raised for it, says that too much is asked.

Clients are told by the shape of their errors, see ``shapes``, and never imported: what is said here, in ``statuses``,
``words`` and ``retry_after`` holds for every error that looks like those.  Where an error was raised from another one
(``raise … from``), the first of them that carries what is asked for counts.  A group of errors speaks with one voice
only if all its members do.  Nothing of it ever fails, whatever the attributes of a user's errors do when they are
asked; nothing of it is called with a lock held.
"""

from __future__ import annotations

from .retry_after import headers_of, retry_after
from .statuses import OVERLOADS, status_of
from .words import final_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def is_overload(error: BaseException) -> bool:
    """Whether the answer that ``error`` was raised for says that too much is asked."""
    status = status_of(error)
    if status is None or status not in (*OVERLOADS, 503):
        return False
    return refuses(status, headers_of(error)) and final_word(error) is None


def refuses(status: int | None, headers: Mapping[str, str] | None) -> bool:
    """Whether an answer says that too much is asked: 429, 529, or a 503 with a Retry-After."""
    return status in OVERLOADS or (status == 503 and retry_after(headers, 0.0) is not None)
