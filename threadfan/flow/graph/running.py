"""One run of a graph.

Guarantees: a task starts in the thread that ended the last of what it waits for, at once if a slot is free; no thread
waits for anything.  Users' code runs in calls of the fan alone: functions, and also conditions, reductions and the
going through of results, which have the task's timeout and slots, but no retries and no rate.

The lock guards the tree of cells: it is decided under it who can go on, and that is done after it.  It is never held
together with the hub's.
"""

from __future__ import annotations

import threading
from functools import reduce
from itertools import count

from ...base.errors import TaskCancelled, TaskSkipped, brief, describe
from ...base.outcome import CANCELLED, FAILED, SKIPPED, STATUSES, SUCCEEDED, Outcome
from .. import intake
from ..relay import Relay, Step
from ..run import FAILED_FAST
from .cell import ALONG, Cell
from .node import UNSET
from .plan import ELEMENT, INPUT, VALUE
from .report import GraphReport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ...base.outcome import Raw, Status
    from ...executor.hub import Hub
    from ...executor.options import Options
    from ...executor.source import After
    from .cell import Then
    from .plan import Argument, Plan
    from .report import Tree

    Ready = list[Cell]


class GraphRun(Relay):
    """A run.

    Args:
        functions: of the tasks, as they are to be called.
        inputs: by name; all that the plan requires.
    """

    def __init__(
        self,
        hub: Hub,
        options: Options,
        name: str,
        plan: Plan,
        functions: Sequence[Callable[..., Any]],
        inputs: dict[str, Any],
    ) -> None:
        super().__init__(hub, options, name)
        self._functions, self._inputs = functions, inputs
        self._lock = threading.Lock()
        self._numbers = count(len(plan.tasks))
        self._plan = plan
        self._roots = [Cell(task, task.place, len(task.waits)) for task in plan.tasks]
        self._message: str | None = None  # why what has not started was cancelled
        self._trees: dict[str, Tree] | None = None
        self._placed: list[Raw] = []

    def begin(self) -> None:
        """Hand in what waits for nothing."""
        roots, inputs = self._roots, self._inputs
        for task in self._plan.fanned:
            cell = roots[task.place]
            cell.sources = [inputs[one.source] if one.place is None else roots[one.place] for one in task.each]
            cell.watch()
        self.expect(len(roots))
        self._go_on([cell for cell in roots if not cell.missing])
        self.close()

    def discard(self, reason: BaseException, after: After) -> None:
        """Remember why what has not started never will."""
        self._message = self._message or str(reason)
        super().discard(reason, after)

    # -- going on ----------------------------------------------------------------------------------------------------

    def follow(self, step: Step, raw: Raw) -> None:
        """What the step has ended may let others start."""
        cell: Cell = step.tag
        ready: Ready = []
        following = cell.then(self, cell, step, raw, ready)
        self._go_on(ready, following, step)

    def _go_on(self, ready: Ready, following: Step | None = None, ended: Step | None = None) -> None:
        if self.ended:
            return
        steps = [] if following is None else [following]
        begun = 0
        for cell in ready:  # it grows while cells end here
            if not cell.path and cell.children is None:
                begun += 1
            step = self._call(cell) if cell.task.plain and not self.failures else self._start(cell, ready)
            if step is not None:
                steps.append(step)
        if steps or begun:
            self.hand_in(steps, expected=begun, ended=ended)

    def _start(self, cell: Cell, ready: Ready) -> Step | None:
        """All that a cell waits for is there."""
        task = cell.task
        if cell.children is not None:
            return self._fold(cell)
        fault = cell.lacks(self._roots) if self.failures else None
        if fault is not None:
            self._skip(cell, fault.why_skipped(), ready, fault)
        elif task.node.when is not None and not cell.path:
            when, known = task.node.when.fn, self._known(cell, task.conditions)
            return self._aside(cell, GraphRun._decided, lambda: bool(when(**known)), describe(when))
        else:
            return self._enter(cell, ready)
        return None

    def _decided(self, cell: Cell, step: Step, raw: Raw, ready: Ready) -> Step | None:
        if raw[3] is not SUCCEEDED:
            self._end(cell, raw, ready, step)
        elif raw[4]:
            return self._enter(cell, ready)
        else:
            self._skip(cell, TaskSkipped("its condition did not hold"), ready, cell)
        return None

    def _enter(self, cell: Cell, ready: Ready) -> Step | None:
        """Make the call, or those of its elements."""
        if len(cell.path) == cell.task.level:
            return self._call(cell)
        rows = cell.rows()
        for row, each in zip(rows, cell.task.each, strict=True):
            if row is not ALONG and (isinstance(row, (str, bytes)) or not hasattr(type(row), "__iter__")):
                self._fail(
                    cell, f"its {each.parameter!r} goes through {each.source!r}, which is no list, but {{}}", row, ready
                )
                return None
        if intake.known(tuple(row for row in rows if row is not ALONG)):
            self._open(cell, rows, ready)
            return None
        return self._aside(
            cell, GraphRun._listed, lambda: [row if row is ALONG else list(row) for row in rows], f"list of {cell.name}"
        )

    def _listed(self, cell: Cell, step: Step, raw: Raw, ready: Ready) -> Step | None:
        if raw[3] is SUCCEEDED:
            self._open(cell, raw[4], ready)
        else:
            self._end(cell, raw, ready, step)
        return None

    def _open(self, cell: Cell, rows: list[Any], ready: Ready) -> None:
        """There is a call, or a deeper list of them, for each element."""
        widths = {each.source: len(row) for row, each in zip(rows, cell.task.each, strict=True) if row is not ALONG}
        if len(set(widths.values())) > 1:
            self._fail(cell, "what it goes through must be of one length, not {}", widths, ready)
            return
        columns = zip(*(list(row) for row in rows if row is not ALONG), strict=True)
        with self._lock:
            cell.children = []
            for number, column in enumerate(columns):
                values = iter(column)
                sources = [
                    source if row is ALONG else next(values) for source, row in zip(cell.sources, rows, strict=True)
                ]
                child = cell.child(next(self._numbers), sources, number)
                cell.children.append(child)
                child.watch()
                if not child.missing:
                    ready.append(child)
            cell.left = len(cell.children)
            if cell.opened:
                _tell(cell.opened, ready)
                cell.opened = None
            if not cell.children:
                self._complete(cell, ready)

    def _called(self, cell: Cell, step: Step, raw: Raw, ready: Ready) -> Step | None:
        if raw[3] is not SUCCEEDED or step.rules is not None or step.usage is not None:
            self._end(cell, raw, ready, step)
            return None
        with self._lock:
            cell.raw = raw
            if cell.task.each or cell.ended:
                self._complete(cell, ready)
            else:
                cell.over = True
                self._tell_followers(cell, ready)
        return None

    def _fold(self, cell: Cell) -> Step:
        """Reduce the results, from left to right."""
        fn, initial = cell.task.node.reduce, cell.task.node.initial
        values: list[Any] = cell.value()
        for _ in range(cell.task.level - 1):
            values = [value for inner in values for value in inner]
        if initial is not UNSET:
            values.insert(0, initial)
        elif not values:
            return self._aside(cell, GraphRun._folded, lambda: _nothing_to(cell.name), describe(fn))
        return self._aside(cell, GraphRun._folded, lambda: reduce(fn, values), describe(fn))  # type: ignore[arg-type]

    def _folded(self, cell: Cell, step: Step, raw: Raw, ready: Ready) -> Step | None:
        if raw[3] is SUCCEEDED:  # the outcomes are those of the calls
            with self._lock:
                cell.raw = raw
                self._complete(cell, ready)
        else:
            self._end(cell, raw, ready, step)
        return None

    # -- how cells end -----------------------------------------------------------------------------------------------

    def _end(self, cell: Cell, raw: Raw, ready: Ready, step: Step | None = None, fault: Cell | None = None) -> None:
        self.record(raw, step)
        with self._lock:
            cell.raw = raw
            if raw[3] is not SUCCEEDED:
                cell.fault = fault or cell
            self._complete(cell, ready)

    def _skip(self, cell: Cell, error: TaskSkipped, ready: Ready, fault: Cell) -> None:
        self._end(cell, self._uncalled(cell, SKIPPED, error), ready, fault=fault)

    def _fail(self, cell: Cell, text: str, wrong: object, ready: Ready) -> None:
        error = TypeError(f"{cell.name} cannot be called: {text.format(brief(wrong))}")
        self._end(cell, self._uncalled(cell, FAILED, error), ready)

    def _uncalled(self, cell: Cell, status: Status, error: BaseException) -> Raw:
        now = self.hub.clock.monotonic()
        return (cell.number, None, now, status, error, None, now, None)

    def _complete(self, cell: Cell, ready: Ready) -> None:
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
                _tell([*(here.opened or ()), *(here.ended or ())], ready)
            parent = here.parent
            if parent is None:
                self._tell_followers(here, ready)
                return
            parent.left -= 1
            here = None if parent.left else parent

    def _tell_followers(self, root: Cell, ready: Ready) -> None:
        roots = self._roots
        for place in root.task.followers:
            follower = roots[place]
            follower.missing -= 1
            if not follower.missing:
                ready.append(follower)

    # -- calls -------------------------------------------------------------------------------------------------------

    def _call(self, cell: Cell) -> Step:
        task = cell.task
        kwargs = self._known(cell, task.arguments)
        args = tuple([kwargs.pop(name, default) for name, default in task.positional]) if task.positional else ()
        item: Any = None
        if cell.sources:
            items = tuple(_value_of(source) for source in cell.sources)
            item = items[0] if len(items) == 1 else items
        cell.then = GraphRun._called
        fn = self._functions[task.place]
        return Step(self, task.node.options, cell.number, fn, args, kwargs, item=item, tag=cell)

    def _aside(self, cell: Cell, then: Then, chore: Callable[[], Any], name: str) -> Step:
        """A call of users' code that is not the task itself."""
        chore.__qualname__ = name  # by which errors and events call it
        cell.then = then
        return Step(self, cell.task.node.chores, cell.number, chore, tag=cell)

    def _known(self, cell: Cell, arguments: list[Argument]) -> dict[str, Any]:
        """What a function is to be called with."""
        known: dict[str, Any] = {}
        for parameter, kind, source, _ in arguments:
            if kind == VALUE:
                root = self._roots[source]
                if root.fault is None:  # else the default will do
                    known[parameter] = root.value() if root.raw is None else root.raw[4]
            elif kind == INPUT:
                if source in self._inputs:
                    known[parameter] = self._inputs[source]
            elif kind == ELEMENT:
                known[parameter] = _value_of(cell.sources[source])
            else:
                known[parameter] = self._outcome(self._roots[source])
        return known

    def _outcome(self, cell: Cell) -> Any:
        if cell.children is not None:
            return [self._outcome(child) for child in cell.children]
        raw, number = cell.raw, cell.number
        assert raw is not None  # noqa: S101 -- it is over
        place = cell.path[-1] if cell.path else number
        return Outcome((place, *raw[1:]), cell.name, self.usages.get(number), self.notes.get(number))

    # -- the report --------------------------------------------------------------------------------------------------

    def report(self, raws: list[Raw], **figures: Any) -> GraphReport:
        """What became of it, once it is done."""
        roots = [self._roots[task.place] for task in self._plan.fanned]
        folded = {cell.name: cell.value() for cell in roots if cell.children is not None and _has_value(cell)}
        return GraphReport(raws, trees=self._trees or {}, folded=folded, **figures)

    def in_order(self) -> list[Raw]:
        """The outcomes: tasks as they were added, and their elements in order."""
        if self._trees is None and not self._plan.fanned:
            self.names, self._trees = self._plan.names, self._plan.trees
            self._placed = [cell.raw or self._unstarted(cell) for cell in self._roots]
        elif self._trees is None:
            usages, notes = self.usages, self.notes
            self.names, self.usages, self.notes = {}, {}, {}
            self._trees = {cell.name: self._put(cell, usages, notes) for cell in self._roots}
        return self._placed

    def _put(self, cell: Cell, usages: dict[int, Any], notes: dict[int, Any]) -> Tree:
        if cell.children is None:
            place = self._put_one(cell, usages, notes)
            return [place] if cell.task.level > len(cell.path) else place
        tree: list[Tree] = [self._put(child, usages, notes) for child in cell.children]
        unfolded = cell.raw is None and cell.fault is None and cell.task.node.reduce is not None and not cell.path
        if unfolded or (cell.raw is not None and cell.raw[3] is not SUCCEEDED):
            tree.append(self._put_one(cell, usages, notes))
        return tree

    def _put_one(self, cell: Cell, usages: dict[int, Any], notes: dict[int, Any]) -> int:
        place, number = len(self._placed), cell.number
        raw = cell.raw or self._unstarted(cell)
        self._placed.append((place, *raw[1:]))
        self.names[place] = cell.name
        if number in usages:
            self.usages[place] = usages[number]
        if number in notes:
            self.notes[place] = notes[number]
        return place

    def _unstarted(self, cell: Cell) -> Raw:
        return self._uncalled(cell, CANCELLED, TaskCancelled(self._message or FAILED_FAST))

    def counts(self) -> dict[Status, int]:
        """How many outcomes there are of each status."""
        statuses = [raw[3] for raw in self.in_order()]
        return {status: statuses.count(status) for status in STATUSES}


def _has_value(cell: Cell) -> bool:
    return cell.raw is not None and cell.raw[3] is SUCCEEDED


def _tell(watchers: list[Cell], ready: Ready) -> None:
    """What they have waited for is there."""
    for watcher in watchers:
        watcher.missing -= 1
        if not watcher.missing:
            ready.append(watcher)


def _value_of(source: Any) -> Any:
    return source.value() if type(source) is Cell else source


def _nothing_to(name: str) -> Any:
    raise TypeError(f"{name} has no results to reduce: give what it begins with, such as initial=[]")
