"""The function that the user names: ``MODULE:FUNCTION``, or ``path/to/file.py:FUNCTION``."""

from __future__ import annotations

import importlib
import os
import sys
from difflib import get_close_matches
from functools import wraps
from importlib.util import module_from_spec, spec_from_file_location
from traceback import extract_tb
from typing import TYPE_CHECKING

from threadfan._core.base import checks
from threadfan._core.base.fitting import fits
from threadfan._core.base.texts import brief, condensed, text_of

from .errors import USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_RIGHT = "right is MODULE:FUNCTION or FILE.py:FUNCTION, such as questions.py:ask"


def function_named(text: str) -> Callable[..., object]:
    """Import what ``text`` names.

    Raises:
        CommandError: there is no such module or function, or importing it fails.
    """
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise CommandError(f"{brief(text)} names no function; {_RIGHT}", USAGE)
    module = _module(place)
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise CommandError(f"{place} has no {name}; {_instead(found, part, place)}", USAGE)
        found = getattr(found, part)
    if not callable(found):
        raise CommandError(f"{text} is {brief(found)}, which cannot be called; {_RIGHT}", USAGE)
    try:
        function: Callable[..., object] = checks.function(text, found)
    except TypeError as error:  # a coroutine function, for one
        raise CommandError(str(error), USAGE) from error
    return function


def taking_a_row(name: str, fn: Callable[..., object]) -> Callable[..., object]:
    """``fn``, if it can be called with one argument."""
    try:
        fits(name, fn, 1)
    except TypeError as error:
        raise CommandError(f"{error}; right may be --kwargs, for the columns as arguments", USAGE) from error
    return fn


def _instead(found: object, name: str, place: str) -> str:
    known = [one for one, value in vars(found).items() if callable(value) and not one.startswith("_")]
    close = get_close_matches(name, known, 1)
    if close:
        return f"right may be {place}:{close[0]}"
    return f"it has {', '.join(sorted(known)[:5])}" if known else "it has no functions"


def _module(place: str) -> ModuleType:
    is_file = place.endswith(".py") or os.sep in place
    folder = os.path.dirname(os.path.abspath(place)) if is_file else os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)  # so that it finds its neighbours, as a program does
    if is_file and not os.path.isfile(place):
        raise CommandError(f"there is no file {place}; {_RIGHT}", USAGE)
    try:
        return _of_file(place) if is_file else importlib.import_module(place)
    except ModuleNotFoundError as error:
        if not is_file and error.name is not None and f"{place}.".startswith(f"{error.name}."):
            right = f"{place}.py:…" if os.path.isfile(f"{place}.py") else "to be in its folder, or to name its file"
            raise CommandError(f"there is no module {place} here; right is {right}", USAGE) from error
        raise _broken(place, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(place, error) from error


def _of_file(place: str) -> ModuleType:
    name = os.path.splitext(os.path.basename(place))[0]
    spec = spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise CommandError(f"{place} is no Python file; {_RIGHT}", USAGE)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _broken(place: str, error: BaseException) -> CommandError:
    last = extract_tb(error.__traceback__)[-1]
    where = f" (line {last.lineno} of {os.path.basename(last.filename)})" if last.filename.endswith(".py") else ""
    if isinstance(error, SyntaxError):
        where = f" (line {error.lineno} of {os.path.basename(error.filename or place)})"
    text = f"{type(error).__name__}: {condensed(text_of(error), 200)}"
    return CommandError(f"{place} cannot be imported: {text}{where}; --debug shows the traceback")


def taking_columns(fn: Callable[..., object]) -> Callable[[dict[str, object]], object]:
    """``fn`` as a function of a row, whose columns are its keyword arguments."""

    @wraps(fn)
    def called(row: dict[str, object]) -> object:
        if not isinstance(row, dict):
            raise TypeError(f"--kwargs takes rows with columns, not {brief(row)}")
        return fn(**row)

    del called.__wrapped__  # by which its parameters would be taken for those of ``fn``
    return called
