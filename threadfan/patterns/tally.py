"""Counting votes: who leads, whether anybody can still overtake, and what a tie comes to."""

from __future__ import annotations

from .._core.base import checks
from .._core.base.generic import TYPE_CHECKING, Generic, T
from .._core.base.texts import brief
from .errors import VoteTied

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import Any, Literal, TypeAlias

    Tie: TypeAlias = Literal["error", "first"] | Callable[[list[Any]], Any]


class Tally(Generic[T]):
    """Votes, counted by the key of each answer.

    Args:
        key: what makes two answers equal; by default they are compared themselves, and must be hashable.
    """

    def __init__(self, key: Callable[[T], Hashable] | None) -> None:
        self._key = key if key is None else checks.callable_("key of a vote", key)
        self._counts: dict[Hashable, int] = {}
        self._answers: dict[Hashable, T] = {}  # the first answer of each key

    def add(self, answer: T) -> None:
        """Count one vote.

        Raises:
            TypeError: the answer, or its key, cannot be counted.
        """
        key: object = answer if self._key is None else self._key(answer)
        try:
            self._counts[key] = self._counts.get(key, 0) + 1
        except TypeError:
            raise TypeError(
                f"answers are counted by a hashable key, not by a {type(key).__name__}: give key=, such as "
                f"key=str.casefold or key=itemgetter('label')"
            ) from None
        self._answers.setdefault(key, answer)

    def certain(self, left: int) -> bool:
        """Whether the leader stays ahead of all others, whatever ``left`` more votes say."""
        first, second = self._two_most()
        return first > second + left

    def _two_most(self) -> tuple[int, int]:
        most = sorted(self._counts.values(), reverse=True)[:2]
        return (*most, 0, 0)[0], (*most, 0, 0)[1]

    @property
    def votes(self) -> int:
        """How many were cast."""
        return sum(self._counts.values())

    @property
    def counts(self) -> dict[Hashable, int]:
        """The number of votes by key, most first; equal numbers in the order in which the answers came."""
        return dict(sorted(self._counts.items(), key=lambda pair: -pair[1]))

    @property
    def leaders(self) -> list[T]:
        """The answers that have the most votes, in the order in which they came."""
        most = self._two_most()[0]
        return [self._answers[key] for key, count in self._counts.items() if count == most]

    def winner(self, tie: Tie) -> T:
        """The answer that has the most votes, or what ``tie`` makes of several.

        Raises:
            VoteTied: there are several, and ``tie`` is "error".
        """
        leaders = self.leaders
        if len(leaders) == 1 or tie == "first":
            return leaders[0]
        if callable(tie):
            return tie(leaders)  # type: ignore[no-any-return]
        raise VoteTied(self.counts, len(leaders))


def tally_of(answers: Iterable[T], key: Callable[[T], Hashable] | None) -> Tally[T]:
    """The count of all answers."""
    tally = Tally(key)
    for answer in answers:
        tally.add(answer)
    return tally


def tie_strategy(tie: Tie) -> Tie:
    """Check what is to become of a tie."""
    if tie not in ("error", "first") and not callable(tie):
        raise ValueError(f'tie must be "error", "first" or a function that chooses from a list, not {brief(tie)}')
    return tie
