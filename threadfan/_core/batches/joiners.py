"""Policies of ``join``: small objects that say when the outcomes of several tasks are enough.

A policy is told each outcome as its call ends and says whether it has enough; what still runs is then cancelled, what
is queued is dropped, and at the end it makes a result of the report.  Loom's joiners are the model.

Whoever writes one may rely on this:

- It is asked in the thread, or the event loop, that waits for the result, never on a worker or on the thread that keeps
  deadlines, and about one outcome at a time: it needs no lock.  While it thinks only the one who waits is held up.
- It is told outcomes as calls end, each once, and nothing more once it has said that it has enough.
- When it is asked for the result, every outcome is final.
- Whatever it raises ends the batch, and carries the report as its attribute ``report``.
"""

from __future__ import annotations

from ..base import checks
from ..base.generic import TYPE_CHECKING, Generic, T

if TYPE_CHECKING:
    from typing import TypeVar

    from ..base.outcome import Outcome
    from .report import Report

    R = TypeVar("R")
else:
    R = None


class Joiner(Generic[T, R]):
    """The base class of policies: a subclass says in ``joined`` when it has enough, and in ``result`` what is returned.

    An object serves one ``join`` at a time, and may be used again for the next.
    """

    def begin(self, calls: int) -> None:
        """Called before any call starts, with their number: start anew."""

    def joined(self, outcome: Outcome[T]) -> bool:
        """Called when one more call has ended; return whether the outcomes so far are enough."""
        return False

    def result(self, report: Report[T]) -> R:
        """Return what ``join`` is to return; raise if the outcomes do not allow it."""
        raise NotImplementedError(
            f"{type(self).__name__} must say what comes of the outcomes: def result(self, report)"
        )


class Collect(Joiner["object", "Report[object]"]):
    """Never enough: all outcomes, failures included, as ``gather`` collects them."""

    def result(self, report: Report[T]) -> Report[T]:
        """The report as it is."""
        return report


class AllSucceed(Joiner["object", "Report[object]"]):
    """All or nothing: the first failure cancels the rest, and is raised."""

    def begin(self, calls: int) -> None:
        """No failure so far."""
        self._failure: Outcome[object] | None = None

    def joined(self, outcome: Outcome[object]) -> bool:
        """A failure is enough."""
        if not outcome.ok:
            self._failure = outcome
        return not outcome.ok

    def result(self, report: Report[T]) -> Report[T]:
        """The report, in which every call has a value.

        Raises:
            BaseException: the first failure.
        """
        failure, self._failure = self._failure, None
        try:
            if failure is not None:
                failure.unwrap()
            return report
        finally:
            del failure, report  # the traceback holds this frame: leave no cycle


class Quorum(Joiner["object", "Report[object]"]):
    """As many successes as are needed, whichever come first; one too many failures end it at once.

    Args:
        needed: how many calls must succeed, at least 1.
    """

    def __init__(self, needed: int) -> None:
        self.needed: int = checks.count("needed", needed)

    def begin(self, calls: int) -> None:
        """All may still succeed.

        Raises:
            ValueError: there are fewer calls than must succeed.
        """
        if calls < self.needed:
            raise ValueError(f"{self.needed} successes need at least as many tasks, not {calls}")
        self._calls = calls
        self._succeeded: list[Outcome[object]] = []
        self._failed: list[Outcome[object]] = []

    def joined(self, outcome: Outcome[object]) -> bool:
        """Enough have succeeded, or too many have failed."""
        (self._succeeded if outcome.ok else self._failed).append(outcome)
        return len(self._succeeded) == self.needed or self._calls - len(self._failed) < self.needed

    def result(self, report: Report[T]) -> Report[T]:
        """The report, of whose calls at least as many as are needed have a value.

        Raises:
            BaseExceptionGroup: too many have failed: their errors (an ``ExceptionGroup`` if all are ``Exception``s).
        """
        self.winner()
        return report

    def winner(self) -> Outcome[object]:
        """The outcome that succeeded first, if there is a quorum; raises as ``result`` does if there is none."""
        if len(self._succeeded) >= self.needed:
            return self._succeeded[0]
        errors = [outcome.error for outcome in self._failed if outcome.error is not None]
        raise BaseExceptionGroup(
            f"{len(errors)} of {self._calls} calls have failed, so that {self.needed} could no longer succeed", errors
        )


class FirstSuccess(Joiner["object", "Outcome[object]"]):
    """A race: the first success wins, failures are passed over."""

    def begin(self, calls: int) -> None:
        """Nobody has won.

        Raises:
            ValueError: there are no calls.
        """
        self._quorum = Quorum(1)
        self._quorum.begin(calls)

    def joined(self, outcome: Outcome[object]) -> bool:
        """One success is enough."""
        return self._quorum.joined(outcome)

    def result(self, report: Report[object]) -> Outcome[object]:
        """The winner's outcome.

        Raises:
            BaseExceptionGroup: all have failed: their errors (an ``ExceptionGroup`` if all are ``Exception``s).
        """
        return self._quorum.winner()
