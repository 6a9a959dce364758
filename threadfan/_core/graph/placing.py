"""The outcomes of a run that is over, each at its place: tasks as they were added, and their elements in order."""

from __future__ import annotations

from ..base.outcome import SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.attempt import Attempt
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from .cell import Cell
    from .report import Tree


class Places:
    """What a report is made of.

    Args:
        usages: by the number of a cell; here they are by place.
        notes: the same.
        unstarted: the outcome of a cell that has none.
    """

    def __init__(
        self, usages: dict[int, Usage], notes: dict[int, list[Attempt]], unstarted: Callable[[Cell], Raw]
    ) -> None:
        self._usages, self._notes, self._unstarted = usages, notes, unstarted
        self.raws: list[Raw] = []
        self.names: dict[int, str] = {}
        self.usages: dict[int, Usage] = {}
        self.notes: dict[int, list[Attempt]] = {}

    def add(self, cell: Cell) -> Tree:
        """The place of its outcome, or of those of its elements in lists of the same shape."""
        if cell.children is None:
            place = self._put(cell)
            return [place] if cell.task.level > len(cell.path) else place
        tree: list[Tree] = [self.add(child) for child in cell.children]
        unfolded = cell.raw is None and cell.fault is None and cell.task.node.reduce is not None and not cell.path
        if unfolded or (cell.raw is not None and cell.raw[3] is not SUCCEEDED):
            tree.append(self._put(cell))
        return tree

    def _put(self, cell: Cell) -> int:
        place, number = len(self.raws), cell.number
        raw = cell.raw or self._unstarted(cell)
        self.raws.append((place, *raw[1:]))
        self.names[place] = cell.name
        if number in self._usages:
            self.usages[place] = self._usages[number]
        if number in self._notes:
            self.notes[place] = self._notes[number]
        return place
