"""What counts as a whole number, a number, a truth or a text among the things that users give.

Numbers of numpy count like Python's own, as they do for the standard library; nothing is imported for that: where
there is such a number, its module has been.
"""

from __future__ import annotations

import sys
from operator import index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def truth(value: object) -> bool | None:
    """True or False, for those of Python and of numpy; None for anything else, whatever it is as a condition."""
    if value is True:
        return True
    if value is False:
        return False
    kind = getattr(sys.modules.get("numpy"), "bool_", None)
    return bool(value) if kind is not None and type(value) is kind else None


def whole(value: Any) -> int | None:
    """A whole number as an ``int``, by ``operator.index``; None for anything else, and for a truth."""
    if truth(value) is not None:
        return None
    try:
        return index(value)
    except TypeError:
        return None


def real(value: Any) -> float | None:
    """A number as a ``float``, infinite if it is too large for one; None for anything else, and for a truth."""
    numbers: Any = sys.modules.get("numbers")  # imported by all that have numbers of their own
    if truth(value) is not None:
        return None
    if not isinstance(value, (int, float)) and not (numbers is not None and isinstance(value, numbers.Real)):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def is_text(value: object) -> bool:
    """Whether it is one text, or bytes: what could be iterated over, and hardly ever is to be."""
    return isinstance(value, (str, bytes, bytearray))
