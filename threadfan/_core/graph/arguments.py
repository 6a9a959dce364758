"""What a function of a graph is called with: where each argument comes from, and its value in a run."""

from __future__ import annotations

from difflib import get_close_matches

from ..base.outcome import Outcome
from .cell import value_of
from .node import UNSET, listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .cell import Cell
    from .node import Node, Signature
    from .running import GraphRun

    # (parameter, kind, place of a task or name of an input, whether it may be left out)
    Argument = tuple[str, int, Any, bool]

VALUE, INPUT, ELEMENT, OUTCOME = range(4)
"""Where an argument comes from: a task's value, an input, one element of a fan-out, a task's outcome."""


def near(name: str, names: Iterable[str], text: str = "; did you mean {}?") -> str:
    """The name that was probably meant, as the end of a sentence."""
    found = get_close_matches(name, list(names), n=1)
    return text.format(repr(found[0])) if found else ""


def arguments_of(
    node: Node, signature: Signature, places: dict[str, int], *, condition: bool = False
) -> tuple[list[Argument], list[Any]]:
    """What a function is called with, and which tasks have to have a value for it: (place, optional, parameter)."""
    found: list[Argument] = []
    needs: list[Any] = []

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


def known(run: GraphRun, cell: Cell, arguments: list[Argument]) -> dict[str, Any]:
    """The values of arguments, when all that they come from is over."""
    found: dict[str, Any] = {}
    for parameter, kind, source, _ in arguments:
        if kind == VALUE:
            root = run.roots[source]
            if root.fault is None:  # else the default will do
                found[parameter] = root.value() if root.raw is None else root.raw[4]
        elif kind == INPUT:
            if source in run.inputs:
                found[parameter] = run.inputs[source]
        elif kind == ELEMENT:
            found[parameter] = value_of(cell.sources[source])
        else:
            found[parameter] = _outcome(run, run.roots[source])
    return found


def _outcome(run: GraphRun, cell: Cell) -> Any:
    if cell.children is not None:
        return [_outcome(run, child) for child in cell.children]
    raw, number = cell.raw, cell.number
    assert raw is not None  # noqa: S101 -- it is over
    place = cell.path[-1] if cell.path else number
    return Outcome((place, *raw[1:]), cell.name, run.collector.usages.get(number), run.collector.attempts.get(number))
