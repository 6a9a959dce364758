"""What the tasks of a graph come to: who waits for whom, what each is called with, and whether that can be."""

from __future__ import annotations

from collections import Counter
from graphlib import CycleError, TopologicalSorter

from ..base.checks import is_coroutine_function, is_generator_function
from ..base.given import is_text
from ..base.texts import brief
from .arguments import ELEMENT, INPUT, OUTCOME, arguments_of, left_over
from .names import listed, near

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .arguments import Argument
    from .node import Node

    Tree = int | list["Tree"]
    """The place of an outcome in a report, or those of a fan-out in lists of its shape."""


class Each:
    """A parameter that goes through what a task returns, or through an input.

    Args:
        place: of the task; None for an input.
        depth: how many lists deep it goes.
        level: how many of those are the calls of the task, which need not all have ended.
    """

    __slots__ = ("depth", "level", "parameter", "place", "source")

    def __init__(self, parameter: str, source: str, place: int | None, depth: int, level: int) -> None:
        self.parameter, self.source, self.place = parameter, source, place
        self.depth, self.level = depth, level


class PlannedNode:
    """A node with its names resolved to places.

    What it has is in tuples where it can be: the collector leaves those of numbers and texts alone, and there may be
    very many nodes.

    Attributes:
        arguments: what its function is called with.
        conditions: the same for its condition.
        waits: places of the tasks that have to end first, but for those it goes through.
        followers: places of the tasks that so wait for it.
        needs: of those, the ones that must have a value, and whether being skipped by a condition will do.
        each: what it goes through.
        level: how many lists deep its results are; 0 for a single call.
        plain: whether it is one call, in any case.
        outer: the same as those see it that go through them: 0 if they are reduced.
    """

    __slots__ = (
        "arguments", "conditions", "each", "followers", "level", "needs", "node", "outer", "place", "plain",
        "positional", "waits",
    )  # fmt: skip

    def __init__(self, node: Node, place: int, places: dict[str, int]) -> None:
        self.node, self.place = node, place
        parameters = {parameter: source for parameter, source in node.each.items() if parameter is not None}
        arguments, needs = arguments_of(node, node.signature, places)
        if None in node.each:
            parameters[left_over(node, arguments)] = node.each[None]
        self.each = tuple(Each(name, source, places.get(source), 1, 0) for name, source in parameters.items())
        elements: list[Argument] = [(each.parameter, ELEMENT, number, False) for number, each in enumerate(self.each)]
        self.arguments = (*(one for one in arguments if one[0] not in parameters), *elements)
        required = [(one, optional) for one, optional, parameter in needs if parameter not in parameters]
        self.conditions: tuple[Argument, ...] = ()
        if node.when is not None:
            conditions, more = arguments_of(node, node.when, places, condition=True)
            self.conditions = tuple(conditions)
            required += [(one, optional) for one, optional, _ in more]
        self.needs = tuple(required)
        outcomes = [source for _, kind, source, _ in self.arguments if kind == OUTCOME]
        self.waits = tuple(dict.fromkeys([*(one for one, _ in required), *outcomes]))
        defaults = node.signature.parameters
        self.positional = tuple((name, defaults[name]) for name in node.signature.positional)
        self.plain = not self.each and node.when is None
        self.level = self.outer = 0
        self.followers: list[int] = []

    def sources(self) -> list[int]:
        """Places of the tasks that it depends on in any way."""
        return [*self.waits, *(each.place for each in self.each if each.place is not None)]

    def measure(self, tasks: Sequence[PlannedNode]) -> None:
        """Say how deep it goes, once those it depends on have."""
        for each in self.each:
            each.level = 0 if each.place is None else tasks[each.place].outer
            each.depth = self.node.depth or max(1, each.level)
        self.level = max((each.depth for each in self.each), default=0)
        self.outer = 0 if self.node.reduce is not None else self.level


class GraphPlan:
    """All tasks of a graph, checked; used by any number of runs.

    Attributes:
        order: the tasks, each after those it depends on.
        fanned: those that go through something.
        functions: of the tasks.
        unrun: places of those that a call does not run: coroutine functions, and generator functions unless one task
            goes through what they make.
        required: the names of inputs that have to be given, with the tasks that take them.
        optional: those that may.

    Raises:
        ValueError: a name is no task's, or tasks wait for each other.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        places = {node.name: place for place, node in enumerate(nodes)}
        self.tasks = [PlannedNode(node, place, places) for place, node in enumerate(nodes)]
        self.places = places
        for task in self.tasks:
            for one in task.waits:
                self.tasks[one].followers.append(task.place)
        self.fanned = [task for task in self.tasks if task.each]
        self.order = self._in_order()
        for task in self.order:
            if task.each:
                task.measure(self.tasks)
        self.functions = [node.fn for node in nodes]
        self.unrun = set(self._unrun())
        self.names = {place: node.name for place, node in enumerate(nodes)}  # the two, as reports know them
        self.trees: dict[str, Tree] = dict(places)
        self._note_inputs()

    def _in_order(self) -> list[PlannedNode]:
        """The tasks, each after those it depends on."""
        through: dict[int, list[int]] = {}
        missing = [len(task.waits) for task in self.tasks]
        for task in self.fanned:
            for each in task.each:
                if each.place is not None:
                    through.setdefault(each.place, []).append(task.place)
                    missing[task.place] += 1
        found = [task for task in self.tasks if not missing[task.place]]
        for task in found:  # it grows
            for place in (*task.followers, *through.get(task.place, ())):
                missing[place] -= 1
                if not missing[place]:
                    found.append(self.tasks[place])
        if len(found) < len(self.tasks):
            check_order({task.node.name: [self.tasks[one].node.name for one in task.sources()] for task in self.tasks})
        return found

    def _unrun(self) -> Iterator[int]:
        through = Counter(each.place for task in self.fanned for each in task.each)
        for place, fn in enumerate(self.functions):
            if is_coroutine_function(fn) or (is_generator_function(fn) and through[place] != 1):
                yield place

    def _note_inputs(self) -> None:
        self.required: dict[str, list[str]] = {}
        self.optional: set[str] = set()
        for task in self.tasks:
            for _, kind, source, optional in [*task.arguments, *task.conditions]:
                if kind == INPUT and optional:
                    self.optional.add(source)
                elif kind == INPUT:
                    self.required.setdefault(source, []).append(task.node.name)
            for each in task.each:
                if each.place is None:
                    self.required.setdefault(each.source, []).append(task.node.name)

    def check_inputs(self, where: str, given: Mapping[str, object]) -> None:
        """Refuse to begin with too few inputs, with unknown ones, or with one that nobody can go through."""
        for task in self.fanned:
            for each in task.each:
                value = given.get(each.source) if each.place is None else None
                if is_text(value):
                    raise TypeError(
                        f"{where}: {task.node.name} goes through {each.source!r}, which is one text, {brief(value)}, "
                        f"and must be a list: {each.source}=[{brief(value)}]"
                    )
        if given.keys() == self.required.keys():
            return
        wrong = []
        known = [*self.required, *self.optional]
        for name in given:
            if name in self.places:
                wrong.append(f"{name!r} is a task of the graph and no input")
            elif name not in known:
                wrong.append(f"{name!r} is no input of the graph{near(name, known)}{_if_option(where, name, given)}")
        for name, takers in self.required.items():
            if name not in given:
                hint = near(name, self.places, "; or is it the task {}?")
                hint += _if_taken(where, name)
                wrong.append(f"the input {name!r} is missing, which {' and '.join(takers)} takes{hint}")
        if wrong:
            raise TypeError(f"{where}: {'; '.join(wrong)}.  Its inputs are: {listed(sorted(known))}")


def _if_option(where: str, name: str, given: Mapping[str, object]) -> str:
    from ..base.misplaced import if_option

    return if_option("graph.run" if where == "graph.arun" else where, name, given[name])


def _if_taken(where: str, name: str) -> str:
    from ..base.misplaced import TAKEN

    if name not in TAKEN["graph.run"]:
        return ""
    return f", and {name}= is an option of {where}: give the input in a mapping, {where}({{{name!r}: …}})"


def check_order(sources: dict[str, list[str]]) -> None:
    """Check that tasks can be put in order, each after those it depends on.

    Raises:
        ValueError: they wait for each other; the message shows the way round.
    """
    try:
        TopologicalSorter(sources).prepare()
    except CycleError as error:
        path = error.args[1]
        who = f"{path[0]} waits for itself" if len(path) == 2 else "these tasks wait for each other"
        raise ValueError(f"{who}: {' → '.join(path)}; one of them has to do without what it takes") from None
