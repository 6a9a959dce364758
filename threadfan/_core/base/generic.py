"""``Generic`` for classes that must not cost an import of ``typing`` at run time."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, Generic, TypeVar

    from typing_extensions import TypeVar as TypeVarWithDefault

    T = TypeVar("T")
    T_co = TypeVar("T_co", covariant=True)
    # Of classes that may be named without parameters.
    In_contra = TypeVarWithDefault("In_contra", contravariant=True, default=Any)
    Out_co = TypeVarWithDefault("Out_co", covariant=True, default=Any)
    Coro = Coroutine[Any, Any, T]
    """What a coroutine function makes; what is sent into it is the event loop's affair."""
    OneInput = Callable[[Any], object]
    """What is called with one input; only its caller knows of which type that is."""
else:

    class Generic:
        """A base that takes any parameters and forgets them."""

        __slots__ = ()

        def __class_getitem__(cls, _parameters):
            return cls

    Coro = OneInput = T = T_co = In_contra = Out_co = None

__all__ = ["TYPE_CHECKING", "Coro", "Generic", "In_contra", "OneInput", "Out_co", "T", "T_co"]
