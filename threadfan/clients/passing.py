"""The names that a module here does not have itself: those of the module whose name it bears.

``from threadfan.clients import requests`` would otherwise hide ``requests.get`` and ``requests.exceptions`` from who
writes it.  What passes through is the library's own, unchanged: it does not end with a scope.  Type checkers cannot see
it, so each module imports for them what its library has; what is too new to stand there passes all the same.
"""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

# What the import system, `inspect` and `unittest.mock` take for a statement on the module itself.
_ITS_OWN = {"__path__", "__wrapped__"}


def pass_through(module: str, *libraries: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The ``__getattr__`` and the ``__dir__`` of a module that has all that a library has.

    The library is imported when somebody asks for a name of it.

    Args:
        module: the module's name.
        libraries: the library's; of several, the first that is installed.
    """

    def find(name: str) -> object:
        if name not in _ITS_OWN:
            library = _imported(libraries)
            if library is None:
                missing = f"{' and '.join(libraries)}, which might have it, cannot be imported"
                raise AttributeError(f"module {module!r} has no attribute {name!r}; {missing}", name=name)
            try:
                return getattr(library, name)
            except AttributeError:
                pass
        raise AttributeError(f"module {module!r} has no attribute {name!r}, nor has {libraries[0]}", name=name)

    def names() -> list[str]:
        library = _imported(libraries)
        return sorted({*vars(sys.modules[module]), *(() if library is None else dir(library))})

    return find, names


def _imported(libraries: tuple[str, ...]) -> ModuleType | None:
    for name in libraries:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None
