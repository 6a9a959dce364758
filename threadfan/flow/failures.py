"""The errors of several calls as one, which can always be pickled, whatever errors they are."""

from __future__ import annotations

from ..base.portable import Portable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class BaseFailures(Portable, BaseExceptionGroup):
    """The errors of several calls."""

    def derive(self, excs: Sequence[Any], /) -> Any:
        """A group of some of them, as ``split`` and ``except*`` make it."""
        return failures(self.message, excs)


class Failures(BaseFailures, ExceptionGroup):
    """The errors of several calls, all of them ``Exception``s."""


def failures(message: str, errors: Sequence[Any]) -> BaseFailures:
    """A group of these errors, of the kind that ``except Exception`` catches if each of them is one."""
    plain = all(isinstance(error, Exception) for error in errors)
    return (Failures if plain else BaseFailures)(message, errors)
