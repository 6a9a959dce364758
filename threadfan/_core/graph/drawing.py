"""A graph as a Mermaid flowchart."""

from __future__ import annotations

from ..base.static import describe
from ..base.texts import shortened
from .arguments import INPUT, OUTCOME, VALUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .plan import GraphPlan, PlannedNode

    # (place of a task or name of an input, place of a task, what goes from one to the other)
    Edge = tuple[int | str, int, str]

ARROWS = {"value": "-->", "each": "==>|each|", "outcome": "-.->|outcome|", "when": "-.->|when|", "order": "-.->"}
SHAPES = {"plain": ('["', '"]'), "each": ('[["', '"]]'), "when": ('{{"', '"}}')}
ENTITIES = {ord(character): f"#{ord(character)};" for character in '#"<>&|[]{}()`\\'}


def mermaid(plan: GraphPlan) -> str:
    """The flowchart: inputs are round, fanned-out tasks have double sides, those under a condition are hexagons."""
    inputs = {name: f"i{number}" for number, name in enumerate([*plan.required, *sorted(plan.optional)])}
    lines = ["flowchart TD"]
    lines += [f'    {mark}(["{escaped(name)}"])' for name, mark in inputs.items()]
    for task in plan.tasks:
        left, right = SHAPES[kind_of(task)]
        label = "<br/>".join(map(escaped, labels(task)))
        lines.append(f"    t{task.place}{left}{label}{right}")
    for source, target, kind in edges(plan):
        lines.append(f"    {inputs[source] if isinstance(source, str) else f't{source}'} {ARROWS[kind]} t{target}")
    return "\n".join(lines) + "\n"


def edges(plan: GraphPlan) -> Iterator[Edge]:
    """Who gives what to whom, each once."""
    for task in plan.tasks:
        yield from dict.fromkeys(_edges(task))


def _edges(task: PlannedNode) -> Iterator[Edge]:
    place = task.place
    for arguments, kind in ((task.arguments, "value"), (task.conditions, "when")):
        for _, origin, source, _ in arguments:
            if origin in (VALUE, INPUT):
                yield source, place, kind
            elif origin == OUTCOME:
                yield source, place, "outcome"
    for each in task.each:
        yield each.source if each.place is None else each.place, place, "each"
    passed = {source for _, origin, source, _ in (*task.arguments, *task.conditions) if origin == VALUE}
    for needed, _ in task.needs:
        if needed not in passed:
            yield needed, place, "order"


def kind_of(task: PlannedNode) -> str:
    """Whether it is fanned out, may be skipped by a condition, or neither."""
    return "each" if task.each else "when" if task.node.when is not None else "plain"


def labels(task: PlannedNode) -> list[str]:
    """Its name, and what else is to be known of it."""
    node = task.node
    found = [node.name]
    if node.when is not None:
        found.append(f"when {_called(node.when.fn)}")
    if node.reduce is not None:
        found.append(f"reduce {_called(node.reduce)}")
    return found


def _called(fn: object) -> str:
    name = describe(fn).rpartition(".")[2]
    return "…" if name == "<lambda>" else name


def escaped(text: str) -> str:
    """A text as Mermaid shows it, whatever is in it."""
    return shortened(text).translate(ENTITIES)
