"""How far each item of a pipeline is, and what has become of those that are through."""

from __future__ import annotations

from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, SUCCEEDED
from ..calls.collector import Collector
from .report import PipelineReport
from .stage_state import PipelineItem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Unpack

    from ..base.attempt import Status
    from ..base.clock import Clock
    from ..base.outcome import Raw
    from ..batches.figures import Parts
    from .inputs import Inputs
    from .stage_state import StageState


class ItemCollector(Collector):
    """Outcomes of items, whose attempts are those of several stages: the first of each stage is no retry."""

    __slots__ = ("retried",)

    def __init__(self) -> None:
        super().__init__()
        self.retried = 0  # guarded by the scheduler's lock

    def retries(self) -> int:
        """How many attempts were not the first of their stage."""
        return self.retried


class ItemTally:
    """How many items have ended in which way, whether or not their outcomes were handed out."""

    unit: str = "item"

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def failed(self) -> int:
        """See ``Tally``."""
        return self._progress.collector.failed()

    def without(self) -> int:
        """See ``Tally``."""
        return self._progress.collector.without()

    def ended(self) -> int:
        """See ``Tally``."""
        return self._progress.succeeded + self.without()

    def succeeded(self) -> int:
        """See ``Tally``."""
        return self._progress.succeeded


class Progress:
    """What the report of one run is made of.

    Guarded by ``scheduler.lock``: ``under_way``, ``succeeded`` and the collector's ``retried``.

    Args:
        since: when the run began.

    Attributes:
        ends: the stage in which an item without a value has ended, by index.
        why: what ended the items that have not come to their end.
    """

    def __init__(self, stages: list[StageState], inputs: Inputs, clock: Clock, since: float) -> None:
        self.collector = ItemCollector()
        self.under_way: dict[int, PipelineItem] = {}
        self.succeeded = 0
        self.ends: dict[int, str] = {}
        self.why: str | None = None
        self._stages, self._inputs, self._clock, self._since = stages, inputs, clock, since

    def leave_locked(self, item: PipelineItem, status: Status) -> None:
        """An item is through, or has failed."""
        item.move_locked(None)
        self.succeeded += status is SUCCEEDED
        self.collector.retried += item.retries
        self.under_way.pop(item.index)

    def note(self, item: PipelineItem) -> None:
        """Keep what is known of an item besides its outcome, which is told next."""
        self.collector.judged = True
        self.collector.attempts[item.index] = item.attempts  # type: ignore[assignment]  # nobody adds to it
        if item.usage is not None:
            self.collector.usages[item.index] = item.usage

    def in_order(self) -> list[Raw]:
        """The outcomes in input order; those that never started were cancelled."""
        return self.collector.in_order(self._inputs.total(), self._missing)

    def unstarted(self) -> list[Raw]:
        """The outcomes of items that were read and never came to be called, once the run is done."""
        return [self._missing(place) for place in self.under_way if self.collector.get(place) is None]

    def counts(self) -> dict[Status, int]:
        """How many outcomes there are of each status."""
        found = {**self.collector.failures, SUCCEEDED: self.succeeded}
        return {**found, CANCELLED: found.get(CANCELLED, 0) + self._inputs.total() - sum(found.values())}

    def report(self, raws: list[Raw], **figures: Unpack[Parts]) -> PipelineReport[Any]:
        """The report of a run that is done."""
        stages = [(stage.name, stage.max_concurrent) for stage in self._stages]
        return PipelineReport(raws, stages=stages, ends=self.ends, **figures)

    def _missing(self, place: int) -> Raw:
        item = self.under_way.get(place) or PipelineItem(place, self._inputs.value(place), self._since)
        self.ends[place] = self._stages[0].name
        return item.end(CANCELLED, TaskCancelled(self.why or "the batch had ended"), self._clock.monotonic(), None)
