"""The beginning and the end of what is waited for together: a batch, or a group of tasks."""

from __future__ import annotations

from functools import partial

from ..events import log
from ..scope.scope import take_along

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..calls.batch import Batch
    from ..pool.work_queue import Actions
    from ..scope.scope import Scope
    from .task_group import TaskGroup


def enlist(batch: Batch | TaskGroup, listeners: Actions) -> None:
    """Let threads at a batch; the listeners are called when it is done."""
    scheduler = batch.scheduler
    tracing = log.tracing()
    if tracing is not None:
        tracing.batch_begins(batch.context, scheduler, batch.name)
    after: Actions = []
    with scheduler.lock:
        scheduler.check_open()
        batch.listeners.extend(listeners)
        batch.enlisted = True
        scheduler.queues.add(batch)
        if batch.ready():
            scheduler.offer(batch, after)
        scheduler.check_done(batch, after)
    scheduler.perform(after)
    if batch.outer is not None:
        _end_with(batch, batch.outer)


def _end_with(batch: Batch | TaskGroup, outer: Scope) -> None:
    """When the scope that the batch is made in ends, so does the batch."""
    end = partial(batch.scheduler.timer.cancel, batch, None, "the call that made this one has ended")
    at_end(batch, take_along(outer, end))


def at_end(batch: Batch | TaskGroup, act: Callable[[], object]) -> None:
    """Have ``act()`` done when the batch is done, now if it is."""
    with batch.scheduler.lock:
        done = batch.done
        if not done:
            batch.listeners.append(act)
    if done:
        act()


def tell_end(batch: Batch | TaskGroup, wall: float) -> None:
    """The event of a batch that has ended, ``wall`` seconds after it began."""
    tracing = log.tracing()
    if log.logger() is None and tracing is None:
        return
    seen: dict[str, int] = {status: number for status, number in batch.counts().items() if number}
    facts = _facts(batch)
    if tracing is not None:
        tracing.batch_ends(batch.context, seen, facts)
    log.batch_ended(batch.scheduler.name, batch.name, seen, wall, facts)


def _facts(batch: Batch | TaskGroup) -> dict[str, float]:
    """What the event says besides counts and time, of what there is."""
    facts: dict[str, float] = {}
    if batch.collector.judged:
        facts["retries"] = batch.collector.retries()
        facts["limited"] = log.milliseconds(batch.limited(batch.scheduler.clock.monotonic()))
        facts["pauses"] = batch.pauses()
    used = batch.collector.usage()
    if used is not None:
        facts["input_tokens"] = used.input_tokens
        facts["output_tokens"] = used.output_tokens
    return facts
