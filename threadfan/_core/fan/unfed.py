"""The warning of who closes a fan and waits only for inputs: those that a run takes by itself, and that do not come.

Guarantee: it is said once, by the logger ``threadfan``, since a warning that is an error would end the wait.
"""

from __future__ import annotations

import logging

from ..base.texts import shortened
from ..calls.batch import Batch

TYPE_CHECKING = False
if TYPE_CHECKING:
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
        waiting = [
            batch.name
            for batch in _unfed(scheduler)
            if not batch.pending() and not batch.active and taken.get(id(batch)) == batch.accepted
        ]
        said = bool(waiting)
        for name in waiting:
            logging.getLogger("threadfan").warning(
                "%s is closed, and waits for inputs of the run of %s, which do not come: right is "
                "`with fan.start(…) as run:`, which ends the run when an exception leaves the block, or run.cancel()",
                scheduler.name, shortened(name),
            )  # fmt: skip
    clock.wait(gate)


def _unfed(scheduler: Scheduler) -> list[Batch]:
    with scheduler.lock:
        return [queue for queue in scheduler.queues if isinstance(queue, Batch) and queue.unfinished()]
