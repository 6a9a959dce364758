"""What a pipeline has done: the outcomes of its items, with the figures of its stages."""

from __future__ import annotations

from ..base.generic import TYPE_CHECKING, T_co
from ..base.outcome import INDEX
from ..batches.report import Report
from .bottleneck import bottleneck
from .outcome import PipelineOutcome
from .stage_stats import StageStats, visits_of, ways_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Unpack, overload

    from ..base.outcome import Outcome, Raw
    from ..batches.columns import Columns
    from ..batches.figures import Conditions, Parts
    from ..batches.stats import Stats
    from .stage_stats import Visit


class PipelineReport(Report[T_co]):
    """What became of every item of a pipeline, in input order; ``stages`` has figures of each stage.

    Args:
        stages: the name of each, and how many calls may be in it at once.
        ends: the stage in which an item has ended, for those without a value.
    """

    __slots__ = ("_ends", "_limits_of_stages", "_stages")

    def __init__(
        self, raws: list[Raw], *, stages: list[tuple[str, int | None]], ends: dict[int, str], **figures: Unpack[Parts]
    ) -> None:
        super().__init__(raws, **figures)
        self._limits_of_stages = stages
        self._ends = ends
        self._stages: Stages | None = None

    def _all(self) -> list[Outcome[T_co]]:
        if self._outcomes is None:
            usages, attempts, ends = self._usages, self._attempts, self._ends
            self._outcomes = [
                PipelineOutcome(raw, usages.get(raw[INDEX]), attempts.get(raw[INDEX], []), ends.get(raw[INDEX]))  # type: ignore[arg-type]
                for raw in self._raws
            ]
        return self._outcomes

    if TYPE_CHECKING:  # its outcomes say more than those of other reports

        def __iter__(self) -> Iterator[PipelineOutcome[T_co]]: ...
        @overload  # type: ignore[override]  # nobody adds to these lists
        def __getitem__(self, place: int | str) -> PipelineOutcome[T_co]: ...
        @overload
        def __getitem__(self, place: slice) -> list[PipelineOutcome[T_co]]: ...
        def __getitem__(self, place: int | str | slice) -> object: ...
        @property
        def succeeded(self) -> list[PipelineOutcome[T_co]]:  # type: ignore[override]
            """As of any report."""
            ...

        @property
        def failed(self) -> list[PipelineOutcome[T_co]]:  # type: ignore[override]
            """As of any report."""
            ...

    def _complete(self, stats: Stats) -> None:
        from ..batches.advice_on_limits import held, refused

        stats.retries = sum(outcome.retries for outcome in self)
        if len(self._limits_of_stages) < 2:
            super()._complete(stats)
            return
        about = stats, self._conditions, self._label
        stats.advice = refused(self._raws, self, *about) or self.stages.bottleneck or held(self, *about)

    @property
    def stats(self) -> Stats:
        """Counts, times and tokens of the items, over all their stages, and what to change."""
        return super().stats

    @property
    def stages(self) -> Stages:
        """Figures of each stage, by name, in order."""
        if self._stages is None:
            outcomes: list[PipelineOutcome[T_co]] = self._all()  # type: ignore[assignment]
            self._stages = Stages(self._limits_of_stages, outcomes, self._wall, self._slots, self._conditions)
        return self._stages

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as of any report; with the stages, and for each outcome the stage in which it ended."""
        return {**super().to_dict(), "stages": {name: one.to_dict() for name, one in self.stages.items()}}

    def _tried(self, columns: Columns) -> dict[int, int]:
        return {}  # an item has attempts in each stage

    def _ended_in(self, place: int) -> str | None:
        return self._ends.get(self._raws[place][INDEX])

    def __getstate__(self) -> tuple[Any, ...]:
        return super().__getstate__(), self._limits_of_stages, self._ends

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        inner, self._limits_of_stages, self._ends = state
        self._stages = None
        super().__setstate__(inner)


class Stages(dict[str, StageStats]):
    """The figures of all stages, by name, in order; ``repr`` is a table."""

    bottleneck: str | None
    """What held the others up, and what to do about it, in one line; None if nothing did, or there is one stage."""

    def __init__(
        self,
        stages: list[tuple[str, int | None]],
        outcomes: Sequence[PipelineOutcome[object]],
        wall: float,
        slots: int,
        conditions: Conditions | None = None,
    ) -> None:
        super().__init__()
        by_outcome = [list(visits_of(outcome)) for outcome in outcomes]
        visits: dict[str, list[Visit]] = {name: [] for name, _ in stages}
        for visit in (one for way in by_outcome for one in way):
            visits[visit.stage].append(visit)
        for name, most in stages:
            self[name] = StageStats(name, most, visits[name], len(outcomes), wall, slots)
        ways = ways_of(outcomes, by_outcome)
        self.bottleneck = bottleneck(list(self.values()), ways, wall, slots, conditions or {})

    def __repr__(self) -> str:
        head = ("stage", "started", "succeeded", "failed", "p50", "p90", "max", "busy", "waited", "at once", "load")
        rows = [head, *(_cells(one) for one in self.values())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([*lines, *filter(None, [self.bottleneck])])


def _cells(one: StageStats) -> tuple[str, ...]:
    seconds = (one.duration_p50, one.duration_p90, one.duration_max, one.busy, one.waited_slot)
    counts = (str(one.started), str(one.succeeded), str(one.failed))
    at_once = f"{one.most_at_once}/{one.places}"
    return (one.name, *counts, *(f"{value:.3f}" for value in seconds), at_once, f"{one.load:.0%}")
