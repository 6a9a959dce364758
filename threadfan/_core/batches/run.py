"""Whole batches: ``run`` and ``gather``."""

from __future__ import annotations

from functools import partial
from queue import SimpleQueue

from ..base import checks
from ..base.generic import TYPE_CHECKING, T
from ..calls.ends import Ends
from . import intake, metering
from .completion import Completion
from .halting import stops
from .late import Latecomers
from .lifetime import at_end, tell_end
from .making import new_batch, task_batch
from .stopping import StoppingCompletion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..base.clock import Gate
    from ..calls.batch import Batch
    from ..calls.options import Options
    from ..calls.task_batch import TaskBatch
    from ..pool.scheduler import Scheduler
    from .halting import Stops
    from .intake import Given
    from .metering import Shown
    from .report import Report


def run(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    given: Given,
    *,
    fail_fast: bool,
    deadline: float | None,
    late: str | None,
    star: bool,
    progress: Shown = False,
    halt: str | Stops | None = None,
) -> Report[T]:
    """See ``Fan.run``."""
    checks.function("fan.run", fn)
    progress = metering.wanted(progress, options)
    metering.warn_of_bars("fan.run", given)
    intake.check("fan.run", fn, given, star=star)
    gate: Gate = SimpleQueue()
    wake = partial(gate.put, None)
    completion = begin_run(
        scheduler, options, fn, given, wake, fail_fast=fail_fast, deadline=deadline, late=late, star=star, halt=halt
    )
    return metering.watched(completion.batch, progress, partial(_waited_for, completion, given, gate))


def _waited_for(completion: RunCompletion[T], given: Given, gate: Gate) -> Report[T]:
    if completion.fed:
        return completion.feed_and_wait(gate, intake.one_by_one(given, strict=True))
    return completion.wait(gate)


def begin_run(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    given: Given,
    wake: Callable[[], object],
    *,
    fail_fast: bool,
    deadline: float | None,
    late: str | None,
    star: bool,
    halt: str | Stops | None = None,
    keep: bool = False,
) -> RunCompletion[T]:
    """The batch of a ``run``, not yet enlisted, and how it ends; inputs that are not at hand are to be fed.

    Args:
        keep: what has ended in the order of the ends, for readers meanwhile: see ``Ends``.
    """
    fail_fast, deadline = checks.flag("fail_fast", fail_fast), checks.seconds("deadline", deadline)
    checks.late(late, deadline)
    halting = stops(halt)
    items = intake.everything(given, strict=True) if intake.known(given) else None
    around = None if halting is None else halting.around()
    batch = new_batch(scheduler, options, fn, given, items=items, star=star, around=around)
    if keep:
        batch.collector = Ends(batch.collector)
    batch.collector.fail_fast = fail_fast
    if deadline is not None and late is None:
        batch.until = batch.since + deadline
    kept = None if late is None else items or []
    return RunCompletion(
        batch, wake, fail_fast=fail_fast, deadline=deadline, halt=halting, kept=kept, fed=items is None
    )


def gather(
    scheduler: Scheduler,
    options: Options,
    tasks: tuple[Callable[..., T], ...],
    named: Mapping[str, Callable[..., T]],
    name: str = "gather",
) -> Report[T]:
    """See ``Fan.gather``; ``name`` is that by which events call it."""
    gate: Gate = SimpleQueue()
    completion: Completion[TaskBatch, Report[T]] = Completion(
        task_batch(scheduler, options, tasks, named, name=name), partial(gate.put, None)
    )
    return metering.watched(completion.batch, options.progress, partial(completion.wait, gate))


class RunCompletion(StoppingCompletion[T]):
    """How a batch whose inputs may still come ends, and whose calls may go on after its deadline.

    Args:
        kept: the inputs, if what is unfinished at the deadline is to go on (``late="keep"``).
        fed: whether inputs are still to come.
    """

    def __init__(
        self,
        batch: Batch,
        wake: Callable[[], object],
        *,
        fail_fast: bool,
        deadline: float | None,
        halt: Stops | None,
        kept: list[object] | None,
        fed: bool,
    ) -> None:
        super().__init__(batch, wake, fail_fast=fail_fast, deadline=deadline, halt=halt)
        self.fed = self.cut_off = fed
        self._kept = kept
        self._left = False  # at the deadline, to go on by itself

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self._left or self.batch.done

    def feed(self, item: object, now: float) -> None:
        """Add an input that was taken ``now``."""
        if self._kept is not None:
            self._kept.append(item)
        self.batch.feed([item], now)

    def _feed(self, inputs: Iterator[object], gate: Gate) -> None:
        now = self.scheduler.clock.monotonic
        for item in inputs:
            self.feed(item, now())  # whatever has happened meanwhile: what was taken has an outcome
            self.look()  # before the next is asked for, which may take long, and would have to have one too
            if self._left or self.batch.closed:
                return
            self.scheduler.check_open()
        self.cut_off = False

    def _at_deadline(self) -> str | None:
        if self._kept is None:
            return super()._at_deadline()
        self._left = True
        return None

    def _made(self) -> Report[T]:
        return self._so_far(self._kept or []) if self._left else super()._made()

    def _so_far(self, items: list[object]) -> Report[T]:
        batch, now = self.batch, self.scheduler.clock.monotonic
        batch.close()  # its inputs may still be coming
        at_end(batch, lambda: tell_end(batch, now() - batch.since))
        return Latecomers(batch, list(items)).report(self._deadline or 0.0, now() - batch.since)
