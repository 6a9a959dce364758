"""Names in messages: which there are, and which was probably meant."""

from __future__ import annotations

from difflib import get_close_matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def listed(names: Iterable[object]) -> str:
    """Names for a message."""
    return ", ".join(map(repr, names)) or "none"


def near(name: str, names: Iterable[str], text: str = "; did you mean {}?") -> str:
    """The name that was probably meant, as the end of a sentence."""
    found = get_close_matches(name, list(names), n=1)
    return text.format(repr(found[0])) if found else ""
