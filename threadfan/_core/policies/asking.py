"""What can be asked of errors and answers of whatever class: nothing here fails, whatever their attributes do.

Nothing here is called with a lock held, since code of the user's may run.
"""

from __future__ import annotations

from ..base.static import cause_of, is_a, is_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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


def attribute(thing: object, name: str) -> object:
    """An attribute that need not be there; one that fails is not there either (httpx has such properties)."""
    try:
        return getattr(thing, name, None)
    except BaseException:
        return None


def at(thing: object, path: tuple[str, ...]) -> object:
    """What is found by going from attribute to attribute, or from key to key where there are dicts; or None."""
    for name in path:
        thing = dict.get(thing, name) if is_a(thing, dict) else attribute(thing, name)
        if thing is None:
            return None
    return thing


def has(thing: object, name: str) -> bool:
    """Whether there is such an attribute, be it one that fails."""
    try:
        return hasattr(thing, name)
    except BaseException:
        return True


def text(thing: object) -> str:
    """What it says; nothing if that fails."""
    try:
        return str(thing)
    except BaseException:
        return ""


def called(function: Callable[[], object]) -> object:
    """What the function answers; None if it fails."""
    try:
        return function()
    except BaseException:
        return None
