"""What bounds the calls of a batch by a key of their inputs: ``by=``."""

from __future__ import annotations

from operator import length_hint

from ..base.checks import count
from ..base.static import describe
from ..base.texts import brief

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..base.generic import T
    from ..policies.rate_limit import RateLimit

    By = Callable[[object], object]
    """Says the key of an input."""


class Keys:
    """What was asked for, checked.

    Args:
        by: called with an input, which is a tuple where the function takes several; says by what it is known.
        most: how many calls of one key may run at once, or None.
        rate: of which each key has one of its own, or None.
    """

    __slots__ = ("by", "most", "rate")

    def __init__(self, by: By, most: int | None, rate: RateLimit | None) -> None:
        if not callable(by):
            raise TypeError(f"by must be a function that says the key of an input, such as its host, not {brief(by)}")
        if most is None and rate is None:
            raise TypeError("by= says of what max_concurrent= or rate= is the limit, and there is neither: give one")
        if rate is not None and rate.shared is not None:
            raise ValueError(
                "with by= each key has a rate of its own, and one that processes share has one name: leave out shared="
            )
        self.by: By = by
        self.most: int | None = None if most is None else count("max_concurrent", most)
        self.rate: RateLimit | None = rate


def looked_up(find: Callable[[object], T], by: By, items: Sequence[object]) -> list[T]:
    """What there is for the key of each input.

    Args:
        find: gives it, and raises ``TypeError`` for what can be no key.
    """
    left = iter(items)
    try:
        return list(map(find, map(by, left)))
    except Exception as error:
        item = items[len(items) - length_hint(left) - 1]
        if isinstance(error, TypeError):
            _refuse(error, by, item)
        error.add_note(f"by={describe(by)} raised this for the input {brief(item, 200)}: what it raises ends the batch")
        raise


def _refuse(error: TypeError, by: By, item: object) -> None:
    """Raise what says more, if ``by`` cannot be called so or gives what can be no key."""
    try:
        key = by(item)
    except TypeError as own:
        if own.__traceback__ is not None and own.__traceback__.tb_next is None:  # it does not come from inside
            raise TypeError(f"by={describe(by)} cannot be called with an input, {_what(item)}: {own}") from own
        return
    try:
        hash(key)
    except TypeError:
        raise TypeError(f"by must give something that can be a key of a dict, not {brief(key)}") from error


def _what(item: object) -> str:
    """What ``by`` is given, without its value, which may be secret."""
    if type(item) is not tuple:
        return f"here of type {type(item).__name__}"
    return f"here one tuple of {len(item)} (right is such as by=lambda given: given[0])"
