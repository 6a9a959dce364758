"""The outcomes of a run that is over, each at its place: tasks as they were added, and their elements in order."""

from __future__ import annotations

from ..base.outcome import ITEM, STATUS, SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.attempt import Attempt
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from .node_state import NodeState
    from .plan import Tree


class ReportParts:
    """What a report is made of.

    Args:
        usages: by the number of a state; here they are by place.
        attempts: the same.
        unstarted: the outcome of a state that has none.
    """

    def __init__(
        self, usages: dict[int, Usage], attempts: dict[int, list[Attempt]], unstarted: Callable[[NodeState], Raw]
    ) -> None:
        self._usages, self._attempts, self._unstarted = usages, attempts, unstarted
        self.raws: list[Raw] = []
        self.names: dict[int, str] = {}
        self.usages: dict[int, Usage] = {}
        self.attempts: dict[int, list[Attempt]] = {}

    def add(self, state: NodeState) -> Tree:
        """The place of its outcome, or of those of its elements in lists of the same shape."""
        if state.children is None:
            place = self._put(state)
            return [place] if state.task.level > len(state.path) else place
        tree: list[Tree] = [self.add(child) for child in state.children]
        unfolded = state.raw is None and state.fault is None and state.task.node.reduce is not None and not state.path
        if unfolded or (state.raw is not None and state.raw[STATUS] is not SUCCEEDED):
            tree.append(self._put(state))
        return tree

    def _put(self, state: NodeState) -> int:
        place, number = len(self.raws), state.number
        raw = state.raw or self._unstarted(state)
        self.raws.append((place, *raw[ITEM:]))
        self.names[place] = state.name
        if number in self._usages:
            self.usages[place] = self._usages[number]
        if number in self._attempts:
            self.attempts[place] = self._attempts[number]
        return place
