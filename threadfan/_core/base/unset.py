"""The default of an argument that is no value of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Unset:
    """The default of an argument that is no value of it.

    Args:
        shown: what ``help`` shows in its place.
    """

    __slots__ = ("_shown",)

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def __repr__(self) -> str:
        return self._shown


UNSET: Any = Unset("unchanged")
"""The default of an option that stays as it is."""
