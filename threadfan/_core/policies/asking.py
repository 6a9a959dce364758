"""What can be asked of errors and answers of whatever class: nothing here fails, whatever their attributes do.

Nothing here is called with a lock held, since code of the user's may run.
"""

from __future__ import annotations

from ..base.static import cause_of, is_a, is_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Found = TypeVar("Found")

_flags_of = type.__dict__["__flags__"].__get__
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: of classes that are not part of the interpreter
_PLAIN = (str, int, type(None), bytes, float, bool)  # compared one by one: `in` might ask a metaclass


def causes(error: BaseException | None) -> list[BaseException]:
    """``error`` and what it was raised from, each once."""
    found: dict[int, BaseException] = {}
    while error is not None and id(error) not in found:
        found[id(error)] = error
        error = cause_of(error)
    return list(found.values())


def telling(error: BaseException) -> list[BaseException]:
    """Those of its causes that can hold anything of an answer."""
    return [link for link in causes(error) if not is_bare(link)]


def is_bare(error: BaseException) -> bool:
    """Whether it can hold nothing of an answer: a class of the interpreter's, texts and numbers, and no attributes."""
    kind = type(error)
    if _flags_of(kind) & _HEAP_TYPE:  # else none of what is asked here is code of the user's
        return False
    return not error.__dict__ and all(any(type(one) is kind for kind in _PLAIN) for one in error.args)


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


def first_at(thing: object, paths: tuple[tuple[str, ...], ...], read: Callable[[object], Found | None]) -> Found | None:
    """What ``read`` makes of the first that is found at one of these places and that it makes anything of; or None."""
    for path in paths:
        value = at(thing, path)
        if value is not None and (found := read(value)) is not None:
            return found
    return None


def attributes(thing: object, names: tuple[str, ...]) -> list[object]:
    """Those that are there, in the order of the names."""
    return [value for name in names if (value := attribute(thing, name)) is not None]


def has_any(thing: object, names: tuple[str, ...]) -> bool:
    """Whether there is any such attribute, be it one that fails."""
    try:
        return any(hasattr(thing, name) for name in names)
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
