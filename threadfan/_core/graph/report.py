"""What became of a graph."""

from __future__ import annotations

from ..base.generic import TYPE_CHECKING
from ..base.outcome import PAYLOAD, STATUS, SUCCEEDED
from ..base.plain import plain
from ..base.unset import Unset
from ..batches.report import Report
from .names import near

if TYPE_CHECKING:
    from typing import Any, Unpack

    from ..base.outcome import Raw
    from ..batches.figures import Parts
    from ..batches.stats import Stats
    from .plan import Tree

_MISSING: Any = Unset("not given")


class GraphReport(Report["Any"]):
    """What became of every call of a graph: tasks in the order in which they were added, elements in theirs.

    ``report["name"]`` is a task's outcome, or the report of its calls if it was fanned out; ``report["name[2]"]`` is
    that of one element.

    Args:
        raws: the outcomes, in that order.
        trees: the place of each task's outcome, or lists of them in the shape of its fan-out.
        folded: values of the tasks whose results were reduced.
        figures: as for ``Report``.
    """

    __slots__ = ("_folded", "_trees")

    def __init__(
        self,
        raws: list[Raw],
        *,
        trees: dict[str, Tree] | None = None,
        folded: dict[str, object] | None = None,
        **figures: Unpack[Parts],
    ) -> None:
        super().__init__(raws, **figures)
        self._trees: dict[str, Tree] = trees or {}
        self._folded = folded or {}

    def __getitem__(self, place: int | str | slice) -> Any:
        """An outcome by its place, several by a slice; by name an outcome, or the report of a fanned-out task."""
        if not isinstance(place, str):
            return super().__getitem__(place)
        tree = self._trees.get(place, _MISSING)
        if isinstance(tree, list):
            return self._part(_places(tree))
        if tree is not _MISSING:
            return self._all()[tree]
        found = [number for number, name in self._names.items() if name == place]
        if found:
            return self._all()[found[0]]
        raise KeyError(f"no task named {place!r}{near(place, self._trees)}; the tasks are: {', '.join(self._trees)}")

    def value(self, name: str, default: Any = _MISSING) -> Any:
        """A task's value; of one that was fanned out, its values in lists of the same shape, or what they reduce to.

        Args:
            default: replaces each value that is missing: in a list that of an element which has failed; the whole if
                there is no list, or if the results were to be reduced to one value.

        Raises:
            BaseException: a value is missing and no ``default`` was given: the task's error, or a group of those
            of its elements.
        """
        found = self[name]
        tree = self._trees.get(name)
        if not found.ok and default is _MISSING:
            try:
                found.unwrap()
            finally:
                del self, found  # the traceback holds this frame: leave no cycle
        if not isinstance(tree, list):
            return found.unwrap() if found.ok else default
        if name in self._folded:
            return self._folded[name]
        # What became of the task itself stands beside its elements if it has no list of values: it came to none, or
        # they were to be reduced.
        whole = any(not isinstance(inner, list) and self._names[inner] == name for inner in tree)
        return default if whole else self._shaped(tree, default)

    def _shaped(self, tree: Tree, default: Any) -> Any:
        if isinstance(tree, list):
            return [self._shaped(inner, default) for inner in tree]
        raw = self._raws[tree]
        return raw[PAYLOAD] if raw[STATUS] is SUCCEEDED else default

    def _part(self, places: list[int]) -> Report[Any]:
        """A report of some of the calls."""
        part: Report[Any] = Report(
            [self._raws[place] for place in places],
            names={number: self._names[place] for number, place in enumerate(places)},
            wall=self._wall,
            slots=self._slots,
            usages=self._usages,
            attempts=self._attempts,
            conditions=self._conditions,
        )
        return part

    def _complete(self, stats: Stats) -> None:
        from ..batches.advice_on_limits import held, refused
        from .chain import chain

        about = stats, self._conditions, self._label
        stats.advice = refused(self._raws, self, *about) or held(self, *about) or chain(self, *about)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as of any report; with what results were reduced to, by task."""
        return {**super().to_dict(), "reduced": {name: plain(value) for name, value in self._folded.items()}}

    def __getstate__(self) -> tuple[Any, ...]:
        return super().__getstate__(), self._trees, self._folded

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        inner, self._trees, self._folded = state
        super().__setstate__(inner)


def _places(tree: list[Tree]) -> list[int]:
    found: list[int] = []
    for inner in tree:
        found.extend(_places(inner) if isinstance(inner, list) else [inner])
    return found
