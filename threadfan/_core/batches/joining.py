"""``join``: different functions side by side, until a policy has enough."""

from __future__ import annotations

from functools import partial
from queue import SimpleQueue

from ..base.generic import TYPE_CHECKING, Generic, T
from ..base.outcome import INDEX, Outcome
from ..base.texts import brief
from . import metering
from .completion import Completion
from .joiners import Joiner, R
from .making import task_batch
from .report import put_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..base.clock import Gate
    from ..base.outcome import Raw
    from ..calls.options import Options
    from ..calls.task_batch import TaskBatch
    from ..pool.scheduler import Scheduler
    from .report import Report

ENOUGH = "it was not needed any more: the outcomes so far were enough"


def join(
    scheduler: Scheduler,
    options: Options,
    policy: Joiner[T, R],
    tasks: tuple[Callable[..., object], ...],
    named: Mapping[str, Callable[..., object]],
) -> R:
    """See ``Fan.join``."""
    begin("fan.join", policy, tasks, named)
    gate: Gate = SimpleQueue()
    joining = Joining(task_batch(scheduler, options, tasks, named, where="fan.join"), partial(gate.put, None), policy)
    return joining.result(metering.watched(joining.batch, options.progress, partial(joining.wait, gate)))


def begin(
    where: str,
    policy: Joiner[T, R],
    tasks: tuple[Callable[..., object], ...],
    named: Mapping[str, Callable[..., object]],
) -> None:
    """Begin a policy before anything runs: it may refuse so few calls."""
    if not isinstance(policy, Joiner):
        raise TypeError(f"{where} needs a policy first, such as {where}(FirstSuccess(), …), not {brief(policy)}")
    policy.begin(len(tasks) + len(named))


class Joining(Completion["TaskBatch", "Report[T]"], Generic[T, R]):
    """How such a batch ends: when its policy has enough, or like any other.

    The policy is asked here, by whoever waits; threads only wake it.

    Args:
        batch: not yet enlisted.
        wake: wakes whoever waits: called at each outcome, and when the batch is done.
    """

    def __init__(self, batch: TaskBatch, wake: Callable[[], object], policy: Joiner[T, R]) -> None:
        super().__init__(batch, wake)
        batch.name = "join"
        self._results = batch.collector.in_order_of_ends()
        self._policy = policy
        self._told = 0
        self._enough = False

    def look(self) -> float | None:
        """Tell the policy what is new; when it returns, the next outcome will wake whoever waits."""
        while not self._tell_news():
            if self.batch.reader.wait_for(self._wake, wanted=None, idle=self._idle):
                break
        return super().look()

    def report(self) -> Report[T]:
        """The report of a batch that is done; outcomes that came last are told before."""
        try:
            self._tell_news()
        except BaseException as error:
            self.put_report_on(error)
            raise
        return super().report()

    def result(self, report: Report[T]) -> R:
        """What the policy makes of it; what it raises carries the report."""
        try:
            return self._policy.result(report)
        except BaseException as error:
            put_on(error, report)
            raise
        finally:
            del self, report  # an error's traceback holds this frame: leave no cycle

    def _idle(self) -> bool:
        """Whether the policy knows all there is."""
        return len(self._results) == self._told

    def _tell_news(self) -> bool:
        """Tell the policy of outcomes that it does not know; whether it has enough."""
        while not self._enough and not self._idle():
            for index in list(self._results)[self._told :]:
                self._told += 1
                if self._tell(self._results[index]):
                    break
        return self._enough

    def _tell(self, raw: Raw) -> bool:
        batch, collector, index = self.batch, self.batch.collector, raw[INDEX]
        self._enough = True  # if it raises, too
        try:
            self._enough = self._policy.joined(
                Outcome(raw, collector.names.get(index), collector.usages.get(index), collector.attempts.get(index))
            )
        finally:
            if self._enough:
                self.scheduler.timer.cancel(batch, None, ENOUGH)
        return self._enough
