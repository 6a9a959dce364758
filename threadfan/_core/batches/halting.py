"""When a batch is to stop before all of its calls are done: ``halt="soon,fail=5"``.

The grammar is that of GNU parallel's ``--halt`` (https://www.gnu.org/software/parallel/parallel.html): ``now`` or
``soon``, a comma, and ``fail``, ``success`` or ``done`` with a number or a percentage.
"""

from __future__ import annotations

import re
from math import inf

from ..base.generic import TYPE_CHECKING, Generic, T
from ..base.outcome import CANCELLED
from ..base.texts import brief
from .completion import Completion
from .report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..calls.batch import Batch
    from ..calls.collector import Collector

LEAST = 3  # calls that must have ended so before a percentage counts; GNU parallel's number: one of one is no sign
_GRAMMAR = re.compile(r"(now|soon),(fail|success|done)=(\d+)(%?)")
_DONE = {"fail": "failed", "success": "succeeded", "done": "ended"}


class Halt:
    """A condition on which a batch stops, and how.

    Args:
        text: as users write it.

    Raises:
        TypeError: it is no text.
        ValueError: it is no condition.
    """

    __slots__ = ("_number", "_percent", "_text", "now", "what")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"halt must be a text such as 'soon,fail=5', not {brief(text)}")
        found = _GRAMMAR.fullmatch(text)
        if found is None or not int(found[3]) > 0 or (found[4] and int(found[3]) > 100):
            raise ValueError(
                f"halt must be 'now' or 'soon', a comma, and fail=N, success=N or done=N, where N may be a percentage: "
                f"'soon,fail=5', 'now,fail=5%', 'now,success=1'; not {brief(text)}"
            )
        self._text = text
        self.now: bool = found[1] == "now"
        """Whether calls that run are ended, too."""
        self.what: str = found[2]
        self._number = int(found[3])
        self._percent = bool(found[4])

    @property
    def failures(self) -> int | None:
        """How many failed calls are enough, if that alone decides."""
        return self._number if self.what == "fail" and not self._percent else None

    def reached(self, collector: Collector) -> str | None:
        """Why the batch stops now; None if it goes on."""
        done = collector.ended()
        without = sum(collector.failures.values())
        count = {"fail": collector.failed(), "success": done - without, "done": done}[self.what]
        if self.what == "success" and count >= (LEAST if self._percent else self._number):
            count = collector.succeeded()  # a call is counted as failed a moment after it has its outcome
        if self._percent:
            if count < LEAST or 100 * count < self._number * done:
                return None
        elif count < self._number:
            return None
        of = f" of {done}" if self._percent else ""
        calls = "call" if count == 1 and not of else "calls"
        return f"{count}{of} {calls} had {_DONE[self.what]} (halt={self._text!r})"


class StoppingCompletion(Completion["Batch", "Report[T]"], Generic[T]):
    """How a batch ends that may be stopped on a condition.

    Args:
        halt: the condition, if there is one.
    """

    def __init__(
        self,
        batch: Batch,
        wake: Callable[[], object],
        *,
        fail_fast: bool,
        deadline: float | None,
        halt: Halt | None,
        make: Callable[..., Report[T]] = Report,
    ) -> None:
        super().__init__(batch, wake, fail_fast=fail_fast, deadline=deadline, make=make)
        self._halt = halt
        if halt is not None:
            batch.collector.in_order_of_ends()  # whose number is known at any time
            batch.collector.most_failures = inf if halt.failures is None else halt.failures

    def look(self) -> float | None:
        """As of any; asked again when the next call has ended, if that may be the one to stop at."""
        left, batch, halt = super().look(), self.batch, self._halt
        if halt is not None and self._early is None and not batch.done:
            self._be_woken(halt)  # first: one sees the other
            message = halt.reached(batch.collector)
            if message is not None:
                self.end_early(message, running=halt.now)
                return None
        return left

    def _be_woken(self, halt: Halt) -> None:
        """By the next call that may be the one to stop at; where failures are counted that is the next failure."""
        if halt.what != "fail":
            self.batch.reader.wait_for(self._wake, wanted=None, idle=lambda: True)
            return
        with self.scheduler.lock:
            told = self.batch.collector.on_first_failure
            if self._wake not in told:
                told.append(self._wake)

    def _why_unfinished(self) -> str | None:
        collector = self.batch.collector
        if self._halt is not None and CANCELLED in collector.failures:
            return self._halt.reached(collector)
        return super()._why_unfinished()
