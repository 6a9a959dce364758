"""One turn of a run: nodes have what they waited for, and what can start is handed in.

Users' code runs in calls of the fan alone: functions, and also conditions, reductions and the going through of results,
which have the task's timeout and slots, but no retries and no rate.
"""

from __future__ import annotations

from functools import reduce

from ..base.errors import TaskSkipped
from ..base.outcome import FAILED, PAYLOAD, SKIPPED, STATUS, SUCCEEDED
from ..base.static import describe
from ..base.texts import brief
from ..batches import intake
from ..batches.task_group import Step
from .node import UNSET
from .node_state import ALONG, value_of
from .values import known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..base.attempt import Status
    from ..base.outcome import Raw
    from ..batches.task_group import TaskGroup
    from .node_state import NodeState, Rows, Then
    from .tree import NodeTree, Ready


AT_ONCE = 200
"""How many calls are handed in together, under the fan's lock.  Arbitrary: what takes a fraction of a millisecond."""


class Turn:
    """What follows from one end, or from the beginning.

    It is decided under the lock of the tree who can go on, and that is done after it.

    Args:
        group: takes the steps, and keeps the outcomes.
        ready: the states that can go on.
    """

    __slots__ = ("_group", "_ready", "_tree")

    def __init__(self, group: TaskGroup, tree: NodeTree, ready: Ready) -> None:
        self._group, self._tree, self._ready = group, tree, ready

    def follow(self, step: Step, raw: Raw) -> None:
        """What the step has ended may let others start."""
        state: NodeState = step.tag
        following = state.then(self, state, step, raw)
        if self._ready or following is not None:
            self.go_on(following, step)

    def go_on(self, following: Step | None = None, ended: Step | None = None) -> None:
        """Hand in the calls of all that are ready.

        Args:
            following: a call besides.
            ended: the step that they follow, if any.
        """
        group, ready = self._group, self._ready
        if group.ended:
            return
        steps = [] if following is None else [following]
        begun = 0
        for state in ready:  # it grows while states end here
            if not state.path and state.children is None:
                begun += 1
            step = self._call(state) if state.task.plain and not group.collector.failures else self._start(state)
            if step is not None:
                steps.append(step)
            if len(steps) == AT_ONCE:
                group.hand_in(steps, expected=begun)
                steps, begun = [], 0
        if steps or begun:
            group.hand_in(steps, expected=begun, ended=ended)

    def _start(self, state: NodeState) -> Step | None:
        """All that a state waits for is there."""
        task = state.task
        if state.children is not None:
            return self._fold(state)
        fault = state.lacks(self._tree.roots) if self._group.collector.failures else None
        if fault is not None:
            self._skip(state, fault.why_skipped(), fault)
        elif task.node.when is not None and not state.path:
            when, given = task.node.when.fn, known(self._group, self._tree, state, task.conditions)
            return self._aside(state, Turn._decided, lambda: bool(when(**given)), describe(when))
        else:
            return self._enter(state)
        return None

    def _decided(self, state: NodeState, step: Step, raw: Raw) -> Step | None:
        if raw[STATUS] is not SUCCEEDED:
            self._end(state, raw, step)
        elif raw[PAYLOAD]:
            return self._enter(state)
        else:
            self._skip(state, TaskSkipped("its condition did not hold"), state)
        return None

    # -- the calls of a fan-out --------------------------------------------------------------------------------------

    def _enter(self, state: NodeState) -> Step | None:
        """Make the call, or those of its elements."""
        if len(state.path) == state.task.level:
            return self._call(state)
        rows = state.rows()
        for row, each in zip(rows, state.task.each, strict=True):
            if row is not ALONG and (isinstance(row, (str, bytes)) or not hasattr(type(row), "__iter__")):
                self._fail(
                    state, f"its {each.parameter!r} goes through {each.source!r}, which is no list, but {brief(row)}"
                )
                return None
        if intake.known(tuple(row for row in rows if row is not ALONG)):
            self._open(state, rows)
            return None
        return self._aside(
            state, Turn._listed, lambda: [row if row is ALONG else list(row) for row in rows], f"list of {state.name}"
        )

    def _listed(self, state: NodeState, step: Step, raw: Raw) -> Step | None:
        if raw[STATUS] is SUCCEEDED:
            self._open(state, raw[PAYLOAD])
        else:
            self._end(state, raw, step)
        return None

    def _open(self, state: NodeState, rows: Rows) -> None:
        """There is a call, or a deeper list of them, for each element."""
        widths = {each.source: len(row) for row, each in zip(rows, state.task.each, strict=True) if row is not ALONG}
        if len(set(widths.values())) > 1:
            self._fail(state, f"what it goes through must be of one length, not {widths}")
            return
        columns = zip(*(list(row) for row in rows if row is not ALONG), strict=True)
        self._tree.open(state, rows, columns, self._ready)

    # -- reducing ----------------------------------------------------------------------------------------------------

    def _fold(self, state: NodeState) -> Step:
        """Reduce the results, from left to right."""
        fn, initial = state.task.node.reduce, state.task.node.initial
        values: Any = state.value()
        for _ in range(state.task.level - 1):
            values = [value for inner in values for value in inner]
        if initial is not UNSET:
            values.insert(0, initial)
        elif not values:
            return self._aside(state, Turn._folded, lambda: _nothing_to(state.name), describe(fn))
        return self._aside(state, Turn._folded, lambda: reduce(fn, values), describe(fn))  # type: ignore[arg-type]

    def _folded(self, state: NodeState, step: Step, raw: Raw) -> Step | None:
        if raw[STATUS] is SUCCEEDED:  # the outcomes are those of the calls
            with self._tree.lock:
                state.raw = raw
                self._tree.complete_locked(state, self._ready)
        else:
            self._end(state, raw, step)
        return None

    # -- calls -------------------------------------------------------------------------------------------------------

    def _call(self, state: NodeState) -> Step:
        task, tree = state.task, self._tree
        kwargs = known(self._group, tree, state, task.arguments) if task.arguments else {}
        args = tuple([kwargs.pop(name, default) for name, default in task.positional]) if task.positional else ()
        item: object = None
        if state.sources:
            items = tuple(value_of(source) for source in state.sources)
            item = items[0] if len(items) == 1 else items
        state.then = Turn._called
        fn = tree.functions[task.place]
        return Step(self._group, task.node.options, state.number, fn, args, kwargs, item=item, tag=state)

    def _aside(self, state: NodeState, then: Then, chore: Callable[[], object], name: str) -> Step:
        """A call of users' code that is not the task itself."""
        chore.__qualname__ = name  # by which errors and events call it
        state.then = then
        return Step(self._group, state.task.node.chores, state.number, chore, tag=state)

    def _called(self, state: NodeState, step: Step, raw: Raw) -> Step | None:
        if raw[STATUS] is not SUCCEEDED or step.policies is not None or step.usage is not None:
            self._end(state, raw, step)
            return None
        tree = self._tree
        with tree.lock:
            state.raw = raw
            if state.task.each or state.ended:
                tree.complete_locked(state, self._ready)
            else:
                state.over = True
                tree.tell_followers_locked(state, self._ready)
        if self._group.told is not None:
            self._group.values.append(None)
            self._group.told()
        return None

    # -- how states end ----------------------------------------------------------------------------------------------

    def _end(self, state: NodeState, raw: Raw, step: Step | None = None, fault: NodeState | None = None) -> None:
        self._group.record(raw, step)
        with self._tree.lock:
            state.raw = raw
            if raw[STATUS] is not SUCCEEDED:
                state.fault = fault or state
            self._tree.complete_locked(state, self._ready)

    def _skip(self, state: NodeState, error: TaskSkipped, fault: NodeState) -> None:
        self._end(state, uncalled(self._group, state, SKIPPED, error), fault=fault)

    def _fail(self, state: NodeState, text: str) -> None:
        error = TypeError(f"{state.name} cannot be called: {text}")
        self._end(state, uncalled(self._group, state, FAILED, error))


def uncalled(group: TaskGroup, state: NodeState, status: Status, error: BaseException) -> Raw:
    """The outcome of a state whose function was not called."""
    now = group.scheduler.clock.monotonic()
    return (state.number, None, now, status, error, None, now, None)


def _nothing_to(name: str) -> object:
    raise TypeError(f"{name} has no results to reduce: give what it begins with, such as initial=[]")
