"""Taking inputs: one iterable or several, sized or endless."""

from __future__ import annotations

from collections import deque
from itertools import islice

from ..base import checks
from ..base.fitting import fits
from ..base.given import is_text
from ..base.static import describe
from ..base.texts import brief

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    R = TypeVar("R")
    Given = tuple[Iterable[object], ...]

# Collections that can be taken at once: their iteration runs no code of the user's and does not block.
# That goes for subclasses only if they iterate in the same way.
KNOWN = (list, tuple, range, set, frozenset, dict, deque, str, bytes)


def known(given: Given) -> bool:
    """Whether all inputs are at hand."""
    return all(any(getattr(type(one), "__iter__", None) is kind.__iter__ for kind in KNOWN) for one in given)


def check(where: str, fn: Callable[..., object], given: Given, *, star: bool, by_name: tuple[str, ...] = ()) -> None:
    """Check, before anything is called, that these are inputs and that ``fn`` can be called with them.

    Args:
        star: whether each input is a tuple of arguments.
        by_name: what it gets besides.
    """
    checks.iterables(where, given, star=checks.flag("star", star))
    if not star:
        fits(where, fn, len(given), by_name)
        return
    for first in islice(given[0], 1) if known(given) else ():
        if is_text(first) or not hasattr(type(first), "__iter__"):
            raise TypeError(
                f"each input must be a tuple of arguments for {where}{'' if 'star' in where else ' with star=True'}, "
                f"not {brief(first)}: ({brief(first)},) is one"
            )
        if isinstance(first, (tuple, list)):
            fits(f"a tuple of {where}", fn, len(first), by_name)


def everything(given: Given, *, strict: bool) -> list[object]:
    """All inputs: items, or tuples of them if there are several iterables."""
    if len(given) == 1:
        return list(given[0])
    return list(one_by_one(given, strict=strict))


def one_by_one(given: Given, *, strict: bool) -> Iterator[object]:
    """The same, lazily; lengths that disagree are noticed as early as they are known."""
    if strict and known(given):
        lengths = [len(iterable) for iterable in given]  # type: ignore[arg-type]
        if len(set(lengths)) > 1:
            raise ValueError(f"the iterables must have equal lengths, not {' and '.join(map(str, lengths))}")
    return iter(given[0]) if len(given) == 1 else zip(*given, strict=strict)


def taking_tuples(fn: Callable[..., R], given: Given, *, star: bool) -> Callable[[Any], R]:
    """``fn`` as a function of one item, which may be a tuple of what ``fn`` takes."""
    if len(given) == 1 and not star:
        return fn

    def starred(item: Iterable[object]) -> R:
        return fn(*item)

    starred.__qualname__ = describe(fn)  # by which errors call it
    return starred
