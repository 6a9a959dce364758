"""What is told of a batch, whatever it is drawn or written as."""

from __future__ import annotations

from ..base.moments import EPOCH
from ..base.outcome import attempts_of, raw_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..base.attempt import Status
    from ..base.outcome import Outcome


class Story:
    """The outcomes of a batch with what they are called, and its figures.

    Args:
        title: what the batch is called.
        outcomes: in input order.
        labels: what each is called: a name, or its index.
        stages: where in a pipeline each has ended, or None.
        figures: of the batch, by name.
        causes: why calls have no value, most frequent first: in words, and the places of those calls.
        advice: what would help most, or None.
    """

    def __init__(
        self,
        title: str,
        outcomes: Sequence[Outcome[object]],
        labels: Sequence[int | str],
        stages: Sequence[str | None],
        figures: dict[str, float],
        causes: Sequence[tuple[str, Sequence[int]]],
        advice: str | None,
    ) -> None:
        self.title = title
        self.outcomes = outcomes
        self.labels = labels
        self.stages = stages
        self.figures = figures
        self.causes = causes
        self.advice = advice
        raws = list(map(raw_of, outcomes))
        self.first = min((raw[2] for raw in raws), default=0.0)  # when the first was handed in, by the monotonic clock
        self.began = EPOCH + self.first
        """The same in seconds since 1970: what ``Span.start`` counts from."""

    def spans(self) -> list[Span]:
        """All attempts of all calls, in the order of their starts, each in a lane of its own time: see ``lanes``."""
        spans = sorted(self._spans(), key=lambda span: (span.start, span.place))
        put_in_lanes(spans)
        return spans

    def _spans(self) -> Iterator[Span]:
        for place, outcome in enumerate(self.outcomes):
            raw = raw_of(outcome)
            queued = raw[2] - self.first
            attempts, ended = attempts_of(outcome), queued
            for number, one in enumerate(attempts, 1):
                start = queued + one.started
                waits = one.waited_slot, one.waited_limit, one.waited_backoff
                ready = ended if ended <= start else queued  # a hedge starts before the attempt before it has ended
                ended = start + one.duration
                yield Span(place, number, one.status, start, ended, waits, ready)
            if not attempts and raw[5] is not None:
                start = raw[5] - self.first
                yield Span(place, 1, outcome.status, start, raw[6] - self.first, (start - queued, 0.0, 0.0), queued)


class Span:
    """One attempt of a call: when it ran, in seconds since the batch began, and for what it had waited.

    Args:
        place: of its call.
        attempt: from 1.
        waits: seconds for a slot, for a rate limit (also while it ran), after a failed attempt.
        ready: when it could begin to wait: its call was handed in, or the attempt before it had ended.
    """

    __slots__ = ("attempt", "end", "lane", "place", "ready", "start", "status", "waits")

    def __init__(
        self,
        place: int,
        attempt: int,
        status: Status,
        start: float,
        end: float,
        waits: tuple[float, float, float],
        ready: float = 0.0,
    ) -> None:
        self.place = place
        self.attempt = attempt
        self.status: Status = status
        self.start = start
        self.end = max(start, end)
        self.waits = waits
        self.ready = ready
        self.lane = 0


def put_in_lanes(spans: Sequence[Span]) -> None:
    """Give each span the lowest lane in which no other runs at that time: as many as ran at once at most.

    Threads would be too many lanes: a call that times out gives its slot, but not its thread, to the next one.

    Args:
        spans: in the order of their starts.
    """
    from heapq import heappop, heappush

    free: list[int] = []
    busy: list[tuple[float, int]] = []
    for span in spans:
        while busy and busy[0][0] <= span.start:
            heappush(free, heappop(busy)[1])
        span.lane = heappop(free) if free else len(busy)
        heappush(busy, (span.end, span.lane))
