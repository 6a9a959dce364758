"""What came of the demo, and what its figures mean."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING

from threadfan._core.batches.stats import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from threadfan import Report


@dataclass(frozen=True)
class Call:
    """A call that got its answer.

    Args:
        index: the company's place.
        company: its name.
        stage: ``research`` or ``analyse``.
        seconds: from the request to the whole answer.
        input_tokens: of the prompt.
        output_tokens: of the answer.
    """

    index: int
    company: str
    stage: str
    seconds: float
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Answer:
    """What became of a company: a text, or an error that says at which stage it failed."""

    index: int
    company: str
    text: str | None
    error: str | None


@dataclass(frozen=True)
class Part:
    """One way through all companies.

    Args:
        seconds: from the start to the last answer.
        answers: in input order.
        calls: those that got an answer, as they finished.
    """

    seconds: float
    answers: Sequence[Answer]
    calls: Sequence[Call]

    @property
    def failures(self) -> list[Answer]:
        """The companies without an answer."""
        return [answer for answer in self.answers if answer.error is not None]

    @property
    def tokens(self) -> tuple[int, int]:
        """Of all prompts, and of all answers."""
        return sum(call.input_tokens for call in self.calls), sum(call.output_tokens for call in self.calls)

    def percentile(self, percent: float) -> float:
        """Nearest-rank, of the seconds of the calls."""
        return percentile(sorted(call.seconds for call in self.calls), percent)

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "seconds": self.seconds,
            **{f"p{percent}": self.percentile(percent) for percent in (50, 90, 99)},
            "input_tokens": self.tokens[0],
            "output_tokens": self.tokens[1],
            "answers": [asdict(answer) for answer in self.answers],
            "calls": [asdict(call) for call in self.calls],
        }


@dataclass(frozen=True)
class Result:
    """Both parts, side by side.

    Where a call failed, less was done than planned: the figures that compare are None then.
    """

    sequential: Part | None
    fan: Part
    workers: int
    report: Report[str] | None = None
    """That of the fan's part."""

    @property
    def failures(self) -> list[Answer]:
        """The companies without an answer, of both parts."""
        return [*(self.sequential.failures if self.sequential else ()), *self.fan.failures]

    @property
    def rounds(self) -> int:
        """Calls that a worker makes one after another at the least: two for each company that comes to it."""
        return 2 * -(-len(self.fan.answers) // self.workers)

    @property
    def call_seconds(self) -> float | None:
        """The median call, of the sequential part if there is one: there no call gets in the way of another."""
        calls = (self.sequential or self.fan).calls
        return median(call.seconds for call in calls) if calls and not self.failures else None

    @property
    def ideal(self) -> float | None:
        """Seconds for all rounds if nothing but the calls took time."""
        return None if self.call_seconds is None else self.rounds * self.call_seconds

    @property
    def reached(self) -> float | None:
        """The ideal over the fan's seconds: 1 is perfect."""
        return None if self.ideal is None else self.ideal / self.fan.seconds

    @property
    def speed_up(self) -> float | None:
        """Seconds one after another, over the fan's."""
        return None if self.sequential is None or self.failures else self.sequential.seconds / self.fan.seconds

    def complaint(self) -> str:
        """What failed, in one line."""
        first = self.failures[0]
        count = len({answer.index for answer in self.failures})
        which = ", first" if count > 1 else ":"
        return f"{count} of {len(self.fan.answers)} companies failed{which} {first.company} at {first.error}"

    def to_dict(self) -> dict[str, object]:
        """Plain data, seconds in seconds."""
        return {
            "ok": not self.failures,
            "workers": self.workers,
            "speed_up": self.speed_up,
            "ideal_seconds": self.ideal,
            "reached": self.reached,
            "sequential": None if self.sequential is None else self.sequential.to_dict(),
            "fan": self.fan.to_dict(),
        }
