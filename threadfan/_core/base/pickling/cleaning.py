"""What of an error's arguments and attributes goes along with it: plain data, without what belongs to a request.

``remembered`` says what is guaranteed.  Names tell what is private, and as names may deceive, whatever is not plain is
looked at in its pickled form: if a word of secrets is anywhere in it, it stays behind.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..copying import Copyable
from ..facts import Facts, KeptResponse, facts
from ..static import is_a
from ..texts import masked, text_of
from .unpicklable import Unpicklable

if TYPE_CHECKING:
    from collections.abc import Callable

    Fit = Callable[[object], bytes | None]

_DEEPEST = 20  # levels of plain data; arbitrary

_REQUESTS = re.compile("headers|hdrs|request(_info)?$|response$|session$|client$", re.IGNORECASE)
_SECRETS = re.compile(
    "api_?-?key|access_?key|token$|secret|passw|credential|private_?key|authorization|^_?auth$|cookie", re.IGNORECASE
)
_WORDS = re.compile(rb"authorization|api[-_]?key|cookie|passwor|secret|bearer |token|sk-|://[^/@\s]*@", re.IGNORECASE)
_PLAIN = {
    "builtins": ("NoneType", "bool", "complex", "ellipsis", "float", "int", "range"),
    "datetime": ("date", "datetime", "time", "timedelta"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "uuid": ("UUID",),
}


class _Unfit(Exception):
    """What cannot go along."""


def system(error: BaseException) -> dict[str, object]:
    """What built-in errors keep outside of their attributes and arguments."""
    names: tuple[str, ...] = ()
    if isinstance(error, OSError):
        names = ("errno", "strerror", "filename", "filename2")
    elif isinstance(error, ImportError | AttributeError | NameError):
        names = ("name", "path", "name_from")
    found = {name: getattr(error, name, None) for name in names}
    return {name: masked(value) if isinstance(value, str) else value for name, value in found.items() if _simple(value)}


def _simple(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


class Cleaner:
    """What goes along of one error."""

    def __init__(self, error: BaseException, fit: Fit) -> None:
        self._error = error
        self._fit = fit
        self._inside: set[int] = set()  # of which containers what is read now is a part
        self.changed = False  # whether an attribute is not as it was

    def attributes(self) -> dict[str, object]:
        """Those that are kept, and what is known of the answer."""
        found: dict[str, object] = {}
        for name, value in vars(self._error).items():
            if name not in ("__reduce_ex__", "_text"):
                found[name] = kept = self._attribute(name, value)
                self.changed = self.changed or (kept is not value and not self.untouched(value))
        known = facts(self._error)
        for name in Facts.__slots__:
            if (fact := getattr(known, name)) is not None and found.get(name) is None:
                found[name] = fact
        return found

    def _attribute(self, name: str, value: object) -> object:
        if name == "response" and value is not None and not isinstance(value, dict | str | KeptResponse):
            return KeptResponse.of(self._error)
        if isinstance(value, BaseException):
            return value
        open_thing = hasattr(type(value), "close")  # a file, a socket, a client
        return None if open_thing or _is_private(name, value) else self.part(value)

    def untouched(self, value: object) -> bool:
        """Whether a value goes along as it is."""
        with suppress(Exception):
            cleaned = self._clean(value)
            return cleaned is value or _same(cleaned, value)
        return False

    def part(self, value: object) -> object:
        """What is kept of a value."""
        try:
            return self._clean(value)
        except Exception as why:
            return Unpicklable.of(value, why if not isinstance(why, _Unfit) else "left out of the error")

    def _clean(self, value: object) -> object:
        kind = type(value)
        if kind.__qualname__ in _PLAIN.get(kind.__module__, ()):
            return value
        if type(value) is str:
            return masked(value)
        if type(value) is bytes:
            return value if masked(text := value.decode("latin-1")) == text else masked(text).encode("latin-1")
        if kind in (list, tuple, set, frozenset, dict):
            return self._container(kind, value)
        if is_a(value, BaseException):
            return text_of(value) if _leads_to(value, self._error) else value
        if issubclass(kind, (Copyable, Unpicklable, KeptResponse)):
            return value
        data = self._fit(value)
        if data is None or _WORDS.search(data):
            raise _Unfit
        return value

    def _container(self, kind: Any, value: Any) -> object:
        if id(value) in self._inside or len(self._inside) > _DEEPEST:
            raise _Unfit
        self._inside.add(id(value))
        try:
            if kind is dict:
                return {self._clean(key): self._entry(key, inner) for key, inner in value.items()}
            return kind(self._clean(inner) for inner in value)
        finally:
            self._inside.discard(id(value))

    def _entry(self, key: object, value: object) -> object:
        return None if isinstance(key, str) and _is_private(key, value) else self._clean(value)


def _is_private(name: str, value: object) -> bool:
    """Whether what has this name is left out: a number never is, nor a text unless it is a secret itself."""
    if value is None or isinstance(value, int | float | BaseException):
        return False
    if _SECRETS.search(name):
        return True
    if isinstance(value, str) or (name == "response" and isinstance(value, dict)):  # of botocore, plain data
        return False
    return _REQUESTS.search(name) is not None


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


def _leads_to(error: BaseException, target: BaseException, level: int = 0) -> bool:
    """Whether ``target`` is among the arguments of ``error``, at any depth."""
    if error is target or level > _DEEPEST:
        return True
    inner = [*error.args, *(error.exceptions if isinstance(error, BaseExceptionGroup) else ())]
    flat = [one for part in inner for one in (part if isinstance(part, list | tuple) else (part,))]
    return any(isinstance(one, BaseException) and _leads_to(one, target, level + 1) for one in flat)
