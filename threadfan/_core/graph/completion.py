"""How a run of a graph ends."""

from __future__ import annotations

from ..batches.stopping import GroupCompletion
from .counting import NodeTally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..batches.halting import Stops
    from .graph_run import GraphRun
    from .report import GraphReport


def completion(
    run: GraphRun, wake: Callable[[], object], *, fail_fast: bool, deadline: float | None, halt: Stops | None
) -> GroupCompletion[GraphRun, GraphReport]:
    """That of a run which has not begun; ``wake`` is called when it is done."""
    tally = NodeTally(run.collector, run.values)
    return GroupCompletion(
        run, wake, fail_fast=fail_fast, deadline=deadline, make=run.report, halt=halt, tally=tally, go=run.begin
    )
