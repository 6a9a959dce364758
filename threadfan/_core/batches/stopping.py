"""How a batch, or a group of tasks, ends that may be stopped on a condition.

Whoever waits for a batch looks, and is woken to; of a group, the threads that end its calls do.
"""

from __future__ import annotations

from functools import partial

from ..base.generic import TYPE_CHECKING, Generic, T
from ..base.outcome import CANCELLED
from .completion import B, Completion, MadeReport
from .lifetime import enlist
from .report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..calls.batch import Batch
    from ..pool.work_queue import Actions
    from .halting import Stops, Tally


class StoppingCompletion(Completion["Batch", "Report[T]"], Generic[T]):
    """How a batch ends that may be stopped on a condition.

    Args:
        halt: the conditions, if there are any.
    """

    def __init__(
        self,
        batch: Batch,
        wake: Callable[[], object],
        *,
        fail_fast: bool,
        deadline: float | None,
        halt: Stops | None,
        make: Callable[..., Report[T]] = Report,
    ) -> None:
        super().__init__(batch, wake, fail_fast=fail_fast, deadline=deadline, make=make)
        self._halt = halt
        if halt is not None:
            batch.collector.in_order_of_ends()  # whose number is known at any time
            batch.collector.most_failures = halt.failures()
            batch.ended_by = partial(halt.why, batch.collector)
            if halt.spending is not None:
                batch.collector.spending = halt.spending
                halt.spending.begin((batch.ended, batch.barred), wake)

    def look(self) -> float | None:
        """As of any; asked again when the next call has ended, if that may be the one to stop at."""
        left, batch, halt = super().look(), self.batch, self._halt
        if halt is not None and self._early is None and not batch.done:
            self._be_woken(halt)  # first: one sees the other
            reached = halt.reached(batch.collector)
            if reached is not None:
                message, now = reached
                self.end_early(message, running=now)
                return None
        return left

    def _be_woken(self, halt: Stops) -> None:
        """By the next call that may be the one to stop at; where failures are counted that is the next failure."""
        kinds = halt.kinds()
        if kinds - {"fail"}:
            self.batch.reader.wait_for(self._wake, wanted=None, idle=lambda: True)
        if "fail" in kinds:
            with self.scheduler.lock:
                told = self.batch.collector.on_first_failure
                if self._wake not in told:
                    told.append(self._wake)

    def _made(self) -> Report[T]:
        # If the one to stop at was the last, nothing was left out.
        if CANCELLED not in self.batch.collector.failures and not self.cut_off:
            self._early = None
        return super()._made()

    def _why_unfinished(self) -> str | None:
        collector = self.batch.collector
        if self._halt is not None and (CANCELLED in collector.failures or self.cut_off):
            return self._halt.why(collector)
        return super()._why_unfinished()


class GroupCompletion(Completion[B, MadeReport]):
    """How a group of tasks ends that may be stopped on a condition.

    Args:
        halt: the conditions, if there are any.
        tally: what they are asked of.
    """

    def __init__(
        self,
        group: B,
        wake: Callable[[], object],
        *,
        fail_fast: bool,
        deadline: float | None,
        make: Callable[..., MadeReport],
        halt: Stops | None,
        tally: Tally | None,
        go: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(group, wake, fail_fast=fail_fast, deadline=deadline, make=make, go=go)
        self._halt = halt
        self._tally = tally

    def _enlist(self, listeners: Actions) -> None:
        enlist(self.batch, listeners)
        self._look_after()

    def _look_after(self) -> None:
        """The group was enlisted: have the conditions looked after, from before the first call."""
        if self._halt is not None and self._tally is not None:
            from .stopper import Stopper  # on first use

            Stopper(self.batch, self._halt, self._tally, self.end_early).begin()

    def _made(self) -> MadeReport:
        if self._halt is not None and not (self.cut_off or self.batch.counts().get(CANCELLED)):
            self._early = None
        return super()._made()
