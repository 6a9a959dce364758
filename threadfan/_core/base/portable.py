"""What travels in a pickle: reports, outcomes, and all that this package's errors and results hold.

The work is done in ``pickling``, which is imported when something is first pickled.
"""

from __future__ import annotations

from contextlib import suppress

from .copying import Copyable
from .static import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, SupportsIndex


class Portable(Copyable):
    """A base of what can always be pickled and read again, whatever it holds; ``pickling`` says what is kept of that.

    Copies are as of any object: nothing in them is changed.
    """

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Callable[[bytes], object], tuple[bytes]]:
        from .pickling.packing import packed

        return packed(self)


class Record(Portable):
    """One whose state is what is in its slots, by their names.

    The state is set after the object is made: an error in it may hold the report that the object is a part of.
    """

    __slots__ = ()

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for kind in type(self).__mro__ for name in getattr(kind, "__slots__", ())}

    def __setstate__(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


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

    def __call__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Take the error apart."""
        error = self._error()
        if error is None:
            raise TypeError("this is a copy of an error that is gone: pickle the report that it has")
        # `copy` asks in the same way, and is to get all there is.
        if caller().f_globals.get("__name__") == "copy":
            return type(error).__reduce_ex__(error, protocol)
        from .pickling.packing import packed

        return packed(error)


def let_travel(error: BaseException) -> None:
    """Let ``pickle`` keep of ``error`` what it keeps of errors in reports."""
    if not isinstance(error, Portable):
        with suppress(AttributeError, TypeError):  # no weak references: a built-in class, which needs no such help
            object.__setattr__(error, "__reduce_ex__", Travelling(error))
