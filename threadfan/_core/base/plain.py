"""Values as plain data, which ``json.dumps`` takes: for files, and for whoever reads them without Python.

Guarantees, for any value: there is an answer, made of dicts with text as keys, lists, texts, numbers, booleans and None
alone; nothing of the value is changed or used up; a value that holds itself has an end.

Models, dataclasses, dates, enums, paths and the like become what ``pydantic_core.to_jsonable_python`` makes of them,
which comes with anthropic and is imported when there is something to ask it; bytes become text if they are UTF-8, else
base64; NaN and infinity, which JSON does not have, None.  What is not known is shown by its ``repr``, shortened.
"""

from __future__ import annotations

from contextlib import suppress
from math import isfinite

from .texts import brief, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_DEEPEST = 100  # levels; arbitrary: json.dumps goes to about ten times that
_SHOWN = 200  # characters of a repr; arbitrary


def plain(value: object) -> Any:
    """``value`` as plain data."""
    return _Reader().read(value)


class _Reader:
    """Reads one value; remembers what it is inside of."""

    def __init__(self) -> None:
        self._inside: dict[int, object] = {}

    def read(self, value: object) -> object:
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if type(value) is float:
            return value if isfinite(value) else None
        if id(value) in self._inside or len(self._inside) > _DEEPEST:
            return brief(value, _SHOWN)
        self._inside[id(value)] = value
        try:
            return self._read(kind, value)
        except Exception:  # the value is the user's, and so is what it does when it is asked
            return brief(value, _SHOWN)
        finally:
            del self._inside[id(value)]

    def _read(self, kind: type, value: Any) -> object:
        if issubclass(kind, dict):
            return {self._key(key): self.read(inner) for key, inner in dict.items(value)}
        if issubclass(kind, (list, tuple, set, frozenset)):
            return [self.read(inner) for inner in value]
        if issubclass(kind, BaseException):
            return f"{kind.__name__}: {text_of(value)}"
        if kind.__module__.startswith(f"{__name__.partition('.')[0]}."):
            return self.read(value.to_dict() if hasattr(kind, "to_dict") else _slots(value))
        if issubclass(kind, (bytes, bytearray, memoryview)):
            return _of_bytes(bytes(value))
        if kind.__module__ == "collections":
            return self.read(dict(value) if hasattr(kind, "keys") else list(value))
        if hasattr(kind, "__dataclass_fields__") and not hasattr(kind, "__pydantic_serializer__"):
            return self.read(_of_fields(value) or {})
        if hasattr(kind, "__next__"):  # reading it would use it up
            return brief(value, _SHOWN)
        return self.read(self._asked(value))

    def _asked(self, value: object) -> object:
        """A value of a class that is not built in, one step plainer: at least no more of that class."""
        if not hasattr(value, "tolist"):  # of numpy, which pydantic does not know
            with suppress(Exception):
                from pydantic_core import to_jsonable_python

                try:
                    return to_jsonable_python(value, fallback=self._unknown)
                except ValueError:  # for bytes that are no UTF-8, too
                    return to_jsonable_python(value, fallback=self._unknown, bytes_mode="base64")
        return self._stepped(value)

    def _unknown(self, value: object) -> object:
        """What pydantic does not know: the value itself, or something in it."""
        return self._stepped(value) if id(value) in self._inside else self.read(value)

    def _stepped(self, value: object) -> object:
        for read in _READERS:
            found = read(value)
            if found is not None and type(found) is not type(value):
                return found
        return brief(value, _SHOWN)

    def _key(self, key: object) -> str:
        found = self.read(key)
        return found if isinstance(found, str) else str(found)


def _slots(value: object) -> dict[str, object]:
    """The public attributes of one of our own objects."""
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return {name: getattr(value, name, None) for name in names if not name.startswith("_")} or {"repr": repr(value)}


def _of_bytes(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        from base64 import b64encode

        return b64encode(data).decode()


def _by(method: str) -> Callable[[Any], object]:
    def read(value: object) -> object:
        return getattr(value, method)() if callable(getattr(type(value), method, None)) else None

    return read


def _of_builtin(value: Any) -> object:
    if hasattr(type(value), "__members__"):  # an enum
        return value.value
    return next((base(value) for base in (int, float, str) if isinstance(value, base)), None)


def _of_fields(value: object) -> object:
    if isinstance(value, type):
        return None
    names = getattr(value, "__dataclass_fields__", None) or [one.name for one in getattr(value, "__attrs_attrs__", ())]
    return {name: getattr(value, name, None) for name in names} or None


def _of_number(value: object) -> object:
    return str(value) if type(value).__module__ in ("decimal", "fractions", "uuid", "datetime") else None


# What is read without pydantic: numpy's, builtin classes that were derived from, and of the standard library the rest.
_READERS = (
    _by("tolist"), _of_builtin, _by("model_dump"), _of_fields, _by("isoformat"), _by("__fspath__"), _of_number,
)  # fmt: skip
