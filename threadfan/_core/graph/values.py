"""The values of arguments in a run, when all that they come from is over."""

from __future__ import annotations

from ..base.outcome import ITEM, PAYLOAD, Outcome
from .arguments import ELEMENT, INPUT, VALUE
from .node_state import value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..batches.task_group import TaskGroup
    from .arguments import Argument
    from .node_state import NodeState
    from .tree import NodeTree


def known(group: TaskGroup, tree: NodeTree, state: NodeState, arguments: Sequence[Argument]) -> dict[str, object]:
    """What a function is called with, by parameter.

    Args:
        group: has noted attempts and tokens of the outcomes.
        state: of the call.
    """
    found: dict[str, object] = {}
    roots, inputs = tree.roots, tree.inputs
    for parameter, kind, source, _ in arguments:
        if kind == VALUE:
            root = roots[source]
            if root.fault is None:  # else the default will do
                found[parameter] = root.value() if root.raw is None else root.raw[PAYLOAD]
        elif kind == INPUT:
            if source in inputs:
                found[parameter] = inputs[source]
        elif kind == ELEMENT:
            found[parameter] = value_of(state.sources[source])
        else:
            found[parameter] = _outcome(group, roots[source])
    return found


def _outcome(group: TaskGroup, state: NodeState) -> object:
    if state.children is not None:
        return [_outcome(group, child) for child in state.children]
    raw, number, collector = state.raw, state.number, group.collector
    assert raw is not None  # noqa: S101 -- it is over
    place = state.path[-1] if state.path else number
    return Outcome((place, *raw[ITEM:]), state.name, collector.usages.get(number), collector.attempts.get(number))
