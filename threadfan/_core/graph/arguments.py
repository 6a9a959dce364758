"""What a function of a graph is called with: where each argument comes from."""

from __future__ import annotations

from .names import listed, near
from .node import UNSET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .node import Node, Signature

    # (parameter, kind, place of a task or name of an input, whether it may be left out)
    Argument = tuple[str, int, Any, bool]
    # (place of a task, whether being skipped by a condition will do, the parameter that takes its value)
    Need = tuple[int, bool, str | None]

VALUE, INPUT, ELEMENT, OUTCOME = range(4)
"""Where an argument comes from: a task's value, an input, one element of a fan-out, a task's outcome."""


def arguments_of(
    node: Node, signature: Signature, places: dict[str, int], *, condition: bool = False
) -> tuple[list[Argument], list[Need]]:
    """What a function is called with, and which tasks have to have a value for it."""
    found: list[Argument] = []
    needs: list[Need] = []

    def take(parameter: str, source: str, optional: bool) -> None:
        found.append((parameter, VALUE, places[source], optional))
        needs.append((places[source], optional, parameter))

    renamed, outcomes = ({}, {}) if condition else (node.renamed, node.outcomes)
    names = dict.fromkeys([*signature.parameters, *renamed, *outcomes])
    for parameter in names:
        default = signature.parameters.get(parameter, UNSET)
        if parameter in outcomes:
            found.append((parameter, OUTCOME, _place(node, outcomes[parameter], places), False))
        elif parameter in renamed:
            _place(node, renamed[parameter], places)
            take(parameter, renamed[parameter], default is not UNSET)
        elif parameter in signature.fixed and parameter not in node.after:
            continue
        elif parameter in places:
            take(parameter, parameter, default is not UNSET)
        else:
            found.append((parameter, INPUT, parameter, default is not UNSET))
    for other in () if condition else node.after:
        _place(node, other, places)
        if other in names:
            continue
        if signature.open:
            take(other, other, False)
        else:  # order only
            needs.append((places[other], False, None))
    return found, needs


def _place(node: Node, name: str, places: dict[str, int]) -> int:
    if name not in places:
        raise ValueError(
            f"{node.name} depends on {name!r}, which is no task{near(name, places)}; the tasks are: {listed(places)}"
        )
    return places[name]


def left_over(node: Node, arguments: list[Argument]) -> str:
    """The parameter that takes the elements, when only their source was named."""
    source = node.each[None]
    open_ones = [(parameter, optional) for parameter, kind, _, optional in arguments if kind == INPUT]
    left = [parameter for parameter, optional in open_ones if not optional]
    if source in node.signature.parameters:
        left.append(source)
    left = left or [parameter for parameter, _ in open_ones]
    if len(left) != 1:
        raise ValueError(
            f"{node.name}: each={source!r} does not say which parameter takes the elements, and those that may are "
            f"{listed(left)}: each={{'…': {source!r}}}"
        )
    return left[0]
