"""One value from a whole report.

No function here passes a part off as the whole: a report in which calls have no value is refused with their errors,
unless ``partial=True`` says that the rest will do.  Then the result has the others' outcomes in ``left_out`` and its
``complete`` is False.  A report without a single value is refused in any case.

All work in the thread of the caller, and wait for nothing but what ``synthesise`` is given to call.
"""

from __future__ import annotations

from itertools import chain

from .._core.base import checks
from .._core.base.generic import TYPE_CHECKING, T
from .._core.base.texts import brief
from .._core.batches.report import Report
from .errors import MergeConflict, carrying
from .results import Aggregate, Best, Merged, Synthesis, Vote
from .tally import tally_of, tie_strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from typing import Any, Literal, TypeAlias, TypeVar, overload

    from .tally import Tie

    K = TypeVar("K")
    V = TypeVar("V")
    R = TypeVar("R")
    Conflicts: TypeAlias = Literal["error", "first", "last"] | Callable[[K, list[V]], V]


if TYPE_CHECKING:

    @overload
    def concatenate(report: Report[str], *, separator: str = ..., partial: bool = ...) -> Aggregate[str]: ...
    @overload
    def concatenate(report: Report[list[T]], *, separator: str = ..., partial: bool = ...) -> Aggregate[list[T]]: ...


def concatenate(report: Report[Any], *, separator: str = "\n", partial: bool = False) -> Aggregate[Any]:
    """Join strings or lists in the order of the report.

    Args:
        separator: stands between strings.
        partial: leave out calls without a value instead of raising.

    Raises:
        TypeError: values are neither all strings nor all lists.
    """
    values = values_of(report, partial=partial)
    if all(isinstance(value, str) for value in values):
        return Aggregate(separator.join(values), report.failed)
    if all(isinstance(value, list) for value in values):
        return Aggregate(list(chain.from_iterable(values)), report.failed)
    kinds = ", ".join(sorted({type(value).__name__ for value in values}))
    raise TypeError(f"concatenate joins values that are all strings or all lists, not {kinds}")


def majority_vote(
    report: Report[T], *, key: Callable[[T], Hashable] | None = None, tie: Tie = "error", partial: bool = False
) -> Vote[T]:
    """The answer that most calls gave.

    Args:
        key: makes equal what counts as one answer, such as ``str.casefold``; it must give something hashable.
        tie: what several answers with equally many votes come to: "error", "first" (in the order of the report), or a
            function that is given their list and chooses.
        partial: let those vote who have a value, instead of raising.

    Raises:
        VoteTied: several answers have the most votes, and ``tie`` is "error".
    """
    tie_strategy(tie)
    tally = tally_of(values_of(report, partial=partial), key)
    leaders = tally.leaders
    return Vote(tally.winner(tie), counts=tally.counts, tied=leaders if len(leaders) > 1 else [], report=report)


def best_score(report: Report[T], *, key: Callable[[T], Any], partial: bool = False) -> Best[T]:
    """The value with the highest score; of equals, the first in the report.

    Args:
        key: the score of a value: a number, or whatever else can be ordered.
        partial: choose from those calls that have a value, instead of raising.

    Raises:
        ValueError: a score is not a number (NaN), which nothing is better or worse than.
    """
    checks.callable_("key of best_score", key)
    values_of(report, partial=partial)
    scored = [(key(outcome.unwrap()), outcome) for outcome in report.succeeded]
    for score, outcome in scored:
        if score != score:
            raise ValueError(f"scores must be comparable, but that of number {outcome.index} is {brief(score)}")
    score, outcome = max(scored, key=lambda pair: pair[0])
    return Best(outcome.unwrap(), report.failed, score=score, outcome=outcome)


def merge(
    report: Report[Mapping[K, V]], *, conflicts: Conflicts[K, V] = "error", partial: bool = False
) -> Merged[dict[K, V]]:
    """One dictionary of several, with the keys in the order in which they come up.

    Equal values under one key are no conflict; different ones are, and the result lists them.

    Args:
        conflicts: what different values under one key come to: "error", "first" or "last" (in the order of the
            report), or a function that is given the key and the list of its values.
        partial: merge what there is, instead of raising.

    Raises:
        MergeConflict: there are conflicts, and ``conflicts`` is "error".
        TypeError: a value is no dictionary.
    """
    resolve = _resolver(conflicts)
    found = _by_key(values_of(report, partial=partial))
    differing = {key: values for key, values in found.items() if any(value != values[0] for value in values)}
    if differing and resolve is None:
        raise MergeConflict(differing)
    merged = {key: values[0] for key, values in found.items()}
    if resolve is not None:
        merged.update({key: resolve(key, values) for key, values in differing.items()})
    return Merged(merged, report.failed, conflicts=differing)


def synthesise(report: Report[T], fn: Callable[[Report[T]], R], *, partial: bool = False) -> Synthesis[R]:
    """Have a function make one thing of all, such as one more call of a model.

    Args:
        fn: is given the report: a sequence of outcomes, each with its ``item``, ``name`` and ``value``.
        partial: give it a report that has failures too, which it then finds in ``report.failed``; else they raise.
    """
    checks.function("synthesise", fn)
    values_of(report, partial=partial)
    with carrying(report):
        return Synthesis(fn(report), report)


def values_of(report: Report[T], *, partial: bool) -> list[T]:
    """The values to be aggregated, at least one, in the order of the report.

    Raises:
        BaseExceptionGroup: calls have no value and ``partial`` is False, or no call has one; with the report as its
            attribute ``report``.
        ValueError: the report is of no calls.
    """
    if not isinstance(report, Report):
        raise TypeError(f"what is aggregated must be a report, as fan.run returns one, not {brief(report)}")
    if not len(report):
        raise ValueError("there is nothing to aggregate: the report is of no calls, and must be of at least one")
    succeeded = report.succeeded
    if partial and succeeded:
        return [outcome.unwrap() for outcome in succeeded]
    with carrying(report):
        return report.unwrap()


def _by_key(values: list[Mapping[K, V]]) -> dict[K, list[V]]:
    """All values of each key, in order."""
    found: dict[K, list[V]] = {}
    for value in values:
        if not hasattr(value, "items"):
            raise TypeError(f"merge needs values that are dictionaries, not a {type(value).__name__}")
        for key, one in value.items():
            found.setdefault(key, []).append(one)
    return found


def _resolver(conflicts: Conflicts[K, V]) -> Callable[[K, list[V]], V] | None:
    """What chooses among the values of a key; None if nothing may."""
    if callable(conflicts):
        return conflicts
    if conflicts == "error":
        return None
    if conflicts not in ("first", "last"):
        raise ValueError(
            f'conflicts must be "error", "first", "last" or a function of a key and its values, not {brief(conflicts)}'
        )
    place = 0 if conflicts == "first" else -1
    return lambda _, values: values[place]
