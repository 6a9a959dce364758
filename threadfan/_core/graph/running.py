"""One run of a graph.

Guarantees: a task starts in the thread that ended the last of what it waits for, at once if a slot is free; no thread
waits for anything.  Users' code runs in calls of the fan alone: functions, and also conditions, reductions and the
going through of results, which have the task's timeout and slots, but no retries and no rate.

The lock guards the tree of cells: it is decided under it who can go on, and that is done after it.  It is never held
together with the scheduler's.
"""

from __future__ import annotations

from functools import reduce
from itertools import count

from ..base import forks
from ..base.errors import TaskCancelled, TaskSkipped, brief, describe
from ..base.locks import Lock
from ..base.outcome import CANCELLED, FAILED, SKIPPED, STATUSES, SUCCEEDED
from ..batches import intake
from ..batches.run import FAILED_FAST
from ..batches.task_group import Step, TaskGroup
from ..calls.call_queue import CallQueue
from .arguments import known
from .cell import ALONG, Cell, complete, tell, tell_followers, value_of
from .node import UNSET
from .placing import Places
from .report import GraphReport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..base.outcome import Raw, Status
    from ..calls.options import Options
    from ..calls.policies import Policies
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, ConcurrencyLimit
    from .cell import Then
    from .plan import Plan
    from .report import Tree

    Ready = list[Cell]


class GraphRun(TaskGroup):
    """A run.

    Args:
        functions: of the tasks, as they are to be called.
        inputs: by name; all that the plan requires.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        options: Options,
        name: str,
        plan: Plan,
        functions: Sequence[Callable[..., Any]],
        inputs: dict[str, Any],
    ) -> None:
        super().__init__(scheduler, options, name)
        self._functions, self.inputs = functions, inputs
        self._forked()
        self._numbers = count(len(plan.tasks))
        self._plan = plan
        self.roots = [Cell(task, task.place, len(task.waits)) for task in plan.tasks]
        self._queues_own: dict[tuple[ConcurrencyLimit, Policies | None], CallQueue] = {}
        self.listeners.append(self._close_queues)
        self._message: str | None = None  # why what has not started was cancelled
        self._trees: dict[str, Tree] | None = None
        self._placed: list[Raw] = []
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork too, nobody has the lock."""
        self._lock = Lock()

    def begin(self) -> None:
        """Hand in what waits for nothing."""
        roots, inputs = self.roots, self.inputs
        for task in self._plan.fanned:
            cell = roots[task.place]
            cell.sources = [inputs[one.source] if one.place is None else roots[one.place] for one in task.each]
            cell.watch()
        self.expect(len(roots))
        self._go_on([cell for cell in roots if not cell.missing])
        self.close()

    def discard(self, reason: BaseException, after: Actions) -> None:
        """Remember why what has not started never will."""
        self._message = self._message or str(reason)
        super().discard(reason, after)

    def queue_for(self, step: Step) -> CallQueue:
        """One of its own: it takes turns with others, however many calls wait in it.

        With the scheduler's lock held.
        """
        key = step.group, step.policies
        queue = self._queues_own.get(key)
        if queue is None:
            queue = self._queues_own[key] = new_queue(self.scheduler, step.group, self.depth, step.policies)
            self.scheduler.queues.add(queue)
        return queue

    def _close_queues(self) -> None:
        after: Actions = []
        scheduler = self.scheduler
        with scheduler.lock:
            for queue in self._queues_own.values():
                queue.closed = True
                if queue in scheduler.queues:  # not in the child of a fork
                    scheduler.check_done(queue, after)
        if after:
            scheduler.perform(after)

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
            step = self._call(cell) if cell.task.plain and not self.collector.failures else self._start(cell, ready)
            if step is not None:
                steps.append(step)
        if steps or begun:
            self.hand_in(steps, expected=begun, ended=ended)

    def _start(self, cell: Cell, ready: Ready) -> Step | None:
        """All that a cell waits for is there."""
        task = cell.task
        if cell.children is not None:
            return self._fold(cell)
        fault = cell.lacks(self.roots) if self.collector.failures else None
        if fault is not None:
            self._skip(cell, fault.why_skipped(), ready, fault)
        elif task.node.when is not None and not cell.path:
            when, given = task.node.when.fn, known(self, cell, task.conditions)
            return self._aside(cell, GraphRun._decided, lambda: bool(when(**given)), describe(when))
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
                    cell,
                    f"its {each.parameter!r} goes through {each.source!r}, which is no list, but {brief(row)}",
                    ready,
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
            self._fail(cell, f"what it goes through must be of one length, not {widths}", ready)
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
                tell(cell.opened, ready)
                cell.opened = None
            if not cell.children:
                complete(cell, self.roots, ready)

    def _called(self, cell: Cell, step: Step, raw: Raw, ready: Ready) -> Step | None:
        if raw[3] is not SUCCEEDED or step.policies is not None or step.usage is not None:
            self._end(cell, raw, ready, step)
            return None
        with self._lock:
            cell.raw = raw
            if cell.task.each or cell.ended:
                complete(cell, self.roots, ready)
            else:
                cell.over = True
                tell_followers(cell, self.roots, ready)
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
                complete(cell, self.roots, ready)
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
            complete(cell, self.roots, ready)

    def _skip(self, cell: Cell, error: TaskSkipped, ready: Ready, fault: Cell) -> None:
        self._end(cell, self._uncalled(cell, SKIPPED, error), ready, fault=fault)

    def _fail(self, cell: Cell, text: str, ready: Ready) -> None:
        error = TypeError(f"{cell.name} cannot be called: {text}")
        self._end(cell, self._uncalled(cell, FAILED, error), ready)

    def _uncalled(self, cell: Cell, status: Status, error: BaseException) -> Raw:
        now = self.scheduler.clock.monotonic()
        return (cell.number, None, now, status, error, None, now, None)

    # -- calls -------------------------------------------------------------------------------------------------------

    def _call(self, cell: Cell) -> Step:
        task = cell.task
        kwargs = known(self, cell, task.arguments)
        args = tuple([kwargs.pop(name, default) for name, default in task.positional]) if task.positional else ()
        item: Any = None
        if cell.sources:
            items = tuple(value_of(source) for source in cell.sources)
            item = items[0] if len(items) == 1 else items
        cell.then = GraphRun._called
        fn = self._functions[task.place]
        return Step(self, task.node.options, cell.number, fn, args, kwargs, item=item, tag=cell)

    def _aside(self, cell: Cell, then: Then, chore: Callable[[], Any], name: str) -> Step:
        """A call of users' code that is not the task itself."""
        chore.__qualname__ = name  # by which errors and events call it
        cell.then = then
        return Step(self, cell.task.node.chores, cell.number, chore, tag=cell)

    # -- the report --------------------------------------------------------------------------------------------------

    def report(self, raws: list[Raw], **figures: Any) -> GraphReport:
        """What became of it, once it is done."""
        roots = [self.roots[task.place] for task in self._plan.fanned]
        folded = {cell.name: cell.value() for cell in roots if cell.children is not None and _has_value(cell)}
        return GraphReport(raws, trees=self._trees or {}, folded=folded, **figures)

    def forget(self) -> None:
        """As every relay; its cells know each other."""
        super().forget()
        for cell in self.roots:
            cell.forget()
        self.roots, self._placed = [], []

    def in_order(self) -> list[Raw]:
        """The outcomes: tasks as they were added, and their elements in order."""
        if self._trees is None and not self._plan.fanned:
            self.collector.names, self._trees = self._plan.names, self._plan.trees
            self._placed = [cell.raw or self._unstarted(cell) for cell in self.roots]
        elif self._trees is None:
            collector = self.collector
            places = Places(collector.usages, collector.attempts, self._unstarted)
            self._trees = {cell.name: places.add(cell) for cell in self.roots}
            self._placed = places.raws
            collector.names, collector.usages, collector.attempts = places.names, places.usages, places.notes
        return self._placed

    def _unstarted(self, cell: Cell) -> Raw:
        return self._uncalled(cell, CANCELLED, TaskCancelled(self._message or FAILED_FAST))

    def counts(self) -> dict[Status, int]:
        """How many outcomes there are of each status."""
        statuses = [raw[3] for raw in self.in_order()]
        return {status: statuses.count(status) for status in STATUSES}


def new_queue(scheduler: Scheduler, group: ConcurrencyLimit, depth: int, policies: Policies | None) -> CallQueue:
    """A queue that others do not put calls into.  With the scheduler's lock held."""
    queue: CallQueue
    if policies is None:
        queue = CallQueue(scheduler, group, depth)
    else:
        from ..calls.policy_queues import PolicyCallQueue

        queue = PolicyCallQueue(scheduler, group, depth, policies.waitlists)
    return queue


def _has_value(cell: Cell) -> bool:
    return cell.raw is not None and cell.raw[3] is SUCCEEDED


def _nothing_to(name: str) -> Any:
    raise TypeError(f"{name} has no results to reduce: give what it begins with, such as initial=[]")
