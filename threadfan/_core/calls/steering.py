"""Pausing a batch, going on with it, and cancelling single calls of it.

A pause bars calls: threads look for that when they have taken one and written its claim, and put it back.  Single calls
are taken out from where they wait, or ended where they run.  All of it is decided with the scheduler's lock held, and
done aside, so that no signal's exception cuts it in two.

Guarantees: when ``pause`` returns, no call starts that has not begun, but one under policies for which a thread is on
its way, and which counts as running; each call that is cancelled has one outcome, its own if it was faster.
"""

from __future__ import annotations

from functools import partial

from ..base.errors import TaskCancelled
from ..base.locks import aside
from ..base.outcome import CANCELLED
from ..pool.work_queue import GRACE
from .barring import CANCELLED_ALONE, bar
from .call_queue import Call
from .hedging import HedgeAttempt
from .input_calls import InputCalls
from .policy_queues import PolicyBatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..pool.work_queue import Actions
    from .batch import Batch


def pause(batch: Batch) -> None:
    """Start no further call of a batch, until ``resume``.  Nothing happens to one that is over.

    Raises:
        RuntimeError: its fan is closed, and waits for all calls.
    """
    batch.to_pause = True
    aside(partial(_decide, batch, partial(_steer, batch)))


def resume(batch: Batch) -> None:
    """Go on with a batch that is paused."""
    batch.to_pause = False
    aside(partial(_decide, batch, partial(_steer, batch)))


def cancel_call(batch: Batch, index: int, has_ended: Callable[[int], bool]) -> bool:
    """Cancel one call of a batch; False if it has ended by now.

    Args:
        has_ended: whether an outcome was taken out of the batch.
    """
    found: list[bool] = []
    aside(partial(_decide, batch, lambda after: found.append(_cancel(batch, index, has_ended, after))))
    return found[0]


def _decide(batch: Batch, act: Callable[[Actions], object]) -> None:
    scheduler = batch.scheduler
    after: Actions = []
    try:
        with scheduler.lock:
            if scheduler.decisions.torn:
                scheduler.mend(after)
            act(after)
    finally:
        scheduler.perform(after)


# -- with the lock held ------------------------------------------------------------------------------------------------


def _steer(batch: Batch, after: Actions) -> None:
    """Do what was asked for last: whoever was interrupted in asking has left that to a thread which may come late."""
    if batch.to_pause:
        _pause(batch)
    else:
        _resume(batch, after)


def _pause(batch: Batch) -> None:
    if batch.done or batch.ended or batch.paused:
        return
    if batch.scheduler.closing:
        batch.to_pause = False
        raise RuntimeError("the fan is closed and waits for all calls: cancel the run to end it early")
    batch.paused = True
    bar(batch)
    batch.inputs.spread()
    if isinstance(batch, PolicyBatch):
        batch.backlog.paused = True


def _resume(batch: Batch, after: Actions) -> None:
    if not batch.paused:
        return
    batch.paused = False
    bar(batch)
    if isinstance(batch, PolicyBatch):
        batch.backlog.paused = False
    if not batch.ended and batch.ready():
        batch.scheduler.offer(batch, after)


def _cancel(batch: Batch, index: int, has_ended: Callable[[int], bool], after: Actions) -> bool:
    if batch.done or index in batch.withdrawn or batch.collector.get(index) is not None or has_ended(index):
        return False
    scheduler = batch.scheduler
    if _end_running(batch, index, after) or _drop_waiting(batch, index, after):
        scheduler.check_done(batch, after)
        return True
    # It is in the hands of a thread that is about to start it, or has ended this very moment.
    in_hand = any(session.queue is batch and not session.claim for session in scheduler.at_work)
    if in_hand:
        batch.withdrawn.add(index)
        bar(batch)
    return in_hand


def _end_running(batch: Batch, index: int, after: Actions) -> bool:
    scheduler, found = batch.scheduler, False
    for session in [session for session in scheduler.at_work if session.queue is batch]:
        for key in session.claim.copy():
            if batch.index_of(key) != index:
                continue
            if isinstance(key, Call):
                key.unwanted = True
            error = TaskCancelled(CANCELLED_ALONE)
            found = scheduler.timer.end(session, key, CANCELLED, error, after, grace=GRACE) or found
    return found


def _drop_waiting(batch: Batch, index: int, after: Actions) -> bool:
    entry = batch.inputs.take_out(index)
    if batch.ready():  # threads may have found nothing meanwhile
        batch.scheduler.offer(batch, after)
    if entry is not None:
        batch.drop_input(entry, TaskCancelled(CANCELLED_ALONE))
        after.append(partial(batch.reader.tell, index))
        return True
    if not isinstance(batch, PolicyBatch):
        return False
    made = batch.made.get(index) if isinstance(batch, InputCalls) else None
    if made is not None:
        made.unwanted = True
    backlog = batch.backlog
    for call in [*backlog.entries, *backlog.undecided, *backlog.backing_off]:
        if call.index == index and not isinstance(call, HedgeAttempt):
            call.unwanted = True
            backlog.withdraw(call)
            batch.abandon_locked(call, TaskCancelled(CANCELLED_ALONE), after)
            after.append(partial(batch.reader.tell, index))
            return True
    return False
