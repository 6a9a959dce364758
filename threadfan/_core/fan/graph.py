"""Functions that depend on each other's results."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from queue import SimpleQueue

from ..base import checks, unset
from ..base.static import describe
from ..base.texts import brief
from ..batches import metering
from ..batches.halting import stops
from ..graph.completion import completion
from ..graph.graph_run import GraphRun
from ..graph.node import UNSET, Node, name_of
from ..graph.plan import GraphPlan, check_order
from .arguments import stops_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from os import PathLike
    from typing import Any, Never, TypeVar, overload

    from ..base.clock import Gate
    from ..batches.halting import Stops
    from ..batches.journaled_functions import JournaledFunctions
    from ..batches.metering import Shown
    from ..batches.tasks import Take
    from ..calls.options import Functions, Options
    from ..graph.node import Fold, Function, Reference, References
    from ..graph.report import GraphReport
    from ..journal.values import Codec
    from ..policies.breaker import Breaker
    from ..policies.budget import Budget
    from ..policies.hedge import Hedge
    from ..policies.rate_limit import RateLimit
    from ..policies.retry import Retry
    from ..pool.scheduler import Scheduler

    F = TypeVar("F", bound=Callable[..., object])

_UNSET = unset.UNSET


class Graph:
    """Tasks that start the moment what they depend on has ended; made by ``fan.graph``.

    A parameter with the name of a task takes that task's value; any other parameter takes the input of its name, which
    is given to ``run``.  A graph may be run many times, also at the same time, and inside calls of its own fan.
    """

    def __init__(
        self, scheduler: Scheduler, options: Options, functions: Iterable[Function], name: str, *, owner: object
    ) -> None:
        if not isinstance(name, str):
            raise TypeError(
                f"the name of a graph must be a text, not {brief(name)}; tasks are functions: graph.add(fn)"
            )
        self.name = name
        self._scheduler, self._options = scheduler, options
        self._owner = owner  # kept alive
        self._nodes: dict[str, Node] = {}
        self._mentioned: set[str] = set()  # names that tasks may depend on
        self._by_function: dict[Function, dict[str, None]] = {}  # names of tasks, for functions that can be hashed
        self._plan: GraphPlan | None = None
        for fn in functions:
            self.add(fn)

    def add(
        self,
        fn: F,
        /,
        *,
        name: str | None = None,
        depends_on: References = (),
        each: Mapping[str, Reference] | Reference | None = None,
        depth: int | None = None,
        reduce: Fold | None = None,
        initial: object = UNSET,
        when: Function | None = None,
        outcomes: References = (),
        timeout: float | None = _UNSET,
        retry: Retry = _UNSET,
        rate: RateLimit | None = _UNSET,
        hedge: Hedge | None = _UNSET,
        breaker: Breaker | None = _UNSET,
        total_timeout: float | None = _UNSET,
        fallback: Functions | None = _UNSET,
        idle_timeout: float | None = _UNSET,
        max_concurrent: int | None = _UNSET,
        interrupt: bool = _UNSET,
        **misplaced: Never,
    ) -> F:
        """Add a task.  Tasks are named by text or by their functions; text may name one that is added later.

        Args:
            fn: is called with what its parameters name.  A default stands in for an input that is not given, and for
                the value of a task that a condition has skipped.
            name: the function's by default.
            depends_on: tasks that must have succeeded before, whose values go to the parameters of their names, if
                there are any; or a mapping of parameters to tasks.
            each: fans the task out: a mapping from a parameter to the task, or input, whose elements it takes, with one
                call for each element; several advance side by side, as with ``zip``.  The name of the task is enough if
                one parameter is left.  An element of a task that is itself fanned out is taken as soon as it is there.
            depth: how many lists deep ``each`` goes; by default one, or as deep as the task whose elements it takes is
                itself fanned out.
            reduce: folds the results, in order, into one value, as ``functools.reduce`` does.
            initial: what ``reduce`` begins with.
            when: a function, with parameters like a task's, that says whether the task is called; if not, it is
                skipped, and so is what depends on it.
            outcomes: tasks whose ``Outcome`` goes to the parameter of their name (lists of them for a fan-out),
                whatever became of them; or a mapping of parameters to tasks.
            timeout: and the rest: as for ``fan.with_options``; ``max_concurrent`` holds for all runs of the graph
                together.

        Returns:
            The function, unchanged.

        Raises:
            ValueError: the name is taken, a parameter does not exist, or tasks would wait for each other.
        """
        if misplaced:
            checks.refuse_misplaced("graph.add", misplaced)
        if not callable(fn):
            raise TypeError(f"a task must be a function, not {brief(fn)}")
        called = name_of(fn, name)
        if called in self._nodes:
            raise ValueError(f"there is a task named {called!r} already: graph.add(fn, name='…')")
        changes = checks.given(
            timeout=timeout, retry=retry, rate=rate, hedge=hedge, breaker=breaker, total_timeout=total_timeout,
            fallback=fallback, idle_timeout=idle_timeout, max_concurrent=max_concurrent, interrupt=interrupt,
        )  # fmt: skip
        node = Node(
            fn,
            called,
            self._options.changed(changes),
            depends_on=depends_on,
            each=each,
            depth=depth,
            reduce=reduce,
            initial=initial,
            when=when,
            outcomes=outcomes,
            find=self._find,
        )
        self._accept(node)
        return fn

    if TYPE_CHECKING:

        @overload
        def task(self, fn: F, /) -> F: ...
        @overload
        def task(self, /, **options: object) -> Callable[[F], F]: ...

    def task(self, fn: F | None = None, /, **options: Any) -> F | Callable[[F], F]:
        """``add`` as a decorator: ``@graph.task``, or ``@graph.task(timeout=5)`` with what ``add`` takes."""
        if fn is not None:
            return self.add(fn, **options)
        return lambda fn: self.add(fn, **options)

    def run(
        self,
        inputs: Mapping[str, object] | None = None,
        /,
        *,
        fail_fast: bool = False,
        deadline: float | None = None,
        progress: Shown = False,
        halt: str | None = None,
        max_errors: int | None = None,
        budget: Budget | None = None,
        journal: str | PathLike[str] | None = None,
        version: str | int | None = None,
        codec: Codec | None = None,
        **named: object,
    ) -> GraphReport:
        """Run all tasks, and report what became of each.

        Args:
            inputs: inputs by name, as a mapping, for names that are arguments of ``run`` or no identifiers.
            fail_fast: let the first failure cancel the rest, and raise it.
            deadline: seconds for all; what is unfinished then is cancelled, what is finished is kept.
            progress: as for ``fan.run``; it counts tasks, and the elements of those that are fanned out.
            halt, max_errors, budget: as for ``fan.run``; they count the same.
            journal: the path of a file that keeps each result, by the name of the task and its arguments: a call that
                has succeeded is not made again by a run with the same file.
            version: with a journal, as for ``fan.run``.
            codec: with a journal, as for ``fan.run``.
            named: inputs.

        Raises:
            BaseException: whatever ended it early, as for ``Fan.run``, with the report so far as its ``report``.
            TypeError: an input is missing or unknown.
        """
        gate: Gate = SimpleQueue()
        kept, halting = self._kept(journal, version, codec), stops(stops_of(halt, max_errors, budget))
        progress = metering.wanted(progress, self._options)
        run = self._new_run("graph.run", {**(inputs or {}), **named}, fail_fast, deadline, kept, halting)
        ending = completion(run, partial(gate.put, None), fail_fast=fail_fast, deadline=deadline, halt=halting)
        with kept or nullcontext():
            return metering.watched(run, progress, partial(ending.wait, gate))

    async def arun(
        self,
        inputs: Mapping[str, object] | None = None,
        /,
        *,
        fail_fast: bool = False,
        deadline: float | None = None,
        progress: Shown = False,
        halt: str | None = None,
        max_errors: int | None = None,
        budget: Budget | None = None,
        journal: str | PathLike[str] | None = None,
        version: str | int | None = None,
        codec: Codec | None = None,
        **named: object,
    ) -> GraphReport:
        """``run`` for coroutines; tasks may be coroutine functions.  Cancelling the awaiting task cancels the run."""
        from .aio.completion import wait_for
        from .aio.coroutines import taker
        from .aio.loops import LoopGate, running_loop

        loop = running_loop("graph.arun")
        gate = LoopGate(loop)
        kept, halting = self._kept(journal, version, codec), stops(stops_of(halt, max_errors, budget))
        progress = metering.wanted(progress, self._options)
        run = self._new_run("graph.arun", {**(inputs or {}), **named}, fail_fast, deadline, kept, halting, taker(loop))
        ending = completion(run, gate.put, fail_fast=fail_fast, deadline=deadline, halt=halting)
        with kept or nullcontext(), metering.shown(run, progress):
            return await wait_for(ending, gate)

    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart, to paste into Markdown."""
        from ..graph.drawing import mermaid

        return mermaid(self._checked())

    def draw(self, path: str) -> None:
        """Write the graph as a page for a browser.

        Raises:
            ImportError: plotly is not installed; it comes with the extra ``draw``.
        """
        from ..graph.picture import draw

        draw(self._checked(), self.name, path)

    def __repr__(self) -> str:
        return f"<Graph {self.name}: {', '.join(self._nodes) or 'no tasks'}>"

    # -- inside ------------------------------------------------------------------------------------------------------

    def _accept(self, node: Node) -> None:
        """Keep a task, unless it closes a circle; one that no other waits for cannot."""
        mentions = node.mentions()
        if node.name in mentions or (node.name in self._mentioned and self._lead_to(node.name, mentions)):
            nodes = {**self._nodes, node.name: node}
            check_order({name: sorted(one.mentions() & nodes.keys()) for name, one in nodes.items()})
        self._mentioned |= mentions
        if _is_hashable(node.fn):
            self._by_function.setdefault(node.fn, {})[node.name] = None
        self._nodes[node.name] = node  # last: only what is in here is a task

    def _lead_to(self, name: str, mentions: Iterable[str]) -> bool:
        """Whether these tasks, or those that they may depend on, may depend on ``name``."""
        here, seen = [*mentions], {*mentions}
        while here:
            node = self._nodes.get(here.pop())
            further = set() if node is None else node.mentions() - seen
            if name in further:
                return True
            here += further
            seen |= further
        return False

    def _find(self, reference: Reference) -> str:
        """The name of a task that was given by name or as its function."""
        if isinstance(reference, str):
            return reference
        if _is_hashable(reference):
            found = [name for name in self._by_function.get(reference, ()) if name in self._nodes]
        else:
            found = [name for name, node in self._nodes.items() if node.fn == reference]
        if not callable(reference) or not found:
            what = describe(reference) if callable(reference) else brief(reference)
            raise ValueError(f"{what} is no task of this graph; add it first, or give the name it will have")
        if len(found) > 1:
            raise ValueError(f"{describe(reference)} is the function of several tasks, {' and '.join(found)}: name one")
        return found[0]

    def _checked(self) -> GraphPlan:
        plan, nodes = self._plan, self._nodes
        if plan is None or len(plan.tasks) != len(nodes):  # tasks were added
            plan = self._plan = GraphPlan(tuple(nodes.copy().values()))
        return plan

    def _kept(
        self, journal: str | PathLike[str] | None, version: str | int | None, codec: Codec | None
    ) -> JournaledFunctions | None:
        from .arguments import asked_of

        asked = asked_of(journal, None, version, codec, False)
        if asked is None:
            return None
        from ..batches.journaled_functions import JournaledFunctions

        return JournaledFunctions(self.name, asked)

    def _new_run(
        self,
        where: str,
        inputs: Mapping[str, object],
        fail_fast: bool,
        deadline: float | None,
        kept: JournaledFunctions | None,
        halting: Stops | None,
        take: Take = checks.function,
    ) -> GraphRun:
        fail_fast, deadline = checks.flag("fail_fast", fail_fast), checks.seconds("deadline", deadline)
        plan = self._checked()
        plan.check_inputs(where, inputs)
        functions = [take(where, fn) if place in plan.unrun else fn for place, fn in enumerate(plan.functions)]
        if halting is not None:
            functions = [halting.around_steps(fn) for fn in functions]
        if kept is not None:
            names = (task.node.name for task in plan.tasks)
            named = zip(names, plan.functions, functions, strict=True)
            functions = [kept.around(name, fn, one) for name, fn, one in named]
        run = GraphRun(self._scheduler, self._options, self.name, plan, functions, inputs)
        run.collector.fail_fast = fail_fast
        if deadline is not None:
            run.until = run.since + deadline
        return run


def _is_hashable(fn: object) -> bool:
    try:
        hash(fn)
    except TypeError:
        return False
    return True
