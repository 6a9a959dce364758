"""One run of a graph.

Guarantees: a task starts in the thread that ended the last of what it waits for, at once if a slot is free; no thread
waits for anything.
"""

from __future__ import annotations

from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, STATUS, STATUSES, SUCCEEDED
from ..batches.completion import FAILED_FAST
from ..batches.task_group import TaskGroup
from .counting import counted
from .own_queues import OwnQueues
from .report import GraphReport
from .report_parts import ReportParts
from .tree import NodeTree
from .turn import Turn, uncalled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from ..base.attempt import Status
    from ..base.outcome import Raw
    from ..batches.figures import Parts
    from ..batches.task_group import Step
    from ..calls.call_queue import CallQueue
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .node import Function
    from .node_state import NodeState
    from .plan import GraphPlan, Tree


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
        plan: GraphPlan,
        functions: Sequence[Function],
        inputs: Mapping[str, object],
    ) -> None:
        super().__init__(scheduler, options, name)
        self._plan = plan
        self._tree = NodeTree(plan, functions, inputs)
        self._queues_own = OwnQueues(scheduler, self.depth, options.priority)
        self.listeners.append(self._queues_own.close)
        self._message: str | None = None  # why what has not started was cancelled
        self._trees: dict[str, Tree] | None = None
        self._placed: list[Raw] = []
        self._number: int | None = None  # of outcomes, once they are placed

    def begin(self) -> None:
        """Hand in what waits for nothing."""
        ready = self._tree.begin()
        self.expect(len(self._tree.roots))
        Turn(self, self._tree, ready).go_on()
        self.close()

    def follow(self, step: Step, raw: Raw) -> None:
        """What the step has ended may let others start."""
        Turn(self, self._tree, []).follow(step, raw)

    def queue_for(self, step: Step) -> CallQueue:
        """One of its own: it takes turns with others, however many calls wait in it.

        With the scheduler's lock held.
        """
        return self._queues_own.get_locked(step.cap, step.policies)

    def discard(self, reason: BaseException, after: Actions) -> None:
        """Remember why what has not started never will."""
        self._message = self._message or str(reason)
        self._queues_own.take_out_locked()
        super().discard(reason, after)

    # -- the report --------------------------------------------------------------------------------------------------

    def report(self, raws: list[Raw], **figures: Unpack[Parts]) -> GraphReport:
        """What became of it, once it is done."""
        roots = [self._tree.roots[task.place] for task in self._plan.fanned]
        folded = {state.name: state.value() for state in roots if state.children is not None and _has_value(state)}
        return GraphReport(raws, trees=self._trees or {}, folded=folded, **figures)

    def forget(self) -> None:
        """As every group; the states of its nodes know each other."""
        super().forget()
        self._tree.forget()
        self._placed = []

    def in_order(self) -> list[Raw]:
        """The outcomes: tasks as they were added, and their elements in order."""
        roots = self._tree.roots
        if self._trees is None and not self._plan.fanned:
            self.collector.names, self._trees = self._plan.names, self._plan.trees
            self._placed = [state.raw or self._unstarted(state) for state in roots]
        elif self._trees is None:
            collector = self.collector
            parts = ReportParts(collector.usages, collector.attempts, self._unstarted)
            self._trees = {state.name: parts.add(state) for state in roots}
            self._placed = parts.raws
            collector.names, collector.usages, collector.attempts = parts.names, parts.usages, parts.attempts
        if self._number is None:
            self._number = len(self._placed)
        return self._placed

    def _unstarted(self, state: NodeState) -> Raw:
        return uncalled(self, state, CANCELLED, TaskCancelled(self._message or FAILED_FAST))

    def outcomes(self) -> int:
        """How many calls have ended; goes through all of them."""
        return counted(self._tree.roots)[0] if self._number is None else self._number

    def total(self) -> int | None:
        """How many calls there are; None while it is open how many elements some task has."""
        return counted(self._tree.roots)[1] if self._number is None else self._number

    def counts(self) -> dict[Status, int]:
        """How many outcomes there are of each status."""
        statuses = [raw[STATUS] for raw in self.in_order()]
        return {status: statuses.count(status) for status in STATUSES}


def _has_value(state: NodeState) -> bool:
    return state.raw is not None and state.raw[STATUS] is SUCCEEDED
