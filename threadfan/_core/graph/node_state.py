"""One node in one run, or one place of its fan-out."""

from __future__ import annotations

from ..base.errors import TaskSkipped
from ..base.outcome import CANCELLED, FAILED, PAYLOAD, SKIPPED, STATUS, TIMED_OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..base.outcome import Raw
    from ..batches.task_group import Step
    from .plan import PlannedNode

    Rows = list[Any]
    """What is iterable, or ``ALONG``."""

    Then = Callable[[Any, "NodeState", Step, Raw], Step | None]

HOW = {FAILED: "failed", TIMED_OUT: "timed out", CANCELLED: "was cancelled", SKIPPED: "was skipped by its condition"}

ALONG = object()
"""Instead of something to go through: the same source for all that is deeper."""


class NodeState:
    """A place in the tree of a task's calls: the root is the task, the leaves are calls.

    Guarded by the lock of its tree; once it is over nothing of it changes.

    Attributes:
        path: its place in the fan-out; () for the root.
        number: by which the run keeps its outcome.
        sources: what each parameter of a fan-out goes through from here: a state, or a value.
        missing: of how many states it does not know yet what it has to know to go on.
        children: the states of its elements, once they are known.
        left: how many of them are not over.
        raw: what became of its call; of a reduction, if it has children.
        fault: the state because of which it has no value, if it has none.
        opened: states of fan-outs that wait for its children, or its end.
        ended: those that wait for its end.
        then: the method of a turn that is called when the step that it has handed in ends.
    """

    parent: NodeState | None = None
    path: tuple[int, ...] = ()
    sources: Sequence[object] = ()
    left = 0
    children: list[NodeState] | None = None
    raw: Raw | None = None
    fault: NodeState | None = None
    over = False
    opened: list[NodeState] | None = None
    ended: list[NodeState] | None = None
    then: Then

    def __init__(self, task: PlannedNode, number: int, missing: int) -> None:
        self.task, self.number, self.missing = task, number, missing

    def child(self, number: int, sources: list[object], place: int) -> NodeState:
        """The state of one of its elements."""
        child = NodeState(self.task, number, 0)
        child.parent, child.path, child.sources = self, (*self.path, place), sources
        return child

    @property
    def name(self) -> str:
        """How outcomes and errors call it."""
        return self.task.node.name + "".join(f"[{place}]" for place in self.path)

    def value(self) -> object:
        """Its value, once it is over; those of a fan-out in lists of the same shape."""
        if self.raw is not None:
            return self.raw[PAYLOAD]
        return [child.value() for child in self.children or ()]

    def forget(self) -> None:
        """The run is over and its report made: leave no cycles between states."""
        here = [self]
        while here:
            state = here.pop()
            here += state.children or ()
            state.parent = state.fault = state.children = state.opened = state.ended = None

    def watch(self) -> None:
        """Wait for what it goes through."""
        level = len(self.path)
        for source, each in zip(self.sources, self.task.each, strict=True):
            if type(source) is not NodeState or source.over:
                continue
            if level >= each.depth or level >= each.level:
                source.ended = [*(source.ended or ()), self]
                self.missing += 1
            elif source.children is None:
                source.opened = [*(source.opened or ()), self]
                self.missing += 1

    def rows(self) -> Rows:
        """What each parameter goes through from here: states, or what should be iterable; or it is to go ``ALONG``."""
        level = len(self.path)
        found: list[object] = []
        for source, each in zip(self.sources, self.task.each, strict=True):
            if level >= each.depth:
                found.append(ALONG)
            elif type(source) is NodeState:
                found.append(source.children if level < each.level else source.value())
            else:
                found.append(source)
        return found

    def lacks(self, roots: list[NodeState]) -> NodeState | None:
        """The state because of which it cannot be called: one that failed before one that a condition has skipped."""
        faults = [] if self.path else self._faults_needed(roots)
        level = len(self.path)
        for source, each in zip(self.sources, self.task.each, strict=True):
            if type(source) is not NodeState or source.fault is None:
                continue
            if source.raw is not None or level >= each.depth or level >= each.level:
                faults.append(source.fault)
        return min(faults, key=NodeState.by_condition, default=None)

    def _faults_needed(self, roots: list[NodeState]) -> list[NodeState]:
        faults = []
        for place, optional in self.task.needs:
            fault = roots[place].fault
            if fault is not None and not (optional and fault.by_condition()):
                faults.append(fault)
        return faults

    def by_condition(self) -> bool:
        """Whether its own condition has skipped it."""
        return self.raw is not None and self.raw[STATUS] is SKIPPED

    def why_skipped(self) -> TaskSkipped:
        """What those are told that depend on it in vain."""
        raw = self.raw
        assert raw is not None  # noqa: S101 -- it is the fault of others
        error = TaskSkipped(f"it depends on {self.name}, which {HOW[raw[STATUS]]}")
        error.__cause__ = raw[PAYLOAD]
        return error


def value_of(source: object) -> object:
    """What a state comes to; anything else is a value."""
    return source.value() if type(source) is NodeState else source
