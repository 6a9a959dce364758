"""The states of all nodes of one run, and who is told when one of them is over."""

from __future__ import annotations

from itertools import count

from ..base import forks
from ..base.locks import Briefly, Lock
from .node_state import ALONG, NodeState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .node import Function
    from .node_state import Rows
    from .plan import GraphPlan

    Ready = list[NodeState]
    """States that wait for nothing more; it grows while others end."""


class NodeTree:
    """The tree of one run: the roots are its tasks.

    ``lock`` guards the states and who waits for whom.  It is never held together with the scheduler's.

    Args:
        functions: of the tasks, as they are to be called.
        inputs: by name; all that the plan requires.
    """

    def __init__(self, plan: GraphPlan, functions: Sequence[Function], inputs: Mapping[str, object]) -> None:
        self.plan, self.functions, self.inputs = plan, functions, inputs
        self._forked()
        self._numbers = count(len(plan.tasks))
        self.roots = [NodeState(task, task.place, len(task.waits)) for task in plan.tasks]
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork too, nobody has the lock."""
        self.lock = Briefly(Lock())

    def begin(self) -> Ready:
        """Those that wait for nothing."""
        roots, inputs = self.roots, self.inputs
        for task in self.plan.fanned:
            state = roots[task.place]
            state.sources = [inputs[one.source] if one.place is None else roots[one.place] for one in task.each]
            state.watch()
        return [state for state in roots if not state.missing]

    def open(self, state: NodeState, rows: Rows, columns: Iterable[tuple[object, ...]], ready: Ready) -> None:
        """Give a fan-out a state for each of its elements.

        Args:
            rows: what each parameter goes through.
            columns: the elements, those of one call after another.
        """
        with self.lock:
            state.children = []
            for number, column in enumerate(columns):
                values = iter(column)
                sources = [
                    source if row is ALONG else next(values) for source, row in zip(state.sources, rows, strict=True)
                ]
                child = state.child(next(self._numbers), sources, number)
                state.children.append(child)
                child.watch()
                if not child.missing:
                    ready.append(child)
            state.left = len(state.children)
            if state.opened:
                _tell(state.opened, ready)
                state.opened = None
            if not state.children:
                self.complete_locked(state, ready)

    def complete_locked(self, state: NodeState, ready: Ready) -> None:
        """Tell who waits for a state that has its end, or all of whose children have."""
        here: NodeState | None = state
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
                self.tell_followers_locked(here, ready)
                return
            parent.left -= 1
            here = None if parent.left else parent

    def tell_followers_locked(self, root: NodeState, ready: Ready) -> None:
        """Tell the tasks that wait for a whole task; written out, since every task comes here."""
        roots = self.roots
        for place in root.task.followers:
            follower = roots[place]
            follower.missing -= 1
            if not follower.missing:
                ready.append(follower)

    def forget(self) -> None:
        """The report is made: the states know each other."""
        for state in self.roots:
            state.forget()
        self.roots = []


def _tell(watchers: Iterable[NodeState], ready: Ready) -> None:
    """What they have waited for is there; those that wait for nothing else are ``ready``."""
    for watcher in watchers:
        watcher.missing -= 1
        if not watcher.missing:
            ready.append(watcher)
