"""How Python itself takes an object apart and puts it together: for copies, and for what is pickled."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    # What makes an object, of which arguments, and its state or None.
    Parts = tuple[Callable[..., Any], tuple[Any, ...], Any]


class Copyable:
    """A base of what is pickled in a way of its own, and copied as any object is: nothing in a copy is changed."""

    __slots__ = ()

    def _travelling(self) -> object:
        """What is pickled in its place."""
        return self

    def __copy__(self) -> Self:
        make, arguments, state = natural(self)
        copied: Self = _with(make(*arguments), state)
        return copied

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        from copy import deepcopy

        make, arguments, state = natural(self)
        new = memo[id(self)] = make(*deepcopy(arguments, memo))
        copied: Self = _with(new, deepcopy(state, memo))
        return copied


def natural(thing: object) -> Parts:
    """How Python would take ``thing`` apart if it were not pickled in a way of its own."""
    reduce = super(Copyable, thing).__reduce_ex__ if isinstance(thing, Copyable) else thing.__reduce_ex__
    parts = [*reduce(4), None]  # the state may be missing
    if any(part is not None for part in parts[3:]):
        raise TypeError(f"a {type(thing).__name__} is made in more steps than two")
    return parts[0], parts[1], parts[2]


def travelling(thing: Copyable) -> Parts:
    """How what is pickled in the place of ``thing`` is taken apart."""
    return natural(thing._travelling())


def _with(new: Any, state: Any) -> Any:
    if state is None:
        return new
    if hasattr(new, "__setstate__"):
        new.__setstate__(state)
    else:  # of an object with slots
        for name, value in state[1].items():
            object.__setattr__(new, name, value)
    return new
