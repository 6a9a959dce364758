"""Twisted's pools, which have threads of its own: those that are made from some moment on stand on fans.

As with executors, an object is given another class while it is made.  If Twisted is not imported yet, it is seen to
when its module is.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial, wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from ..adapters.twisted import ThreadPool

    Method = Callable[..., object]
    Path = Sequence[str] | None

MODULE = "twisted.python.threadpool"


class TwistedPools:
    """Its class, with another ``__init__``.

    Args:
        left: is told of classes whose objects stay what they are, by name, and why.
    """

    def __init__(self, left: dict[str, str]) -> None:
        self._left = left
        self._active = True
        self._replaced: tuple[type, Method, Method] | None = None
        module = sys.modules.get(MODULE)
        if module is None:
            sys.meta_path.insert(0, self)
        else:
            self._replace(module)

    def take_back(self) -> None:
        """End."""
        self._active = False
        self._look_no_more()
        if self._replaced is not None:
            kind, usual, ours = self._replaced
            if vars(kind)["__init__"] is ours:  # else somebody has wrapped it meanwhile
                kind.__init__ = usual  # type: ignore[misc]

    def find_spec(self, name: str, path: Path = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As the import system asks for a module, or who only wants to know whether it is there."""
        if name != MODULE:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            loader, execute = spec.loader, spec.loader.exec_module

            def execute_and_replace(module: ModuleType) -> None:
                put(execute)  # for the loader outlives this, and may be that of other modules too
                execute(module)
                if module.__name__ == MODULE:
                    self._look_no_more()
                    self._replace(module)

            put = partial(setattr, loader, "exec_module")
            with suppress(AttributeError, TypeError):  # it takes no attributes
                put(execute_and_replace)
        return spec

    def _look_no_more(self) -> None:
        with suppress(ValueError):
            sys.meta_path.remove(self)

    def _replace(self, module: ModuleType) -> None:
        kind = getattr(module, "ThreadPool", None)
        if not self._active or not isinstance(kind, type):
            return
        usual: Method = kind.__init__  # type: ignore[misc]

        @wraps(usual)
        def __init__(pool: object, *args: object, **kwargs: object) -> None:  # noqa: N807
            ours = _kind()
            if self._active and type(pool) is kind:
                pool.__class__ = ours
                ours.__init__(pool, *args, **kwargs)  # type: ignore[arg-type]
                return
            if self._active and not isinstance(pool, ours.__mro__[1]):
                self._left[f"{type(pool).__module__}.{type(pool).__qualname__}"] = "has threads of Twisted's"
            usual(pool, *args, **kwargs)

        kind.__init__ = __init__  # type: ignore[misc]
        self._replaced = kind, usual, __init__


@cache
def _kind() -> type[ThreadPool]:
    """The class that stands in; made when Twisted is there."""
    from ..adapters.twisted import ThreadPool

    def executor(number: int, name: str, **_: object) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(number, name)  # which is a fan, with the options of the installation

    return type(ThreadPool.__name__, (ThreadPool,), {"executor": staticmethod(executor)})
