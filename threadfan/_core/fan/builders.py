"""What is put together first and then run: graphs and pipelines."""

from __future__ import annotations

from ..base import checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Never

    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from .graph import Graph
    from .signatures import Signatures
else:
    Signatures = object


class Builders(Signatures):
    """Graphs and pipelines of calls."""

    _scheduler: Scheduler
    _options: Options

    def graph(self, /, *functions: Callable[..., object], name: str = "graph", **misplaced: Never) -> Graph:
        """Functions that depend on each other's results: a parameter named like one takes what that one returns.

        Args:
            functions: the first tasks; ``graph.add`` and ``@graph.task`` add more, with options.
            name: by which events call it.
        """
        from .graph import Graph

        if misplaced:
            checks.refuse_misplaced("fan.graph", misplaced)
        return Graph(self._scheduler, self._options, functions, name, owner=self)

    if not TYPE_CHECKING:  # to type checkers ``Signatures`` says more

        def pipeline(self, *stages, **misplaced):
            """Stages that items go through, each at its own pace: ``fan.pipeline(research, analyse).run(companies)``.

            Each item enters its next stage the moment it is ready, whatever the others do.

            Args:
                stages: functions of one item, the first of the input, each other of what the one before has returned;
                    or ``stage(fn, max_concurrent=4, …)``, which takes options of its own.
            """
            from .pipeline import Pipeline

            if misplaced:
                checks.refuse_misplaced("fan.pipeline", misplaced)
            return Pipeline(self._scheduler, self._options, stages, owner=self)
