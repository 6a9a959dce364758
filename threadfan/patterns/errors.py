"""What patterns raise, each picklable; the report hangs on it as its attribute ``report``."""

from __future__ import annotations

from contextlib import contextmanager

from .._core.base.portable import Portable
from .._core.base.texts import brief
from .._core.batches.report import put_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from typing import Any

    from .._core.batches.report import Report


@contextmanager
def carrying(report: Report[object]) -> Iterator[None]:
    """Whatever is raised inside carries the report: what it tells of is paid for."""
    try:
        yield
    except BaseException as error:
        put_on(error, report)
        raise


class GuardFailed(Portable, Exception):
    """A check did not let the work's output pass.

    Args:
        check: the function that checked.
        reason: why not.
    """

    report: Report[Any]

    def __init__(self, check: str, reason: str) -> None:
        super().__init__(check, reason)
        self.check = check
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.check} did not let the output pass: {self.reason}"


class VoteTied(Portable, ValueError):
    """Several answers have the most votes, and no strategy says which of them wins.

    Args:
        counts: how many votes each answer has, by its key, most first.
        tied: how many of them share the first place.
    """

    report: Report[Any]

    def __init__(self, counts: dict[Hashable, int], tied: int) -> None:
        super().__init__(counts, tied)
        self.counts = counts
        self.tied = tied

    def __str__(self) -> str:
        most = next(iter(self.counts.values()))
        return f'{self.tied} answers have {most} votes each: say tie="first", or give a function that chooses'


class MergeConflict(Portable, ValueError):
    """Results have different values under the same key, and no strategy says which of them is taken.

    Args:
        conflicts: the values under each such key, in the order of the results.
    """

    report: Report[Any]

    def __init__(self, conflicts: dict[Any, list[Any]]) -> None:
        super().__init__(conflicts)
        self.conflicts = conflicts

    def __str__(self) -> str:
        keys = ", ".join(map(brief, self.conflicts))
        return f'results differ under {keys}: say conflicts="first" or "last", or give a function that chooses'
