"""Results as bytes, and back: JSON by pydantic, or what a codec of the user's makes; never a pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, get_type_hints

from pydantic_core import from_json, to_json

from ..base.errors import JournalError, NotStored
from ..base.static import describe
from ..base.texts import brief, shortened, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = (None, type(None), Any, object, str, int, float, bool, list, dict)
"""What comes back as it was without being told."""


Key: TypeAlias = "Callable[[Any], object]"
"""What says of an input by what it is known."""


class Codec(Protocol):
    """How results become bytes, and bytes become results again."""

    def encode(self, value: Any, /) -> bytes:
        """What is stored."""

    def decode(self, data: bytes, /) -> Any:
        """What was stored."""


class Values:
    """How results of one kind are stored.

    Args:
        codec: does it all, if there is one.
        returns: what results are, as annotations say it; None if that is not known.
        where: what has said so, for messages.
    """

    def __init__(self, codec: Codec | None, returns: object = None, where: str = "returns=") -> None:
        self.encode: Callable[[Any], bytes] = to_json
        self.decode: Callable[[bytes], Any] = from_json
        if codec is not None:
            checked(codec)
            self.encode, self.decode = codec.encode, codec.decode
        elif not (any(returns is one for one in _PLAIN) or isinstance(returns, TypeVar)):
            self._read_as(returns, where)

    def _read_as(self, returns: Any, where: str) -> None:
        from pydantic import TypeAdapter

        try:
            adapter = TypeAdapter(returns)
        except Exception as error:  # several of pydantic's, and whatever the class does when it is asked
            raise TypeError(
                f"{where} says {brief(returns)}, which cannot be read back from JSON "
                f"({shortened(text_of(error))}): give codec=, an object with encode and decode"
            ) from error
        read = self.decode = adapter.validate_json

        def encode(value: object) -> bytes:
            data = to_json(value)
            read(data)  # else the next run would be the first to notice
            return data

        self.encode = encode

    def stored(self, value: object, fn: Callable[..., object]) -> bytes:
        """What a call of ``fn`` has returned, as bytes.

        Raises:
            NotStored: it cannot be stored; the value is with it.
        """
        try:
            data = self.encode(value)
            if not isinstance(data, bytes):
                raise TypeError(f"encode has to return bytes, not {brief(data)}")
        except Exception as error:
            found = NotStored(
                f"{describe(fn)} has returned a {type(value).__qualname__} that cannot be stored "
                f"({shortened(text_of(error))}): return plain data, a dataclass or a pydantic model as the function's "
                "annotation says, or give codec=; the value is in the attribute value of this error"
            )
            found.value = value
            raise found from error
        return data

    def read(self, data: bytes, path: str, label: object) -> object:
        """What was stored for an input.

        Raises:
            JournalError: it cannot be read.
        """
        try:
            return self.decode(data)
        except Exception as error:
            raise JournalError(
                f"what the journal {path!r} has for input {label} cannot be read ({shortened(text_of(error))}): was it "
                "written by another version of the function, or with another codec?  version= tells them apart"
            ) from error


def checked(codec: Codec) -> None:
    """Check that it is one."""
    if not callable(getattr(codec, "encode", None)) or not callable(getattr(codec, "decode", None)):
        raise TypeError(f"codec must be an object with encode(value) and decode(data), not {brief(codec)}")


def returned_by(fn: Any) -> object:
    """What a function is said to return; None if that is not known."""
    while hasattr(fn, "func") and hasattr(fn, "args"):  # a partial
        fn = fn.func
    if isinstance(fn, type):
        return fn
    if not hasattr(fn, "__annotations__"):  # an object that can be called
        fn = vars(type(fn)).get("__call__")
    try:
        return get_type_hints(fn, include_extras=True).get("return")
    except Exception:  # names that are there for type checkers only
        return None
