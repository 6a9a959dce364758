"""What goes between processes: functions, arguments, values and errors, each as bytes of its own.

So one that cannot be pickled, or not be read where it comes to, is the affair of its own call alone: what an executor
cannot read breaks some of them altogether.

Guarantees: an error arrives as one of its own class, with its text, whatever it holds; where it was raised is told by
its ``traceback_text``.
"""

from __future__ import annotations

import pickle
from contextlib import suppress
from importlib import import_module

from ...base.facts import traceback_text
from ...base.pickling.packing import PROTOCOL, packed, unpacked
from ...base.static import cause_of, context_of, describe
from ...base.texts import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Cloud(Protocol):
        """What is used of cloudpickle."""

        def dumps(self, thing: object, protocol: int | None = None) -> bytes:
            """The pickle of anything, functions by what they do."""


def _cloudpickle() -> Cloud | None:
    """The package that pickles lambdas, local functions and those of ``__main__``; None if there is none."""
    try:
        found: Cloud = import_module("cloudpickle")
    except ImportError:
        return None
    return found


def dumps(thing: object, by_value: bool = False) -> bytes:
    """The pickle of anything.

    Args:
        by_value: whether what stands in ``__main__`` goes along, for the other process has another one.

    Raises:
        Exception: it cannot be pickled; whatever it was that could not.
    """
    try:
        data = pickle.dumps(thing, PROTOCOL)
        if not by_value or b"__main__" not in data:
            return data
    except Exception:
        cloud = _cloudpickle()
        if cloud is None:
            raise
    else:
        cloud = _cloudpickle()
    return data if cloud is None else cloud.dumps(thing, PROTOCOL)


def loads(data: bytes) -> object:
    """What was pickled."""
    return pickle.loads(data)  # noqa: S301 -- from a process that the user has begun


def function(fn: object, by_value: bool) -> bytes:
    """The pickle of a function.

    Raises:
        TypeError: there is none; it says what would help.
    """
    try:
        return dumps(fn, by_value)
    except Exception as error:
        name = describe(fn)
        local = "<locals>" in name or "<lambda>" in name
        remedy = "define it at the top of a module" if local else "leave out what it holds"
        if _cloudpickle() is None:
            remedy += ", or pip install cloudpickle, which pickles local functions and lambdas too"
        raise TypeError(
            f"{name} cannot be sent to another process ({type(error).__name__}: {text_of(error)}): {remedy}"
        ) from error


def arguments(name: str, args: tuple[object, ...], kwargs: dict[str, object], by_value: bool) -> bytes:
    """The pickle of what a function is called with.

    Args:
        name: of the function.

    Raises:
        TypeError: there is none.
    """
    try:
        return dumps((args, kwargs), by_value)
    except Exception as error:
        raise TypeError(
            f"what {name} is called with cannot be sent to another process ({type(error).__name__}: {text_of(error)}): "
            f"hand in plain data, and make clients and connections there"
        ) from error


def read_arguments(data: bytes) -> tuple[tuple[object, ...], dict[str, object]]:
    """What ``arguments`` has pickled."""
    args, kwargs = pickle.loads(data)  # noqa: S301 -- as above
    return args, kwargs


def value(name: str, found: object, by_value: bool) -> bytes:
    """The pickle of what a function has returned.

    Args:
        name: of the function.

    Raises:
        TypeError: there is none.
    """
    try:
        return dumps(found, by_value)
    except Exception as error:
        raise TypeError(
            f"{name} has returned a {describe(type(found))}, which cannot be sent back from its process "
            f"({type(error).__name__}: {text_of(error)}): return plain data"
        ) from error


def error(raised: BaseException) -> bytes:
    """The pickle of what a function has raised.  Never fails."""
    with suppress(Exception):
        raised.traceback_text = traceback_text(raised)  # type: ignore[attr-defined]  # for whoever looks at it there
    if cause_of(raised) is None and context_of(raised) is None:
        with suppress(Exception):  # whole, if it can be read again, which those of many clients cannot
            data = pickle.dumps(raised, PROTOCOL)
            again = loads(data)
            if type(again) is type(raised) and text_of(again) == text_of(raised):
                return data
    return packed(raised)[1][0]


def read_error(data: bytes) -> BaseException:
    """What was raised, as far as it can be read here."""
    found = unpacked(data)
    return found if isinstance(found, BaseException) else RuntimeError(f"an error that cannot be read here: {found!r}")
