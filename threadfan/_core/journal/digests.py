"""By what an item is known: a digest of the function's name, of a version, and of what the item is.

Guarantees: equal data has one digest in every process and on every machine, whatever the order of keys in dicts and of
elements in sets; nothing of an item is used up or changed.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from ..base.texts import brief, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 16
"""Bytes.  Of a million million items two have the same with a probability of one in 10**14."""
_FLAT = frozenset((str, int, float, bool, type(None)))
_DEEPEST = 100  # levels; arbitrary

Digest = bytes


class Digests:
    """Those of one function's items.

    Args:
        function: its name.
        version: of what it does, if there are several.
        key: what an item is known by, instead of all that it is.
    """

    def __init__(self, function: str, version: str | None, key: Callable[[object], object] | None) -> None:
        self._begin = blake2b(to_json([function, version]), digest_size=SIZE)
        self._key = key

    def of(self, item: object) -> Digest:
        """The digest of one item."""
        found = self._begin.copy()
        found.update(content(item if self._key is None else self._key(item)))
        return found.digest()

    def all_of(self, items: list[object], first: int) -> list[Digest]:
        """Those of many, the first of which stands in place ``first``.

        Raises:
            TypeError: an item cannot be told from others.
        """
        made: list[Digest] = []
        try:
            made.extend(map(self.of, items))
        except Exception as error:
            if self._key is not None and not isinstance(error, _Unknown):
                raise
            place = first + len(made)
            what = "what key= gives for input" if self._key is not None else "input"
            remedy = "it must be plain data" if self._key is not None else "give key=, a function that says what it is"
            raise TypeError(
                f"a journal knows inputs by what is in them, and {what} {place}, "
                f"{brief(items[len(made)])}, cannot be told ({text_of(error)}): {remedy}"
            ) from error
        return made


def again(digest: Digest, number: int) -> Digest:
    """The digest of an item that was there so many times before, among the same inputs."""
    return blake2b(digest + number.to_bytes(8, "big"), digest_size=SIZE).digest()


class _Unknown(TypeError):
    """It is no plain data."""


def content(item: Any) -> bytes:
    """What is in an item, as JSON in which equal data stands in one way."""
    kind = type(item)
    try:
        if kind in _FLAT:
            return to_json(item)
        if kind is dict and len(item) > 1 and _FLAT.issuperset(map(type, item.values())):
            names, values = _order(tuple(item))
            if names:
                return names + to_json(values(item))
        found = _in_order(item, 0)
        if type(found) is dict and len(found) > 1:
            return to_json([*found]) + to_json([*found.values()], bytes_mode="base64")
        return to_json(found, bytes_mode="base64")
    except _Unknown:
        raise
    except Exception as error:
        raise _Unknown(text_of(error)) from error


@lru_cache(256)
def _order(keys: tuple[object, ...]) -> tuple[bytes, itemgetter[Any]]:
    """Of a table's row: the names of its columns in order, and what takes the values in that; b"" if one is no text."""
    texts = sorted(key for key in keys if type(key) is str)
    return (to_json(texts) if len(texts) == len(keys) else b""), itemgetter(*texts or keys)


def _in_order(item: object, depth: int) -> object:
    """The same, of dicts, lists and what is flat, in an order of its own."""
    kind = type(item)
    if kind in _FLAT:
        return item
    if depth > _DEEPEST:
        raise _Unknown(f"it is deeper than {_DEEPEST} levels, or holds itself")
    if isinstance(item, dict):
        pairs = [(key, _in_order(value, depth + 1)) for key, value in item.items()]
        if all(type(key) is str for key, _ in pairs):
            return dict(sorted(pairs))
        return {"dict": _sorted([[_in_order(key, depth + 1), value] for key, value in pairs])}
    if isinstance(item, (set, frozenset)):
        return {"set": _sorted([_in_order(one, depth + 1) for one in item])}
    if isinstance(item, (list, tuple)):
        return [_in_order(one, depth + 1) for one in item]
    if hasattr(kind, "__next__"):
        raise _Unknown("reading it would use it up")
    names = getattr(kind, "__pydantic_fields__", None) or getattr(kind, "__dataclass_fields__", None)
    if names is not None:
        found = {name: getattr(item, name, None) for name in names} | (getattr(item, "__pydantic_extra__", None) or {})
        return {name: _in_order(found[name], depth + 1) for name in sorted(found)}
    return item


def _sorted(parts: list[object]) -> list[object]:
    return sorted(parts, key=lambda part: to_json(part, bytes_mode="base64"))
