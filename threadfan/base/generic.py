"""``Generic`` for classes that must not cost an import of ``typing`` at run time."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic, TypeVar

    T = TypeVar("T")
    T_co = TypeVar("T_co", covariant=True)
else:

    class Generic:
        """A base that takes any parameters and forgets them."""

        __slots__ = ()

        def __class_getitem__(cls, _parameters):
            return cls

    T = T_co = None

__all__ = ["TYPE_CHECKING", "Generic", "T", "T_co"]
