"""Looking at objects of the user's without running any of their code.

``getattr``, ``isinstance`` and ``str`` may run whatever a class defines: a proxy that is bound to no request raises, an
error that loads its text from a server blocks.  Under a lock, on a helper thread, or where an outcome depends on it,
only what is read here is safe: what the interpreter itself keeps for each object.

Guarantees: nothing here runs code written in Python of the object's class, metaclass or attributes; nothing fails.
"""

from __future__ import annotations

import sys
from functools import partial
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any, TypeGuard, TypeVar, overload

    T = TypeVar("T")

_of_type: Any = type.__dict__
derives: Callable[[type, type], bool] = type.__subclasscheck__
"""Whether the second is the first or derives from it: ``issubclass`` by the classes alone, which asks no metaclass."""
_of_error: Any = BaseException.__dict__
_of_partial: Any = partial.__dict__["func"]
_of_method: Any = MethodType.__dict__["__func__"]
_BY_THE_INTERPRETER = (GetSetDescriptorType, MemberDescriptorType)  # attributes of classes that are written in C


if TYPE_CHECKING:

    @overload
    def is_a(thing: object, kinds: type[T]) -> TypeGuard[T]: ...
    @overload
    def is_a(thing: object, kinds: tuple[type, ...]) -> bool: ...


def is_a(thing: object, kinds: type | tuple[type, ...]) -> bool:
    """``isinstance`` by the type alone, whatever the thing says its ``__class__`` is."""
    kind = type(thing)
    return any(derives(one, kind) for one in kinds) if isinstance(kinds, tuple) else derives(kinds, kind)


def is_group(error: object) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    """Whether an error is a group of errors, by its type alone."""
    return is_a(error, BaseExceptionGroup)


def describe(fn: object) -> str:
    """The qualified name of a function, a method, a class, or what wraps one; else that of its type.

    For messages and logs: it shows no arguments.
    """
    if type(fn) is FunctionType:
        return fn.__qualname__
    for _ in range(100):  # arbitrary: nobody nests so many, and one may hold itself
        if is_a(fn, partial):
            fn = _of_partial.__get__(fn)
        elif type(fn) is MethodType:
            fn = _of_method.__get__(fn)
        else:
            break
    if is_a(fn, type):
        return _name_of_type(fn)
    try:
        name = _name_of(fn)
    except Exception:  # what is written in C may ask further
        name = None
    return _name_of_type(type(fn)) if name is None else name


traceback_of: Callable[[BaseException], TracebackType | None] = _of_error["__traceback__"].__get__
"""``error.__traceback__``."""

cause_of: Callable[[BaseException], BaseException | None] = _of_error["__cause__"].__get__
"""``error.__cause__``."""

context_of: Callable[[BaseException], BaseException | None] = _of_error["__context__"].__get__
"""``error.__context__``."""


def caller() -> FrameType:
    """The frame that has called the function that asks; its own if nobody has, as at the end of the interpreter."""
    try:
        return sys._getframe(2)
    except ValueError:
        return sys._getframe(1)


def _name_of_type(kind: type) -> str:
    return str.__str__(_of_type["__qualname__"].__get__(kind))


def _name_of(thing: object) -> str | None:
    for kind in _of_type["__mro__"].__get__(type(thing)):
        attributes = _of_type["__dict__"].__get__(kind)
        name = _read(attributes.get("__qualname__"), thing)
        if name is None:  # `functools.wraps` puts it into the object's own dict
            own = _read(attributes.get("__dict__"), thing)
            name = own.get("__qualname__") if type(own) is dict else None
        if is_a(name, str):
            return str.__str__(name)
    return None


def _read(attribute: Any, thing: object) -> object:
    return attribute.__get__(thing) if type(attribute) in _BY_THE_INTERPRETER else None
