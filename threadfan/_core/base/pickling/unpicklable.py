"""What stands in a report that was read again where something was that could not be pickled."""

from __future__ import annotations

from ..plain import plain as to_plain
from ..static import describe
from ..texts import masked, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class Unpicklable:
    """Stands in place of a value, or a part of one, that could not be pickled or unpickled; using it raises an error.

    ``str``, ``repr`` and comparisons work.

    Attributes:
        what: what it was, and why it is missing.
        name: of the function that it was, or of its class.
        plain: what could be kept of it as plain data, or None.
    """

    __slots__ = ("__dict__", "name", "plain", "what")  # the dict for the name by which messages call a function

    def __init__(self, what: str, plain: Any = None, name: str = "") -> None:
        self.what: str = what
        self.name: str = name
        self.plain: Any = plain
        if name:
            self.__qualname__ = name

    @classmethod
    def of(cls, thing: object, why: object, *, keep: bool = False) -> Unpicklable:
        """For an object, which is not shown: its ``repr`` may hold prompts and keys.

        Args:
            why: what was raised for it.
            keep: whether to keep it as plain data.
        """
        kind = type(thing)
        function = callable(thing) and not isinstance(thing, type) and hasattr(thing, "__qualname__")
        what = f"the function {describe(thing)}" if function else f"a {kind.__module__}.{kind.__qualname__}"
        reason = shortened(masked(f"{type(why).__name__}: {why}"), 200)
        return cls(f"{what} ({reason})", to_plain(thing) if keep else None, describe(thing))

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(f"this stands for {self.what}: it could not be pickled, so it is not here")

    def __call__(self, *_: object, **__: object) -> NoReturn:
        self._refuse()

    def __getattr__(self, name: str) -> Any:
        if name == "__qualname__":  # for messages
            return self.name
        if name in Unpicklable.__slots__:
            raise AttributeError(name)
        raise AttributeError(
            f"there is no {name!r}, for this stands for {self.what}: it could not be pickled, so it is not here"
        )

    def __exit__(self, *exc_info: object) -> None:
        """It was never entered."""

    def __reduce__(self) -> tuple[type[Unpicklable], tuple[object, ...]]:
        return Unpicklable, (self.what, self.plain, self.name)

    def __repr__(self) -> str:
        return f"<Unpicklable: {self.what}>"


_USES = (
    "__bool__", "__iter__", "__next__", "__len__", "__getitem__", "__contains__", "__enter__", "__int__",
    "__float__", "__index__", "__add__", "__radd__", "__mul__", "__rmul__", "__lt__", "__gt__", "__le__", "__ge__",
)  # fmt: skip
for _use in _USES:
    setattr(Unpicklable, _use, Unpicklable._refuse)
