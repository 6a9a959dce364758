"""A check beside the work, which costs no time if it passes."""

from __future__ import annotations

from .._core.base import checks as checks_of_arguments
from .._core.base.generic import TYPE_CHECKING, T
from .._core.base.given import truth
from .._core.base.static import describe
from .._core.base.texts import text_of
from .._core.batches.joiners import Joiner
from .._core.batches.tasks import Task
from .errors import GuardFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, overload

    from .._core.base.outcome import Outcome
    from .._core.batches.report import Report
    from .._core.fan.async_calls import AsyncTask, MixedTask
    from .._core.fan.front import Front


class Guarded(Joiner["Any", T]):
    """The work and its checks, the work first; whatever of them comes to nothing ends the rest.

    Args:
        checks: their names, in order.
    """

    def __init__(self, checks: list[str]) -> None:
        self._checks = checks

    def begin(self, calls: int) -> None:
        """All may still pass."""
        self._ended_by: Outcome[object] | None = None

    def joined(self, outcome: Outcome[object]) -> bool:
        """Whether the work has failed, or a check did not pass."""
        passed = outcome.ok if outcome.index == 0 else truth(outcome.value) is True
        if not passed:
            self._ended_by = outcome
        return not passed

    def result(self, report: Report[Any]) -> T:
        """The output of the work, for every check has passed.

        Raises:
            GuardFailed: one did not.
            BaseException: the work's own error.
        """
        ended_by, self._ended_by = self._ended_by, None
        try:
            if ended_by is None or ended_by.index == 0:
                output: T = report[0].unwrap()
                return output
            check = self._checks[ended_by.index - 1]
            raise GuardFailed(check, _reason(ended_by)) from ended_by.error
        finally:
            del ended_by, report  # the traceback holds this frame: leave no cycle


def guard(fan: Front, work: Callable[[], T], /, *checks: Callable[[], bool]) -> T:
    """Run a task with a check of its input beside it: the output is withheld until the check has passed.

    A check passes only if it returns ``True``, Python's or numpy's; a check that returns None or a text has not passed.
    When a check fails the work is cancelled, and when the work fails the checks are.

    Args:
        fan: runs them; or a view of it.
        work: as a task of ``fan.gather``.
        checks: the same; all have to pass.

    Returns:
        What the work returned.

    Raises:
        GuardFailed: a check returned something else, raised, or ran out of time; its ``reason`` says which.
        BaseException: the work has failed.
    """
    checks_of_arguments.a_fan("guard", fan)
    guarded: Guarded[T] = Guarded(_names(checks))
    return fan.join(guarded, work, *checks)


if TYPE_CHECKING:

    @overload
    async def aguard(fan: Front, work: AsyncTask[T], /, *checks: MixedTask[bool]) -> T: ...
    @overload
    async def aguard(fan: Front, work: MixedTask[T], /, *checks: MixedTask[bool]) -> T: ...


async def aguard(fan: Front, work: MixedTask[T], /, *checks: MixedTask[bool]) -> T:
    """``guard`` for coroutines.  Cancelling the awaiting task cancels all."""
    checks_of_arguments.a_fan("aguard", fan)
    guarded: Guarded[T] = Guarded(_names(checks))
    return await fan.ajoin(guarded, work, *checks)


def _names(checks: tuple[Callable[[], object], ...]) -> list[str]:
    if not checks:
        raise TypeError("guard needs at least one check beside the work: guard(fan, work, check)")
    return [describe(check.fn if isinstance(check, Task) else check) for check in checks]


def _reason(outcome: Outcome[object]) -> str:
    """Why a check did not pass; values stay out of it, for they may hold prompts and keys."""
    if not outcome.ok:
        return f"{type(outcome.error).__name__}: {text_of(outcome.error)}"
    value = outcome.value
    if value is None or truth(value) is False:
        return f"it returned {value}"
    return f"it returned a {type(value).__name__}, not True"
