"""Pickles that can always be written and always be read again.

Guarantees, for whatever is ``Portable``:

- Writing never fails because of what is inside, and reading does not either, wherever it is read.
- Errors are kept as ``remembered`` says: none takes a request, headers or a URL's secrets along.
- Items and values are as they were.  In place of what cannot be pickled stands an ``Unpicklable``, which says what it
  was and raises when it is used; a log line says so when the pickle is written.  Containers and records (dataclasses,
  pydantic models, named tuples) keep their other parts; of any other object nothing is kept, so that no half of a
  client, with its key, gets into a file.
- If a class is not there where the pickle is read, or refuses what it once was made of, an ``Unpicklable`` stands for
  its instance, and everything else is read.

One object that several calls have in common, such as a document, is written once.  What is inside is written as bytes
of its own, so the pickler that the user has chosen does not see it; memory for both is needed while it is written.
"""

from __future__ import annotations

import io
import logging
import pickle
from contextlib import suppress
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from ..copying import Copyable, travelling
from .mending import mended
from .remembered import Chain, remember
from .unpicklable import Unpicklable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    Reduced = Any  # how to take an object apart, or NotImplemented

    class Sink(Protocol):
        """What a pickle is written to."""

        def write(self, data: bytes, /) -> object:
            """Take the next bytes."""


PROTOCOL = 5  # of all versions that are supported
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, type)
_CONTAINERS = (dict, list, tuple, set, frozenset)
_NESTED = 4  # levels of a state in which single values are found: a report's list of tuples, and what is around it


def packed(thing: object) -> tuple[Callable[[bytes], object], tuple[bytes]]:
    """How ``thing`` is pickled, as ``__reduce_ex__`` says it."""
    return unpacked, (_pack(thing),)


def unpacked(data: bytes) -> object:
    """What was packed."""
    try:
        return pickle.loads(data)  # noqa: S301 -- whoever reads a pickle trusts who wrote it
    except Exception:
        return mended(data)


def _pack(thing: object) -> bytes:
    with suppress(Exception):  # what is wrong is found out below
        return _written(Packer, thing)
    with suppress(Exception):
        return _written(_Salvager, thing)
    return _written(_LastResort, thing)


def _written(kind: type[Packer], thing: object) -> bytes:
    file = io.BytesIO()
    packer = kind(file)
    packer.dump(thing)
    packer.tell()
    return file.getvalue()


class Packer(pickle.Pickler):
    """Writes what can be written, and errors as they are remembered."""

    def __init__(self, file: Sink) -> None:
        super().__init__(file, PROTOCOL)
        self._chain = Chain()

    def reducer_override(self, thing: Any) -> Reduced:
        """How to take one object apart; ``pickle`` asks for all but the plainest."""
        kind = type(thing)  # not isinstance: a mock lies about its class
        if issubclass(kind, BaseException):
            return remember(thing, self._chain, fit)
        if issubclass(kind, Copyable):
            return travelling(thing)
        return NotImplemented

    def tell(self) -> None:
        """Say what was left out."""


class _Judge(Packer):
    """Refuses what may have something to do with a request, and other errors: they could lead back to the first."""

    def reducer_override(self, thing: object) -> Reduced:
        if issubclass(type(thing), BaseException):
            raise pickle.PicklingError("an error in what an error holds")
        if type(thing).__name__.endswith(("Request", "RequestInfo", "Response", "Session", "Client", "Socket")):
            raise pickle.PicklingError("a request, or what makes some")
        return super().reducer_override(thing)


def fit(thing: object) -> bytes | None:
    """The pickle of an object that an error holds, or None if it cannot go along with the error."""
    with suppress(Exception):
        return _written(_Judge, thing)
    return None


class _Trial(Packer):
    """Writes nothing, and remembers what it has seen."""

    def __init__(self, seen: list[object]) -> None:
        super().__init__(_Nowhere())
        self._seen = seen

    def reducer_override(self, thing: object) -> Reduced:
        self._seen.append(thing)
        return super().reducer_override(thing)


class _Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)


class _Salvager(Packer):
    """Tries each object before it is written, and puts something in the place of what cannot be."""

    def __init__(self, file: Sink) -> None:
        super().__init__(file)
        self._good: dict[int, object] = {}  # by their identities; kept, so that those are not used again
        self._lost: list[Unpicklable] = []

    def reducer_override(self, thing: object) -> Reduced:
        found = super().reducer_override(thing)
        if found is not NotImplemented or id(thing) in self._good:
            return found
        why = self._refusal(thing)
        if why is None:
            return NotImplemented
        if _is_record(thing) and _trouble(type(thing)) is None:
            with suppress(Exception):
                return thing.__reduce_ex__(PROTOCOL)
        return self._stand_in(thing, why).__reduce__()

    def _refusal(self, thing: object) -> Exception | None:
        seen: list[object] = []
        why = _trouble(thing, seen)
        if why is None:
            self._good.update((id(one), one) for one in seen)
        return why

    def _stand_in(self, thing: object, why: Exception) -> Unpicklable:
        stand_in = Unpicklable.of(thing, why, keep=_is_record(thing))
        if not isinstance(thing, _FUNCTIONS):  # what a task has called is no loss
            self._lost.append(stand_in)
        return stand_in

    def tell(self) -> None:
        """Say what was left out."""
        if self._lost:
            more = f", and {len(self._lost) - 1} more" if len(self._lost) > 1 else ""
            logging.getLogger("threadfan").warning("pickled without %s%s", self._lost[0].what, more)


class _LastResort(_Salvager):
    """Tries each value of a report by itself, too: nobody is asked for lists, which may be nested too deep."""

    def reducer_override(self, thing: object) -> Reduced:
        if isinstance(thing, Copyable) and not isinstance(thing, BaseException):
            make, arguments, state = travelling(thing)
            return make, arguments, self._tried(state, _NESTED)
        return super().reducer_override(thing)

    def _tried(self, part: Any, levels: int) -> object:
        try:
            _Salvager(_Nowhere()).dump(part)
        except Exception as why:
            if levels and type(part) in (list, tuple):
                return type(part)([self._tried(inner, levels - 1) for inner in part])
            if levels and type(part) is dict:
                return {key: self._tried(inner, levels - 1) for key, inner in part.items()}
            return self._stand_in(part, why)
        return part


def _trouble(thing: object, seen: list[object] | None = None) -> Exception | None:
    try:
        _Trial([] if seen is None else seen).dump(thing)
    except Exception as why:
        return why
    return None


def _is_record(thing: object) -> bool:
    kind = type(thing)
    marks = ("__dataclass_fields__", "__pydantic_fields__", "__attrs_attrs__")
    return issubclass(kind, _CONTAINERS) or any(hasattr(kind, mark) for mark in marks)
