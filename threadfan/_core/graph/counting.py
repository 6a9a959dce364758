"""How many calls of a graph's run have ended, and how many there are."""

from __future__ import annotations

from ..base.outcome import SKIPPED, STATUS, SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..calls.collector import Collector
    from .node_state import NodeState


class NodeTally:
    """The calls of one run, tasks and their elements, that have ended in which way; those that were skipped are none.

    Args:
        collector: has the outcomes, but for those of plain calls with a value.
        values: as many as there are of these.
    """

    unit: str = "call"

    def __init__(self, collector: Collector, values: list[None]) -> None:
        self._collector, self._values = collector, values

    def failed(self) -> int:
        """See ``Tally``."""
        return self._collector.failed()

    def without(self) -> int:
        """See ``Tally``."""
        return self._collector.without() - self._skipped()

    def ended(self) -> int:
        """See ``Tally``."""
        return len(self._values) + len(self._collector.results) - self._skipped()

    def succeeded(self) -> int:
        """See ``Tally``."""
        raws = self._collector.in_order_of_ends().copy().values()
        return len(self._values) + sum(raw[STATUS] is SUCCEEDED for raw in raws)

    def _skipped(self) -> int:
        return self._collector.failures.get(SKIPPED, 0)


def counted(roots: Iterable[NodeState]) -> tuple[int, int | None]:
    """How many calls have ended, and how many there are: None while it is open how many elements some task has.

    Goes through all states, which may change meanwhile.
    """
    ended = total = 0
    known = True
    here = list(roots)
    while here:
        state = here.pop()
        if state.children is not None:
            here += state.children
            continue
        total += 1
        if state.raw is not None:
            ended += 1
        elif len(state.path) < state.task.level:
            known = False
    return ended, total if known else None
