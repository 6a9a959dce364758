"""What a pipeline has done: the outcomes of its items, with the figures of its stages."""

from __future__ import annotations

from ..base.attempt import Attempt
from ..base.generic import TYPE_CHECKING, T_co
from ..base.outcome import SUCCEEDED, Outcome, time_covered
from ..batches.report import Report
from ..batches.stats import percentile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, overload

    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..batches.figures import Conditions
    from ..batches.replay import Way
    from ..batches.stats import Stats
    from .stage_queue import StageCall


class StageAttempt(Attempt):
    """What became of one attempt of a call in a stage; ``started`` counts from when its item was read."""

    __slots__ = ("stage",)

    stage: str

    @classmethod
    def of(cls, call: StageCall, raw: Raw, later: float) -> Iterator[StageAttempt]:
        """The attempts of a call that was handed in so much ``later`` than its item was read, in seconds."""
        if call.policies is not None:
            for one in call.state.attempts:
                figures = {name: getattr(one, name) for name in Attempt.__slots__ if name not in ("started", "status")}
                yield cls(one.status, started=later + one.started, **figures)._in(call.row.name)
            return
        _, _, since, status, payload, start, end, worker = raw
        if start is not None:
            error, waited = None if status is SUCCEEDED else payload, start - since
            attempt = cls(
                status, error, started=later + waited, duration=end - start, waited_slot=waited, worker=worker
            )
            yield attempt._in(call.row.name)

    def _in(self, stage: str) -> StageAttempt:
        self.stage = stage
        return self

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, in {self.stage!r}>"


def retries_in(attempts: Sequence[StageAttempt]) -> int:
    """How many attempts were not the first of their stage."""
    return len(attempts) - len({attempt.stage for attempt in attempts})


class PipelineOutcome(Outcome[T_co]):
    """What became of one item, over all its stages.

    ``attempts``, ``usage``, ``waited_slot``, ``waited_limit``, ``waited_backoff`` and ``duration`` are sums over the
    stages, so the ``duration`` is the time in which the item was worked on; ``history`` has each attempt with its
    ``stage``.
    """

    __slots__ = ("_stage",)

    def __init__(
        self, raw: Raw, usage: Usage | None, history: list[StageAttempt], stage: str | None, name: str | None = None
    ) -> None:
        super().__init__(raw, name, usage, history)  # type: ignore[arg-type]
        self._stage = stage

    @property
    def stage(self) -> str | None:
        """The name of the stage that it failed in, or waited for when it was cancelled; None if it succeeded."""
        return self._stage

    @property
    def retries(self) -> int:
        """How many attempts were not the first of their stage."""
        return retries_in(self.history)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as of any outcome, with the stage."""
        return {**super().to_dict(), "stage": self._stage}

    def __getstate__(self) -> Any:
        return super().__getstate__(), self._stage

    def __setstate__(self, state: Any) -> None:
        inner, self._stage = state
        super().__setstate__(inner)

    def __repr__(self) -> str:
        where = "" if self.ok else f" in {self._stage!r}, {type(self.error).__name__}"
        retries = f", {self.retries} retries" if self.retries else ""
        return f"<Outcome {self.index}: {self.status}{where}, {self.duration:.3f} s{retries}>"


class PipelineReport(Report[T_co]):
    """What became of every item of a pipeline, in input order; ``stages`` has figures of each stage.

    Args:
        stages: the name of each, and how many calls may be in it at once.
        ends: the stage in which an item has ended, for those without a value.
    """

    __slots__ = ("_ends", "_limits_of_stages", "_stages")

    def __init__(
        self, raws: list[Raw], *, stages: list[tuple[str, int | None]], ends: dict[int, str], **figures: Any
    ) -> None:
        super().__init__(raws, **figures)
        self._limits_of_stages = stages
        self._ends = ends
        self._stages: Stages | None = None

    def _all(self) -> list[Outcome[T_co]]:
        if self._outcomes is None:
            usages, notes, ends = self._usages, self._notes, self._ends
            self._outcomes = [
                PipelineOutcome(raw, usages.get(raw[0]), notes.get(raw[0], []), ends.get(raw[0]))  # type: ignore[arg-type]
                for raw in self._raws
            ]
        return self._outcomes

    if TYPE_CHECKING:  # its outcomes say more than those of other reports

        def __iter__(self) -> Iterator[PipelineOutcome[T_co]]: ...
        @overload  # type: ignore[override]  # nobody adds to these lists
        def __getitem__(self, place: int | str) -> PipelineOutcome[T_co]: ...
        @overload
        def __getitem__(self, place: slice) -> list[PipelineOutcome[T_co]]: ...
        def __getitem__(self, place: Any) -> Any: ...
        @property
        def succeeded(self) -> list[PipelineOutcome[T_co]]:  # type: ignore[override]
            """As of any report."""
            ...

        @property
        def failed(self) -> list[PipelineOutcome[T_co]]:  # type: ignore[override]
            """As of any report."""
            ...

    def _complete(self, stats: Stats) -> None:
        from ..batches.advice import held, refused

        stats.retries = sum(outcome.retries for outcome in self)
        if len(self._limits_of_stages) < 2:
            super()._complete(stats)
            return
        about = self._all(), stats, self._conditions
        stats.advice = refused(*about) or self.stages.bottleneck or held(*about)

    @property
    def stats(self) -> Stats:
        """Counts, times and tokens of the items, over all their stages, and what to change."""
        return super().stats

    @property
    def stages(self) -> Stages:
        """Figures of each stage, by name, in order."""
        if self._stages is None:
            outcomes: Any = self._all()
            self._stages = Stages(self._limits_of_stages, outcomes, self._wall, self._slots, self._conditions)
        return self._stages

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as of any report; with the stages, and for each outcome the stage in which it ended."""
        return {**super().to_dict(), "stages": {name: one.to_dict() for name, one in self.stages.items()}}

    def _stage(self, outcome: Outcome[T_co]) -> str | None:
        return outcome.stage  # type: ignore[attr-defined,no-any-return]

    def __getstate__(self) -> tuple[Any, ...]:
        return super().__getstate__(), self._limits_of_stages, self._ends

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        inner, self._limits_of_stages, self._ends = state
        self._stages = None
        super().__setstate__(inner)


class StageStats:
    """The figures of one stage; durations in seconds, percentiles nearest-rank over the items that started there.

    ``started`` items are ``succeeded`` (they went on, or out) or ``failed`` (however they ended there).  The others
    were ``not_started``: they ended before.  ``busy`` is the sum of durations, ``waited_slot`` what items waited in
    front of the stage and between attempts, for a slot or for one of the ``max_concurrent`` calls to end;
    ``waited_limit`` and ``waited_backoff`` what they waited for a rate limit and after failed attempts.
    ``most_at_once`` calls ran, of ``places`` that could; ``load`` is the share of the places' time that was used, from
    0 to 1.
    """

    __slots__ = (
        "busy", "duration_max", "duration_p50", "duration_p90", "failed", "load", "max_concurrent", "most_at_once",
        "name", "not_started", "places", "retries", "started", "succeeded", "waited_backoff", "waited_limit",
        "waited_slot",
    )  # fmt: skip

    def __init__(
        self, name: str, max_concurrent: int | None, visits: list[_Visit], total: int, wall: float, slots: int
    ) -> None:
        self.name = name
        self.max_concurrent = max_concurrent
        self.places = slots if max_concurrent is None else min(max_concurrent, slots)
        self.started = len(visits)
        self.succeeded = sum(visit.passed for visit in visits)
        self.failed = self.started - self.succeeded
        self.not_started = total - self.started
        attempts = [attempt for visit in visits for attempt in visit.attempts]
        self.retries = len(attempts) - len(visits)
        durations = sorted(visit.duration for visit in visits)
        self.busy = sum(durations)
        self.duration_p50 = percentile(durations, 50)
        self.duration_p90 = percentile(durations, 90)
        self.duration_max = durations[-1] if durations else 0.0
        self.waited_slot = sum(attempt.waited_slot for attempt in attempts)
        self.waited_limit = sum(attempt.waited_limit for attempt in attempts)
        self.waited_backoff = sum(attempt.waited_backoff for attempt in attempts)
        self.most_at_once = most_at_once([span for visit in visits for span in visit.spans])
        self.load = self.busy / (wall * self.places) if wall else 0.0

    def to_dict(self) -> dict[str, Any]:
        """All figures by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        figures = ", ".join(f"{name}={getattr(self, name)}" for name in self.__slots__ if name != "name")
        return f"<StageStats of {self.name!r}: {figures}>"


class Stages(dict[str, StageStats]):
    """The figures of all stages, by name, in order; ``repr`` is a table."""

    bottleneck: str | None
    """What held the others up, and what to do about it, in one line; None if nothing did, or there is one stage."""

    def __init__(
        self,
        stages: list[tuple[str, int | None]],
        outcomes: list[PipelineOutcome[Any]],
        wall: float,
        slots: int,
        conditions: Conditions | None = None,
    ) -> None:
        from .bottleneck import bottleneck

        super().__init__()
        by_outcome = [list(_visits(outcome)) for outcome in outcomes]
        visits: dict[str, list[_Visit]] = {name: [] for name, _ in stages}
        for visit in (one for way in by_outcome for one in way):
            visits[visit.stage].append(visit)
        for name, most in stages:
            self[name] = StageStats(name, most, visits[name], len(outcomes), wall, slots)
        ways = _ways(outcomes, by_outcome)
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


class _Visit:
    """One item in one stage."""

    __slots__ = ("attempts", "duration", "passed", "spans", "stage")

    def __init__(self, attempts: list[StageAttempt], since: float, passed: bool) -> None:
        self.stage = attempts[0].stage
        self.attempts = attempts
        self.passed = passed
        self.spans = [(since + one.started, since + one.started + one.duration) for one in attempts]
        self.duration = time_covered(self.spans)


def _visits(outcome: PipelineOutcome[Any]) -> Iterator[_Visit]:
    by_stage: dict[str, list[StageAttempt]] = {}
    for attempt in outcome.history:
        by_stage.setdefault(attempt.stage, []).append(attempt)  # type: ignore[attr-defined, arg-type]
    since = outcome._raw[2]
    for stage, attempts in by_stage.items():
        yield _Visit(attempts, since, passed=outcome.stage != stage)


def _ways(outcomes: list[PipelineOutcome[Any]], visits: list[list[_Visit]]) -> list[Way]:
    """When each item could have come at the latest, and how long it took in each stage.

    How far inputs are read ahead depends on how fast items start, so an item that had to wait for that came in time.
    """
    ways: list[Way] = []
    comes, begin = 0.0, min((outcome._raw[2] for outcome in outcomes), default=0.0)
    for outcome, way in zip(outcomes, visits, strict=True):
        if way and way[0].attempts[0].waited_slot <= _AT_ONCE:
            comes = max(comes, outcome._raw[2] - begin)
        ways.append((comes, [visit.duration for visit in way]))
    return ways


_AT_ONCE = 0.001  # seconds; arbitrary: what a thread needs at most to be there


def most_at_once(spans: list[tuple[float, float]]) -> int:
    """How many of the spans overlap at most; one that ends as another begins does not overlap it."""
    running, most = 0, min(1, len(spans))
    for _, change in sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans]):
        running += change
        most = max(most, running)
    return most
