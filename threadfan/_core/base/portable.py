"""What travels in a pickle: reports, outcomes, and all that this package's errors and results hold.

The work is done in ``packing``, which is imported when something is first pickled.
"""

from __future__ import annotations

import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Portable:
    """A base of what can always be pickled and read again, whatever it holds; see ``packing`` for what is kept of that.

    Copies are as of any object: nothing in them is changed.
    """

    __slots__ = ()

    def __reduce_ex__(self, protocol: Any) -> Any:
        from .packing import packed

        return packed(self)

    def _travelling(self) -> Any:
        """What is pickled in its place."""
        return self

    def __copy__(self) -> Any:
        make, arguments, state = natural(self)
        return _with(make(*arguments), state)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        from copy import deepcopy

        make, arguments, state = natural(self)
        new = memo[id(self)] = make(*deepcopy(arguments, memo))
        return _with(new, deepcopy(state, memo))


def natural(thing: Any) -> tuple[Any, tuple[Any, ...], Any]:
    """How Python itself would take ``thing`` apart: what makes it, of which arguments, and its state or None."""
    reduce = super(Portable, thing).__reduce_ex__ if isinstance(thing, Portable) else thing.__reduce_ex__
    parts = [*reduce(4), None]  # the state may be missing
    if any(part is not None for part in parts[3:]):
        raise TypeError(f"a {type(thing).__name__} is made in more steps than two")
    return parts[0], parts[1], parts[2]


def _with(new: Any, state: Any) -> Any:
    if state is None:
        return new
    if hasattr(new, "__setstate__"):
        new.__setstate__(state)
    else:  # of an object with slots
        for name, value in state[1].items():
            object.__setattr__(new, name, value)
    return new


class Travelling:
    """Pickles one error of a class that is not ours, in place of that class: the attribute ``__reduce_ex__`` of it.

    ``pickle`` asks the object itself.  Many classes of clients' errors can be dumped but not loaded, which loses what
    else is in the file and breaks a pool of processes; and they take the request along, with the key in its headers.
    The error is held weakly, as it holds this.
    """

    __slots__ = ("_error",)

    def __init__(self, error: BaseException) -> None:
        import weakref

        self._error = weakref.ref(error)

    def __call__(self, protocol: Any) -> Any:
        """Take the error apart."""
        error = self._error()
        if error is None:
            raise TypeError("this is a copy of an error that is gone: pickle the report that it has")
        # `copy` asks in the same way, and is to get all there is.
        if sys._getframe(1).f_globals.get("__name__") == "copy":
            return type(error).__reduce_ex__(error, protocol)
        from .packing import packed

        return packed(error)


def let_travel(error: BaseException) -> None:
    """Let ``pickle`` keep of ``error`` what it keeps of errors in reports."""
    if not isinstance(error, Portable):
        with suppress(AttributeError, TypeError):  # no weak references: a built-in class, which needs no such help
            object.__setattr__(error, "__reduce_ex__", Travelling(error))
