"""The figures of one stage of a pipeline, from what its items did there."""

from __future__ import annotations

from ..base.outcome import SINCE, raw_of
from ..base.times import time_covered
from ..batches.stats import percentile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..batches.replay import Way
    from .outcome import PipelineOutcome, StageAttempt


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
        self, name: str, max_concurrent: int | None, visits: list[Visit], total: int, wall: float, slots: int
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

    def to_dict(self) -> dict[str, object]:
        """All figures by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        figures = ", ".join(f"{name}={getattr(self, name)}" for name in self.__slots__ if name != "name")
        return f"<StageStats of {self.name!r}: {figures}>"


class Visit:
    """One item in one stage."""

    __slots__ = ("attempts", "duration", "passed", "spans", "stage")

    def __init__(self, attempts: list[StageAttempt], since: float, passed: bool) -> None:
        self.stage = attempts[0].stage
        self.attempts = attempts
        self.passed = passed
        self.spans = [(since + one.started, since + one.started + one.duration) for one in attempts]
        self.duration = time_covered(self.spans)


def visits_of(outcome: PipelineOutcome[object]) -> Iterator[Visit]:
    """Where an item was, stage by stage."""
    by_stage: dict[str, list[StageAttempt]] = {}
    for attempt in outcome.history:
        by_stage.setdefault(attempt.stage, []).append(attempt)  # type: ignore[attr-defined, arg-type]
    since = raw_of(outcome)[SINCE]
    for stage, attempts in by_stage.items():
        yield Visit(attempts, since, passed=outcome.stage != stage)


def ways_of(outcomes: Sequence[PipelineOutcome[object]], visits: list[list[Visit]]) -> list[Way]:
    """When each item could have come at the latest, and how long it took in each stage.

    How far inputs are read ahead depends on how fast items start, so an item that had to wait for that came in time.
    """
    ways: list[Way] = []
    comes, begin = 0.0, min((raw_of(outcome)[SINCE] for outcome in outcomes), default=0.0)
    for outcome, way in zip(outcomes, visits, strict=True):
        if way and way[0].attempts[0].waited_slot <= _AT_ONCE:
            comes = max(comes, raw_of(outcome)[SINCE] - begin)
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
