"""Calls of a batch that are not to start, although a thread has taken them: the batch has ended, or is paused.

Threads take calls of a batch without a lock.  So whoever bars them says so, and a thread that has taken one writes its
claim and then looks: one of the two sees the other, and no call starts that was barred before.
"""

from __future__ import annotations

from ..pool.work_queue import why_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, Session
    from .inputs import Entry

    class Barred(Protocol):
        """A batch, as it is known here."""

        scheduler: Scheduler
        ended: list[bool]
        paused: bool
        barred: list[bool]
        withdrawn: set[int]

        ended_by: Callable[[], str | None] | None

        def put_back(self, entry: Entry) -> None:
            """An input was taken, and is not to start yet.  With the lock held."""


CANCELLED_ALONE = "the call was cancelled"


def bar(batch: Barred) -> None:
    """Bar calls from starting as long as there is a reason to.  With the lock held.

    But a batch may be ended without it: whoever does so says that first, and bars calls then.
    """
    if not (batch.paused or batch.withdrawn):
        batch.barred.clear()
    if (batch.ended or batch.paused or batch.withdrawn) and not batch.barred:
        batch.barred.append(True)


def turned_away(batch: Barred, session: Session, index: int) -> str | None:
    """What is to be done with a call that has its claim, and has found that calls are barred.

    Returns:
        None if it may start after all, "" if it was put back or is somebody else's, else why it is cancelled.
    """
    scheduler, owner = batch.scheduler, session.queue
    after: Actions = []
    why: str | None = None
    with scheduler.lock:
        if batch.ended:
            why = why_ended(batch)
        elif index in batch.withdrawn:
            batch.withdrawn.discard(index)
            why = CANCELLED_ALONE
        elif batch.paused:
            why = ""
            claim = session.claim.pop(index, None)
            if claim is not None:
                batch.put_back((index, *claim[:2]))
        others = [one for one in scheduler.at_work if one.queue is owner and one is not session]
        if all(one.claim for one in others):  # nobody is about to start one of them, so they have ended
            batch.withdrawn.clear()
        bar(batch)
    scheduler.perform(after)
    return why
