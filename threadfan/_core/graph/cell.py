"""One task in one run, or one place of its fan-out."""

from __future__ import annotations

from ..base.errors import TaskSkipped
from ..base.outcome import CANCELLED, FAILED, SKIPPED, TIMED_OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from ..base.outcome import Raw
    from ..batches.task_group import Step
    from .plan import Task

    Then = Callable[[Any, "Cell", Step, Raw, list["Cell"]], Step | None]

HOW = {FAILED: "failed", TIMED_OUT: "timed out", CANCELLED: "was cancelled", SKIPPED: "was skipped by its condition"}

ALONG: Any = object()
"""Instead of something to go through: the same source for all that is deeper."""


class Cell:
    """A place in the tree of a task's calls: the root is the task, the leaves are calls.

    Guarded by the lock of its run; once it is over nothing of it changes.

    Attributes:
        path: its place in the fan-out; () for the root.
        number: by which the run keeps its outcome.
        sources: what each parameter of a fan-out goes through from here: a cell, or a value.
        missing: of how many cells it does not know yet what it has to know to go on.
        children: the cells of its elements, once they are known.
        left: how many of them are not over.
        raw: what became of its call; of a reduction, if it has children.
        fault: the cell because of which it has no value, if it has none.
        opened: cells of fan-outs that wait for its children, or its end.
        ended: those that wait for its end.
        then: what to do when the step that it has handed in ends.
    """

    parent: Cell | None = None
    path: tuple[int, ...] = ()
    sources: Sequence[Any] = ()
    left = 0
    children: list[Cell] | None = None
    raw: Raw | None = None
    fault: Cell | None = None
    over = False
    opened: list[Cell] | None = None
    ended: list[Cell] | None = None
    then: Then

    def __init__(self, task: Task, number: int, missing: int) -> None:
        self.task, self.number, self.missing = task, number, missing

    def child(self, number: int, sources: list[Any], place: int) -> Cell:
        """The cell of one of its elements."""
        child = Cell(self.task, number, 0)
        child.parent, child.path, child.sources = self, (*self.path, place), sources
        return child

    @property
    def name(self) -> str:
        """How outcomes and errors call it."""
        return self.task.node.name + "".join(f"[{place}]" for place in self.path)

    def value(self) -> Any:
        """Its value, once it is over; those of a fan-out in lists of the same shape."""
        if self.raw is not None:
            return self.raw[4]
        return [child.value() for child in self.children or ()]

    def forget(self) -> None:
        """The run is over and its report made: leave no cycles between cells."""
        here = [self]
        while here:
            cell = here.pop()
            here += cell.children or ()
            cell.parent = cell.fault = cell.children = cell.opened = cell.ended = None

    def watch(self) -> None:
        """Wait for what it goes through."""
        level = len(self.path)
        for source, each in zip(self.sources, self.task.each, strict=True):
            if type(source) is not Cell or source.over:
                continue
            if level >= each.depth or level >= each.level:
                source.ended = [*(source.ended or ()), self]
                self.missing += 1
            elif source.children is None:
                source.opened = [*(source.opened or ()), self]
                self.missing += 1

    def rows(self) -> list[Any]:
        """What each parameter goes through from here: cells, or what should be iterable; or it is to go ``ALONG``."""
        level = len(self.path)
        found: list[Any] = []
        for source, each in zip(self.sources, self.task.each, strict=True):
            if level >= each.depth:
                found.append(ALONG)
            elif type(source) is Cell:
                found.append(source.children if level < each.level else source.value())
            else:
                found.append(source)
        return found

    def lacks(self, roots: list[Cell]) -> Cell | None:
        """The cell because of which it cannot be called: one that failed before one that a condition has skipped."""
        faults = [] if self.path else self._faults_needed(roots)
        level = len(self.path)
        for source, each in zip(self.sources, self.task.each, strict=True):
            if type(source) is not Cell or source.fault is None:
                continue
            if source.raw is not None or level >= each.depth or level >= each.level:
                faults.append(source.fault)
        return min(faults, key=Cell.by_condition, default=None)

    def _faults_needed(self, roots: list[Cell]) -> list[Cell]:
        faults = []
        for place, optional in self.task.needs:
            fault = roots[place].fault
            if fault is not None and not (optional and fault.by_condition()):
                faults.append(fault)
        return faults

    def by_condition(self) -> bool:
        """Whether its own condition has skipped it."""
        return self.raw is not None and self.raw[3] is SKIPPED

    def why_skipped(self) -> TaskSkipped:
        """What those are told that depend on it in vain."""
        raw = self.raw
        assert raw is not None  # noqa: S101 -- it is the fault of others
        error = TaskSkipped(f"it depends on {self.name}, which {HOW[raw[3]]}")
        error.__cause__ = raw[4]
        return error


def value_of(source: Any) -> Any:
    """What a cell comes to; anything else is a value."""
    return source.value() if type(source) is Cell else source


def tell(watchers: Iterable[Cell], ready: list[Cell]) -> None:
    """What they have waited for is there; those that wait for nothing else are ``ready``."""
    for watcher in watchers:
        watcher.missing -= 1
        if not watcher.missing:
            ready.append(watcher)


def tell_followers(root: Cell, roots: list[Cell], ready: list[Cell]) -> None:
    """The same for the tasks that wait for a whole task; written out, since every task comes here."""
    for place in root.task.followers:
        follower = roots[place]
        follower.missing -= 1
        if not follower.missing:
            ready.append(follower)


def complete(cell: Cell, roots: list[Cell], ready: list[Cell]) -> None:
    """Tell who waits for a cell that has its end, or all of whose children have.  With the lock held."""
    here: Cell | None = cell
    while here is not None:
        if here.children is not None and here.raw is None:
            here.fault = next((child.fault for child in here.children if child.fault is not None), None)
            if here.fault is None and here.task.node.reduce is not None and not here.path:
                ready.append(here)
                return
        here.over = True
        if here.opened or here.ended:
            tell([*(here.opened or ()), *(here.ended or ())], ready)
        parent = here.parent
        if parent is None:
            tell_followers(here, roots, ready)
            return
        parent.left -= 1
        here = None if parent.left else parent
