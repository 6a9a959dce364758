"""Errors as JSON, and back: by what they say, without requests, headers and secrets.

What is read again is of a class that is derived for it from the nearest that the program has imported, so that
``except`` clauses catch what they did.  No module is imported because a file names it.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from types import ModuleType

from ..base.facts import facts
from ..base.locks import takes_signals
from ..base.pickling.remembered import StandIn
from ..base.static import is_a
from ..base.texts import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Name = tuple[str, str]  # of a class: its module, and its qualified name there


def packed(error: BaseException) -> str:
    """An error as JSON."""
    names = [(kind.__module__, kind.__qualname__) for kind in type(error).__mro__ if issubclass(kind, BaseException)]
    told: tuple[object, ...] = None, None, None
    try:
        known = facts(error)
        told = known.status_code, known.request_id, known.traceback_text
    except BaseException as raised:  # by the error itself: its call must have its outcome all the same
        if takes_signals() and not is_a(raised, Exception):  # which may as well be a Ctrl-C
            raise
    return json.dumps((names, text_of(error), *told))


def unpacked(data: str) -> BaseException:
    """The error."""
    read, text, status, request, trace = json.loads(data)
    error = _made([(module, name) for module, name in read], text)
    told = {"status_code": status, "request_id": request, "traceback_text": trace}
    vars(error).update({name: value for name, value in told.items() if value is not None})
    return error


def _made(names: list[Name], text: str) -> BaseException:
    module, name = names[0]
    body = {"__module__": module, "__qualname__": name, "_names": tuple(names)}
    for base in _known(names):
        with suppress(Exception):  # a class may not want to be derived from, or made
            kind = type(name.rpartition(".")[2], (StandIn, base), body)
            error: Any = kind.__new__(kind, text)
            error.args = (text,)
            vars(error)["_text"] = text
            return error  # type: ignore[no-any-return]
    raise AssertionError("an Exception can always be made")


def _known(names: list[Name]) -> Iterator[type[BaseException]]:
    """The classes that are there, and ``Exception`` in any case."""
    for module, name in names:
        found: object = sys.modules.get(module)
        for part in name.split("."):  # what stands there: to be asked for a name, a module may import another
            found = vars(found).get(part) if isinstance(found, ModuleType | type) else None
        if isinstance(found, type) and issubclass(found, BaseException):
            yield found
    yield Exception
