"""What an error says, found out once for all who decide what follows from it: the limits, a retry, other calls."""

from __future__ import annotations

from .asking import telling
from .responses import refuses
from .retry_after import LONGEST, asked_by, headers_of
from .retryable import worth_retrying_unless_final
from .shapes import ACCOUNT, FINAL
from .statuses import OVERLOADS, status_of
from .words import first_of, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Reading:
    """Of one error; what each part means say the functions of the same name.

    Args:
        wall: seconds since 1970, for answers that give a date to come back at.

    Attributes:
        asked_in_all: seconds that the answer asks to wait, however many; ``asked`` is that, or ``LONGEST``.
    """

    __slots__ = (
        "_worth",
        "account_word",
        "asked",
        "asked_in_all",
        "error",
        "final_word",
        "headers",
        "overload",
        "status",
    )

    def __init__(self, error: BaseException, wall: float | None = None) -> None:
        self.error: BaseException = error
        self.status: int | None = None
        self.headers: Mapping[str, str] | None = None
        self.account_word: str | None = None
        self.final_word: str | None = None
        self.overload: bool = False
        self.asked_in_all: float | None = None
        self.asked: float | None = None
        self._worth: bool | None = None
        links = telling(error)
        if links:
            self._read(error, links, wall)

    def _read(self, error: BaseException, links: list[BaseException], wall: float | None) -> None:
        words = words_of(error)
        self.account_word, self.final_word = first_of(words, ACCOUNT), first_of(words, FINAL)
        self.status, self.headers = status_of(error), headers_of(error)
        self.overload = (
            self.status in (*OVERLOADS, 503) and refuses(self.status, self.headers) and self.final_word is None
        )
        self.asked_in_all = asked_by(self.headers, links, wall)
        self.asked = None if self.asked_in_all is None else min(self.asked_in_all, LONGEST)

    def worth_retrying(self) -> bool:
        """Whether another attempt of the same call may end better."""
        if self._worth is None:
            self._worth = self.final_word is None and worth_retrying_unless_final(self.error)
        return self._worth
