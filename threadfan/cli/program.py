"""A Python program, run as the interpreter itself runs one that is named on its command line.

The program finds all as it would be: ``sys.argv``, the first entry of ``sys.path``, and ``__main__`` with its
attributes, by which processes of multiprocessing's and pickles find it again.  What it raises goes on to the
interpreter, which shows it and ends with the exit status that is right; this package's frames are left out.
"""

from __future__ import annotations

import builtins
import io
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader, SourcelessFileLoader
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING
from zipfile import is_zipfile

from threadfan._core.base.texts import text_of

from . import ctrl_c
from .errors import USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, TracebackType


class Program:
    """A program that is there, to be run once.

    Args:
        target: a script, a folder or archive with a ``__main__.py``, or the name of a module.
        arguments: what the program finds after its own name.
        is_module: which of these it is.

    Raises:
        CommandError: there is no such program.
    """

    def __init__(self, target: str, arguments: Sequence[str], *, is_module: bool) -> None:
        self.target = target
        self.arguments = arguments
        self.is_module = is_module
        self._spec: ModuleSpec | None = None
        self._has_cached = True
        self._full = os.path.join(os.getcwd(), target)
        self._holds_modules = not is_module and _holds_modules(target)
        self._path = self._full if self._holds_modules else os.path.dirname(os.path.realpath(target))
        if is_module:
            self._path = os.getcwd()
            self._set_path()
            self._spec = _module(target)
        elif self._holds_modules:
            self._spec = PathFinder.find_spec("__main__", [self._full])
            if self._spec is None:
                raise CommandError(f"{target} holds no __main__.py; right is the path of a script", USAGE)
        elif not os.path.exists(target):
            raise CommandError(f"there is no {target}; right is the path of a script, or -m and a module's name", USAGE)

    def run(self) -> None:
        """Run it, to the end of its main thread.

        Raises:
            BaseException: what the program raises.
        """
        self._set_path()
        name = self._spec.origin or self.target if self.is_module and self._spec is not None else self.target
        sys.argv[:] = [name, *self.arguments]
        module, former = ModuleType("__main__"), sys.modules["__main__"]
        _replaced.append(former)
        sys.modules["__main__"] = module
        vars(module).update(__builtins__=builtins)
        if "__annotations__" in vars(former):  # as long as the interpreter itself puts them there
            vars(module).update(__annotations__={})
        self._has_cached = "__cached__" in vars(former)  # the same
        try:
            exec(self._compiled(module), vars(module))  # noqa: S102 -- the user's own program
        except SystemExit:
            raise
        except BaseException as error:
            ctrl_c.program_ended(error)
            _leave_out_these_frames(error)
            raise

    def _set_path(self) -> None:
        """Put what Python puts there first; a folder or an archive even if it is told to put nothing."""
        if not sys.flags.safe_path and sys.path:
            sys.path[0] = self._path
        elif self._holds_modules:
            sys.path.insert(0, self._path)

    def _compiled(self, module: ModuleType) -> CodeType:
        """Its code; the module has its attributes then."""
        spec = self._spec
        if spec is not None:
            module.__spec__ = spec
            vars(module).update(__file__=spec.origin, __package__=spec.parent, __loader__=spec.loader)
            if self._has_cached:
                vars(module).update(__cached__=spec.cached)
            code: CodeType = spec.loader.get_code(spec.name)  # type: ignore[union-attr]  # as runpy does
            return code
        path = self._full
        compiled = path.endswith(".pyc")
        loader = (SourcelessFileLoader if compiled else SourceFileLoader)("__main__", path)
        vars(module).update(__file__=path, __loader__=loader)
        if self._has_cached:
            vars(module).update(__cached__=None)
        if compiled:
            return loader.get_code("__main__")  # type: ignore[return-value]  # else it raises
        with io.open_code(path) as file:
            return compile(file.read(), path, "exec", dont_inherit=True)


_BEFORE = {__file__, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>"}

_replaced: list[ModuleType] = []
"""Whose globals are needed to the end."""


def _module(name: str) -> ModuleSpec:
    """The module of that name that can be run, which is the ``__main__`` of a package."""
    try:
        found = find_spec(name)
        if found is not None and found.submodule_search_locations is not None:
            found = find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        raise CommandError(f"the module {name} cannot be run: {text_of(error)}; right is another", USAGE) from error
    if found is None or not hasattr(found.loader, "get_code"):
        raise CommandError(f"there is no module {name} that can be run; right is one that python -m finds", USAGE)
    return found


def _holds_modules(path: str) -> bool:
    """Whether it is something that Python imports from."""
    return os.path.isdir(path) or (os.path.isfile(path) and is_zipfile(path))


def _leave_out_these_frames(error: BaseException) -> None:
    """Have the interpreter show an error as if the program stood alone."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename in _BEFORE:
        traceback = traceback.tb_next
    last = traceback
    while last is not None and last.tb_next is not None:
        if last.tb_next.tb_frame.f_code.co_filename == ctrl_c.__file__:
            last.tb_next = None
            break
        last = last.tb_next
    usual = sys.excepthook

    def show(kind: type[BaseException], value: BaseException, whole: TracebackType | None) -> None:
        if value is error:
            value.__traceback__ = whole = traceback
        usual(kind, value, whole)

    sys.excepthook = show
