"""Another number of slots for a fan that is in use."""

from __future__ import annotations

from functools import partial

from ..base.locks import aside
from .arguments import at_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions


def resize(scheduler: Scheduler, options: Options, max_workers: int) -> int:
    """See ``Fan.resize``.  How many workers there may be now, checked.

    Args:
        options: of the fan itself.
    """
    most = at_once(max_workers)
    if scheduler.adaptive is not None:
        raise ValueError("a fan with an Adaptive finds out by itself how many calls run at once: give that a ceiling=")
    aside(partial(_resize, scheduler, most))
    options.most = most
    return most


def _resize(scheduler: Scheduler, slots: int) -> None:
    after: Actions = []
    with scheduler.lock:
        if scheduler.decisions.torn:
            scheduler.mend(after)
        scheduler.slots.resize(slots)
        scheduler.crew.shrink(after)
        scheduler.crew.hand_out(after)
    scheduler.perform(after)
