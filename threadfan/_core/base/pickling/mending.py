"""Reads a pickle of which a part cannot be read as it should: a class is gone or has changed, or never was made for it.

It does what ``pickle`` does, in Python and therefore slowly, and puts an ``Unpicklable`` in the place of what fails.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any, ClassVar

from .unpicklable import Unpicklable

if TYPE_CHECKING:
    from collections.abc import Callable

# The one in Python, of which single operations can be replaced; its methods have had these names since Python 3.0.
_Unpickler: Any = pickle._Unpickler  # type: ignore[attr-defined, unused-ignore]


def mended(data: bytes) -> object:
    """What was pickled, as far as it can be read."""
    return _Mender(io.BytesIO(data)).load()


class _Missing(Unpicklable):
    """An instance of a class that is not there: it keeps its state as it was written."""

    __slots__ = ()

    def __new__(cls, *_: object, **__: object) -> Any:
        found = object.__new__(Unpicklable)
        found.what, found.plain, found.name = cls.__doc__ or "", None, cls.__name__
        return found


class _Mender(_Unpickler):  # type: ignore[misc]
    def find_class(self, module: str, name: str) -> object:
        try:
            return super().find_class(module, name)
        except Exception as why:
            what = f"a {module}.{name} ({type(why).__name__}: {why})"
            return type(name, (_Missing,), {"__slots__": (), "__doc__": what})

    def load_reduce(self) -> None:
        make, arguments = self.stack[-2:]
        del self.stack[-2:]
        self.append(_made(make, lambda: make(*arguments)))

    def load_newobj(self) -> None:
        kind, arguments = self.stack[-2:]
        del self.stack[-2:]
        self.append(_made(kind, lambda: kind.__new__(kind, *arguments)))

    def load_newobj_ex(self) -> None:
        kind, arguments, named = self.stack[-3:]
        del self.stack[-3:]
        self.append(_made(kind, lambda: kind.__new__(kind, *arguments, **named)))

    def load_build(self) -> None:
        self._change(self.stack[-2], self.stack[-1], super().load_build, self.stack.pop)

    def load_append(self) -> None:
        self._change(self.stack[-2], self.stack[-1], super().load_append, self.stack.pop)

    def load_appends(self) -> None:
        self._change(self.metastack[-1][-1], self.stack, super().load_appends, self.pop_mark)

    def load_additems(self) -> None:
        self._change(self.metastack[-1][-1], self.stack, super().load_additems, self.pop_mark)

    def load_setitem(self) -> None:
        pair = dict([self.stack[-2:]]) if isinstance(self.stack[-3], Unpicklable) else None
        self._change(self.stack[-3], pair, super().load_setitem, lambda: self.stack.__delitem__(slice(-2, None)))

    def load_setitems(self) -> None:
        self._change(self.metastack[-1][-1], self.stack, super().load_setitems, self.pop_mark)

    def _change(self, thing: object, more: object, act: Callable[[], object], skip: Callable[[], object]) -> None:
        """Add to ``thing``, the object below the operands, what they say; if it cannot be, a stand-in keeps it."""
        if isinstance(thing, Unpicklable):
            skip()
            thing.plain = more if thing.plain is None else thing.plain
            return
        try:
            act()  # which takes the operands away before anything else
        except Exception as why:
            stand_in = self.stack[-1] = Unpicklable.of(thing, why)
            stand_in.plain = more
            for number, known in self.memo.items():  # by which it is found where it stands again
                if known is thing:
                    self.memo[number] = stand_in

    dispatch: ClassVar[dict[int, Callable[..., object]]] = dict(_Unpickler.dispatch)
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.APPEND[0]] = load_append
    dispatch[pickle.APPENDS[0]] = load_appends
    dispatch[pickle.ADDITEMS[0]] = load_additems
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems


def _made(make: object, act: Callable[[], object]) -> object:
    try:
        return act()
    except Exception as why:
        name = f"{getattr(make, '__module__', '')}.{getattr(make, '__qualname__', type(make).__qualname__)}"
        return Unpicklable(f"what {name} would have made ({type(why).__name__}: {why})")
