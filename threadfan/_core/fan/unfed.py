"""The warning of who leaves a block and waits only for inputs: those that a run takes by itself, and that do not come.

The block is that of the fan, or that of the run.

Guarantee: it is said once, by the logger ``threadfan``, since a warning that is an error would end the wait.
"""

from __future__ import annotations

import logging

from ..base.texts import shortened
from ..calls.batch import Batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from queue import SimpleQueue

    from ..pool.scheduler import Scheduler

PATIENCE = 5.0
"""Seconds after which it is said.  Arbitrary: longer than most inputs take to be read."""


def wait(scheduler: Scheduler, gate: SimpleQueue[None]) -> None:
    """Wait for the end of a closed fan of which a run may still take inputs."""
    clock, said = scheduler.clock, False
    while not said and (unfed := _unfed(scheduler)):
        taken = {id(batch): batch.accepted for batch in unfed}
        if clock.wait_until(gate, clock.monotonic() + PATIENCE):
            return
        waiting = [batch.name for batch in _unfed(scheduler) if _starves(batch, taken.get(id(batch)))]
        said = bool(waiting)
        for name in waiting:
            logging.getLogger("threadfan").warning(
                "%s is closed, and waits for inputs of the run of %s, which do not come: right is "
                "`with fan.start(…) as run:`, which ends the run when an exception leaves the block, or run.cancel()",
                scheduler.name, shortened(name),
            )  # fmt: skip
    clock.wait(gate)


def looks(batch: Batch) -> Iterator[float]:
    """For whoever waits for a run at the end of its block: seconds to wait before the next look at it."""
    while batch.unfinished():
        taken = batch.accepted
        yield PATIENCE
        if _starves(batch, taken):
            logging.getLogger("threadfan").warning(
                "the block of the run of %s is at its end, and waits for inputs, of which none has come for %g s: "
                "to stop early, call run.cancel() before `break`",
                shortened(batch.name), PATIENCE,
            )  # fmt: skip
            return


def _starves(batch: Batch, taken: int | None) -> bool:
    """Whether it waits for inputs alone, and has had none since it had taken so many."""
    return batch.unfinished() and not batch.pending() and not batch.active and batch.accepted == taken


def _unfed(scheduler: Scheduler) -> list[Batch]:
    with scheduler.lock:
        return [queue for queue in scheduler.queues if isinstance(queue, Batch) and queue.unfinished()]
