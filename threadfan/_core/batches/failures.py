"""The errors of several calls as one, which can always be pickled, whatever errors they are."""

from __future__ import annotations

from ..base.index_ranges import written
from ..base.portable import Portable
from ..base.static import is_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class BaseFailures(Portable, BaseExceptionGroup):
    """The errors of several calls; the errors themselves are as they were raised, and may be shared."""

    indices: tuple[int, ...] = ()
    """The call of each of ``exceptions``, in the same order, by its index."""
    _labels: tuple[int | str, ...] = ()
    _said = ""
    _part = False

    def derive(self, excs: Sequence[Any], /) -> Any:
        """A group of some of them, as ``split`` and ``except*`` make it."""
        kept = _places_of(excs, self.exceptions)
        if kept is None or not self.indices:
            return failures(self.message, excs)
        indices, labels = [self.indices[place] for place in kept], [self._labels[place] for place in kept]
        part = len(kept) < len(self.exceptions) or self._part
        return failures(self._said, excs, indices, labels, part=part)


class Failures(BaseFailures, ExceptionGroup):
    """The errors of several calls, all of them ``Exception``s."""


def failures(
    said: str,
    errors: Sequence[Any],
    indices: Sequence[int] = (),
    labels: Sequence[int | str] = (),
    *,
    part: bool = False,
) -> BaseFailures:
    """A group of these errors, of the kind that ``except Exception`` catches if each of them is one.

    Args:
        said: what has happened.
        errors: in the order of their calls.
        indices: of the call of each error.
        labels: the name or index by which the text says it.
        part: of those that this is said of.
    """
    plain = all(isinstance(error, Exception) for error in errors)
    message = f"{said}{'; here' if part else ':'} {written(labels)}" if labels else said
    group = (Failures if plain else BaseFailures)(message, errors)
    group.indices, group._labels, group._said, group._part = tuple(indices), tuple(labels), said, part
    return group


def _places_of(some: Sequence[BaseException], errors: Sequence[BaseException]) -> list[int] | None:
    """Where each of some errors, or the group that it is a part of, stands among the errors; None if it does not."""
    found, place = [], -1
    for error in some:
        wanted = _leaves(error)
        place = next((at for at in range(place + 1, len(errors)) if wanted <= _leaves(errors[at])), -1)
        if place < 0:
            return None
        found.append(place)
    return found


def _leaves(error: BaseException) -> set[int]:
    """The errors that are no groups, by their identity."""
    if not is_group(error):
        return {id(error)}
    return {leaf for member in error.exceptions for leaf in _leaves(member)}
