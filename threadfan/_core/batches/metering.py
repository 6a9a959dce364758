"""Progress of a batch: what is counted, and for how long somebody looks."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

from ..base.generic import TYPE_CHECKING
from ..base.outcome import CANCELLED, SKIPPED
from ..base.texts import brief
from ..calls.batch import Batch
from .report import put_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..base.usage import Usage
    from ..calls.options import Options
    from ..events.progress import Display, Gauge, Meter, Progress, Waits
    from .completion import MadeReport
    from .intake import Given
    from .task_group import TaskGroup

    Shown = bool | Callable[[Progress], object]
    """``True`` for a bar, or a function that is told."""


def check(progress: Shown) -> None:
    """Check, before anything is called, that this is a wish for progress."""
    if not (isinstance(progress, bool) or callable(progress)):
        raise TypeError(f"progress must be True, False, or a function that takes a Progress, not {brief(progress)}")


def wanted(progress: Shown, options: Options) -> Shown:
    """What is to be shown, checked: what was asked for, else what the view says by which calls are made."""
    check(progress)
    return options.progress if progress is False else progress


def warn_of_bars(where: str, given: Given) -> None:
    """Say that a bar around the inputs does not show what its user thinks."""
    if any(type(one).__module__.partition(".")[0] == "tqdm" for one in given):
        import warnings

        text = "a bar around the inputs counts inputs that were taken, not calls that are done; right is: "
        warnings.warn(f"{where}: {text}{where}(fn, inputs, progress=True)", RuntimeWarning, stacklevel=4)


@contextmanager
def shown(batch: Batch | TaskGroup, progress: Shown) -> Iterator[None]:
    """Show how far the batch is, until the block is left."""
    meter = begin(batch, progress)
    try:
        yield
    finally:
        if meter is not None:
            meter.close()


def watched(batch: Batch | TaskGroup, progress: Shown, wait: Callable[[], MadeReport]) -> MadeReport:
    """What ``wait()`` returns, shown meanwhile how far it is; what strikes after that has it as ``report``."""
    if progress is False:
        return wait()
    report = None
    try:
        with shown(batch, progress):
            report = wait()
    except BaseException as error:
        if report is not None:
            put_on(error, report)
        raise
    finally:
        del wait  # an error's traceback holds this frame: leave no cycle
    return report


def begin(batch: Batch | TaskGroup, progress: Shown, handed_out: Callable[[], int] = lambda: 0) -> Meter | None:
    """Begin to look at a batch; None if nobody wants to see.

    Args:
        handed_out: how many outcomes are no more in the batch.
    """
    if progress is False:
        return None
    from ..events.displays import chosen_display
    from ..events.progress import Meter, Told

    display: Display = chosen_display() if progress is True else Told(progress)
    return Meter(
        batch.name, partial(_count, batch, handed_out), display, batch.scheduler.clock, _waits_of(batch),
        partial(_cancelled, batch),
    )  # fmt: skip


def gauge(batch: Batch, handed_out: Callable[[], int]) -> Gauge:
    """What says how far a batch is, whenever somebody asks."""
    from ..events.progress import Gauge

    count = partial(_count, batch, handed_out)
    cancelled = partial(_cancelled, batch)
    return Gauge(batch.name, count, batch.scheduler.clock, partial(_waits, batch), batch.since, cancelled)


def _count(batch: Batch | TaskGroup, handed_out: Callable[[], int]) -> tuple[int, int, int, int | None]:
    failed = sum(list(batch.collector.failures.values()))
    total = batch.total()
    if batch.done and total is not None:  # all have outcomes, which a report may have taken over
        return total, failed, 0, total
    with batch.scheduler.lock:  # threads may be there that have no call
        sessions = [session for session in batch.scheduler.at_work if session.busy()]
        over = isinstance(batch, Batch) and batch.ended and not batch.pending()
    if isinstance(batch, Batch):
        ended, running = batch.collector.ended(), sum(session.queue is batch for session in sessions)
        if over and not running and total is not None:  # a report may have them, and a thread is on its way out
            return total, failed, 0, total
    else:
        running = sum(getattr(key, "task_group", None) is batch for one in sessions for key in one.claim.copy())
        ended = batch.outcomes()
    return ended + handed_out(), failed, running, total


def _cancelled(batch: Batch | TaskGroup) -> int:
    """How many of those without a value were ended, or never begun, because the batch was to end."""
    failures = batch.collector.failures
    return failures.get(CANCELLED, 0) + failures.get(SKIPPED, 0)


def _waits_of(batch: Batch | TaskGroup) -> Waits | None:
    return partial(_waits, batch) if isinstance(batch, Batch) else None


def _waits(batch: Batch) -> tuple[int, int, int, int, Usage | None, float]:
    """For what the calls of a batch wait, and what they have come to."""
    scheduler, collector = batch.scheduler, batch.collector
    retries, usage = collector.retries(), collector.usage()
    with scheduler.lock:
        pending, waiting = batch.pending(), batch.waiting()
        backlog = getattr(batch, "backlog", None)  # of calls under policies
        backing_off = 0 if backlog is None else len(backlog.backing_off)
        limits = batch.limits()
    demanded = max([limit.demands(pending, scheduler.clock) for limit in limits], default=0.0) if pending else 0.0
    return pending - waiting, waiting - backing_off, backing_off, retries, usage, demanded
