"""How an executor becomes another while it is made.

Every executor goes through ``ThreadPoolExecutor.__init__``, by whatever name its class was imported, and when, and from
whatever class it derives.  There the object is given another class: one that stands in for ``ThreadPoolExecutor``
itself, or, for a subclass, one that derives from both, so that its own methods find the other's by ``super``.

Guarantees: nothing but three methods of ``ThreadPoolExecutor`` is replaced, and ``take_back`` puts them back; where
somebody else has wrapped one of them meanwhile, it stays beneath, and does nothing.  What was made keeps its class.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from types import FunctionType, new_class
from weakref import WeakValueDictionary

from .._core.base.static import describe
from .._core.base.texts import text_of
from .._core.fan.executor import Fan
from .sequential import Sequential

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Method = Callable[..., object]

REPLACED = ("__init__", "submit", "shutdown")
"""Subclasses may call them by the class's name, ``ThreadPoolExecutor.submit(self, …)``, and mean those of the other."""

_MACHINERY = ("_adjust_thread_count", "_initializer_failed", "_work_queue", "prepare_context")
"""What runs a standard pool; who has replaced any of it wants threads that do otherwise."""

_TAKEN = frozenset({"_future", "_given", "_options", "_scheduler"})
"""Attributes of a fan that an attribute of a subclass would overwrite."""


class Swap:
    """The replaced methods of ``ThreadPoolExecutor``.

    Attributes:
        left: subclasses that stay as they are, by name, and why.
    """

    def __init__(self) -> None:
        self._made: deque[None] = deque()  # by its length, for to add to that is one operation
        self._own: deque[None] = deque()
        self.left: dict[str, str] = {}
        self._kind = ThreadPoolExecutor
        self._kinds: WeakValueDictionary[type, type[ThreadPoolExecutor]] = WeakValueDictionary()
        self._usual: dict[str, tuple[Method, Method]] = {}
        self._active = False

    @property
    def made(self) -> int:
        """How many executors it has stood in for."""
        return len(self._made)

    @property
    def own_workers(self) -> int:
        """How many of them have as many workers as their maker has said."""
        return len(self._own)

    def says_workers(self) -> None:
        """The maker of one of them says how many workers it has."""
        self._own.append(None)

    def put(self, kind: type[ThreadPoolExecutor]) -> None:
        """Have this class, a `Fan` or `Sequential`, stand in for ``ThreadPoolExecutor`` from now on."""
        self._kind = kind
        self._active = True
        for name in REPLACED:
            usual = vars(ThreadPoolExecutor)[name]
            ours = self._making(usual) if name == "__init__" else _going_on(name, usual)
            self._usual[name] = usual, ours
            setattr(ThreadPoolExecutor, name, ours)

    def take_back(self) -> None:
        """End."""
        self._active = False
        for name, (usual, ours) in self._usual.items():
            if vars(ThreadPoolExecutor)[name] is ours:
                setattr(ThreadPoolExecutor, name, usual)

    def _making(self, usual: Method) -> Method:
        @wraps(usual)
        def __init__(self: ThreadPoolExecutor, *args: object, **kwargs: object) -> None:  # noqa: N807
            kind = None if isinstance(self, (Fan, Sequential)) else swap.kind_for(type(self))
            if kind is None:
                usual(self, *args, **kwargs)
                return
            self.__class__ = kind  # of the same layout, as neither has slots of its own
            begin: Method = swap._kind.__init__
            begin(self, *args, **kwargs)
            swap._made.append(None)

        swap = self
        return __init__

    def kind_for(self, kind: type[ThreadPoolExecutor]) -> type[ThreadPoolExecutor] | None:
        """The class that stands in for this one; None if it stays as it is."""
        if not self._active:
            return None
        if kind is ThreadPoolExecutor:
            return self._kind
        found = self._kinds.get(kind)
        if found is not None:
            return found
        reason = _own_ways(kind)
        if reason is None:
            try:
                found = self._kinds[kind] = _derived(kind, self._kind)
            except Exception as error:  # of its metaclass, or of what it does when somebody derives from it
                reason = f"cannot be derived from: {text_of(error)}"
        if reason is not None:
            self.left[_name_of(kind)] = reason
        return found

    def usual_kind(self, kind: type[ThreadPoolExecutor]) -> type[ThreadPoolExecutor]:
        """What one of its classes stands in for."""
        return ThreadPoolExecutor if kind is self._kind else kind.__mro__[1]

    def left_one(self, kind: type[ThreadPoolExecutor]) -> None:
        """One that it has stood in for is to be what it was."""
        self._made.pop()
        self.left[_name_of(kind)] = "was given a _work_queue of its own"


def _going_on(name: str, usual: Method) -> Method:
    @wraps(usual)
    def method(self: ThreadPoolExecutor, *args: object, **kwargs: object) -> object:
        for kind in (Fan, Sequential):
            if isinstance(self, kind):
                ours: Method = getattr(kind, name)
                return ours(self, *args, **kwargs)
        return usual(self, *args, **kwargs)

    return method


def _derived(kind: type[ThreadPoolExecutor], base: type[ThreadPoolExecutor]) -> type[ThreadPoolExecutor]:
    """A class that has the methods of both, and goes by the name of the first."""
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return new_class(kind.__name__, (kind, base), {}, lambda namespace: namespace.update(names))


def _own_ways(kind: type) -> str | None:
    """Why a subclass cannot stand on another executor; None if it can."""
    for one in kind.__mro__[: kind.__mro__.index(ThreadPoolExecutor)]:
        for name in _MACHINERY:
            if name in vars(one):
                return f"has a {name} of its own"
        for function in _functions(one):
            used = _TAKEN.intersection(function.__code__.co_names)
            if used:
                return f"has an attribute {min(used)}, and so has a fan ({describe(function)})"
    return None


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _functions(kind: type) -> Iterator[FunctionType]:
    return (value for value in vars(kind).values() if isinstance(value, FunctionType))
