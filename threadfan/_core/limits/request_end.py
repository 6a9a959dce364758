"""How a request ended, as those are told whose limit it was under."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from ..base.usage import Usage

    How = Literal["succeeded", "overloaded", "failed"]


class RequestEnd:
    """The end of one request.

    Args:
        how: ``"overloaded"`` if it was refused, ``"failed"`` for an end that says nothing about the limit.
        usage: the tokens that it has used, if that is known.
        retry_after: seconds that a refusal asks to wait.
        headers: of the answer, if there was one.
    """

    __slots__ = ("headers", "how", "retry_after", "usage")

    def __init__(
        self,
        how: How,
        usage: Usage | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.how = how
        self.usage: Usage | None = usage
        self.retry_after: float | None = retry_after
        self.headers: Mapping[str, str] | None = headers

    def plain_headers(self) -> Mapping[str, str] | None:
        """The headers that say something of limits, which can be read under a lock: nobody's code is in them."""
        if self.headers is None:
            return None
        from ..policies.headers import copied  # on first use, as most programs have none

        return copied(self.headers)


FAILED = RequestEnd("failed")
"""Nothing is known but that it is over."""
