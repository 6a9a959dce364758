"""What comes of several outcomes; each result says what it was made without."""

from __future__ import annotations

from .._core.base.generic import TYPE_CHECKING, Generic, T_co
from .._core.base.outcome import CANCELLED
from .._core.base.portable import Portable

if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from .._core.base.outcome import Outcome
    from .._core.batches.report import Report

    LeftOut = list[Outcome[Any]]
    """Outcomes without a value."""


class Aggregate(Portable, Generic[T_co]):
    """One value made of several outcomes.

    Args:
        value: the value.
        left_out: the outcomes that were not used, since they have no value.
    """

    __slots__ = ("left_out", "value")

    def __init__(self, value: T_co, left_out: LeftOut) -> None:
        self.value: T_co = value
        self.left_out: LeftOut = left_out

    @property
    def complete(self) -> bool:
        """Whether no outcome was left out."""
        return not self.left_out

    def _facts(self) -> list[str]:
        return [f"without {len(self.left_out)} outcomes"] if self.left_out else ["complete"]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self._facts())}>"  # no values: they may hold prompts and keys


class Best(Aggregate[T_co]):
    """The value that scored best.

    Args:
        score: how well.
        outcome: the call that it came of.
    """

    __slots__ = ("outcome", "score")

    def __init__(self, value: T_co, left_out: LeftOut, *, score: Any, outcome: Outcome[T_co]) -> None:
        super().__init__(value, left_out)
        self.score: Any = score
        self.outcome: Outcome[T_co] = outcome

    def _facts(self) -> list[str]:
        return [f"number {self.outcome.index}, score {self.score}", *super()._facts()]


class Merged(Aggregate[T_co]):
    """Several dictionaries as one.

    Args:
        conflicts: the values under each key that had different ones, in the order of the results.
    """

    __slots__ = ("conflicts",)

    def __init__(self, value: T_co, left_out: LeftOut, *, conflicts: dict[Any, list[Any]]) -> None:
        super().__init__(value, left_out)
        self.conflicts: dict[Any, list[Any]] = conflicts

    def _facts(self) -> list[str]:
        return [f"{len(self.conflicts)} conflicts", *super()._facts()]


class Synthesis(Aggregate[T_co]):
    """What a function, such as a call of a model, has made of a whole report.

    Args:
        report: the report that the function was given.
    """

    __slots__ = ("report",)

    def __init__(self, value: T_co, report: Report[Any]) -> None:
        super().__init__(value, report.failed)
        self.report: Report[Any] = report


class Vote(Aggregate[T_co]):
    """The result of a vote.

    ``value`` is the ``winner``.  Voters that are ``left_out`` have failed, or were cancelled because the majority was
    certain without them.

    Args:
        counts: how many votes each answer has, by its key, most first.
        tied: the answers that share the first place, in the order of the voters; empty if one has it alone.
        report: all voters, those who were cancelled too.
    """

    __slots__ = ("counts", "report", "tied")

    def __init__(self, winner: T_co, *, counts: dict[Hashable, int], tied: list[T_co], report: Report[T_co]) -> None:
        super().__init__(winner, report.failed)
        self.counts: dict[Hashable, int] = counts
        self.tied: list[T_co] = tied
        self.report: Report[T_co] = report

    @property
    def winner(self) -> T_co:
        """The answer that has the most votes, or what the strategy for ties has chosen."""
        return self.value

    @property
    def votes(self) -> int:
        """How many were cast: voters who failed or were cancelled have none."""
        return sum(self.counts.values())

    @property
    def confidence(self) -> float:
        """The share of the votes cast that the first place has, from 0 to 1."""
        return next(iter(self.counts.values())) / self.votes

    @property
    def failed(self) -> list[Outcome[T_co]]:
        """The voters that failed or timed out."""
        return [outcome for outcome in self.left_out if outcome.status is not CANCELLED]

    @property
    def certain(self) -> bool:
        """Whether the winner would be the same whatever the voters that are left out had said."""
        first, second = [*self.counts.values(), 0][:2]
        return first > second + len(self.left_out)

    def _facts(self) -> list[str]:
        return [f"{self.confidence:.0%} of {self.votes} votes", *super()._facts()]
