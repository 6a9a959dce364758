"""Voting: the same question to several, until the majority is certain."""

from __future__ import annotations

from .._core.base import checks
from .._core.base.generic import TYPE_CHECKING, T
from .._core.batches.joiners import Joiner
from .aggregate import majority_vote
from .tally import Tally, tie_strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any, overload

    from .._core.base.outcome import Outcome
    from .._core.batches.report import Report
    from .._core.fan.async_calls import AsyncTask, MixedTask
    from .._core.fan.front import Front
    from .results import Vote
    from .tally import Tie


class Majority(Joiner["Any", "Vote[Any]"]):
    """Votes, until no other answer can overtake the one that leads; voters that fail have no vote.

    That is so as soon as the leader has more votes than the second and all who have not voted yet together.

    Args:
        key: as for ``vote``.
        tie: as for ``vote``.
    """

    def __init__(self, *, key: Callable[[Any], Hashable] | None = None, tie: Tie = "error") -> None:
        self._key = key if key is None else checks.callable_("key of a vote", key)
        self._tie = tie_strategy(tie)

    def begin(self, calls: int) -> None:
        """Nobody has voted.

        Raises:
            ValueError: there is nobody who could.
        """
        if calls < 1:
            raise ValueError("a vote needs at least one voter, not 0")
        self._left = calls
        self._tally: Tally[object] = Tally(self._key)

    def joined(self, outcome: Outcome[object]) -> bool:
        """Count a vote; whether the winner is certain."""
        self._left -= 1
        if outcome.ok:
            self._tally.add(outcome.unwrap())
        return self._tally.certain(self._left)

    def result(self, report: Report[T]) -> Vote[T]:
        """The votes that were cast.

        Raises:
            VoteTied: as for ``vote``.
            BaseExceptionGroup: as for ``vote``.
        """
        return majority_vote(report, key=self._key, tie=self._tie, partial=True)


def vote(
    fan: Front,
    /,
    *voters: Callable[[], T],
    of: int | None = None,
    key: Callable[[T], Hashable] | None = None,
    tie: Tie = "error",
    **named: Callable[[], T],
) -> Vote[T]:
    """Ask several voters, and stop as soon as the majority is certain: voters that run then are cancelled.

    ``vote(fan, task(classify, text), of=9)`` asks one function nine times; ``vote(fan, by_one_model, by_another, …)``
    asks different ones.  Voters that fail have no vote, and ``failed`` has them; so a voter that gets no clear answer
    had better raise than answer something.

    Args:
        fan: runs the voters; or a view of it.
        voters: as the tasks of ``fan.gather``.
        of: ask the one voter so many times.
        key: makes equal what counts as one answer, such as ``str.casefold``; it must give something hashable.
        tie: what several answers with equally many votes come to: "error", "first" (in the order of the voters), or a
            function that is given their list and chooses.
        named: as for ``fan.gather``.

    Raises:
        VoteTied: several answers have the most votes, and ``tie`` is "error".
        BaseExceptionGroup: every voter has failed: their errors.
        TypeError: an answer cannot be counted without a ``key``.
    """
    checks.a_fan("vote", fan)
    return fan.join(Majority(key=key, tie=tie), *_asked(voters, named, of), **named)


if TYPE_CHECKING:

    @overload
    async def avote(
        fan: Front,
        /,
        *voters: AsyncTask[T],
        of: int | None = None,
        key: Callable[[T], Hashable] | None = None,
        tie: Tie = "error",
        **named: AsyncTask[T],
    ) -> Vote[T]: ...
    @overload
    async def avote(
        fan: Front,
        /,
        *voters: MixedTask[T],
        of: int | None = None,
        key: Callable[[T], Hashable] | None = None,
        tie: Tie = "error",
        **named: MixedTask[T],
    ) -> Vote[T]: ...


async def avote(
    fan: Front,
    /,
    *voters: MixedTask[T],
    of: int | None = None,
    key: Callable[[T], Hashable] | None = None,
    tie: Tie = "error",
    **named: MixedTask[T],
) -> Vote[T]:
    """``vote`` for coroutines.  Cancelling the awaiting task cancels the voters."""
    checks.a_fan("avote", fan)
    return await fan.ajoin(Majority(key=key, tie=tie), *_asked(voters, named, of), **named)


def _asked(
    voters: tuple[Callable[[], T], ...], named: dict[str, Callable[[], T]], of: int | None
) -> tuple[Callable[[], T], ...]:
    if of is None:
        return voters
    if len(voters) != 1 or named:
        raise TypeError(f"of= asks one voter several times, not {len(voters) + len(named)}: leave it out, or give one")
    return voters * checks.count("of", of)
