"""Outcomes of calls under policies that their last attempt has not made."""

from __future__ import annotations

from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED

NOBODY = "nobody waited for this call any more"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.attempt import Status
    from ..base.outcome import Raw
    from .call_queue import Call


def without_attempt(call: Call, status: Status, payload: object, now: float) -> Raw:
    """The outcome of a call that ends now; its times are those of its last attempt, if there was any."""
    state = call.state
    start = end = worker = None
    if state.attempts:
        last = state.attempts[-1]
        start = state.handed_in + last.started
        end, worker = start + last.duration, last.worker
    return (call.index, call.item, call.since, status, payload, start, now if end is None else end, worker)


def cancelled(call: Call, reason: BaseException, now: float) -> Raw:
    """The outcome of a call that waited; what it had failed with is the cause."""
    error = TaskCancelled(str(reason))
    if call.policies is None:
        return (call.index, call.item, call.since, CANCELLED, error, None, now, None)
    if call.state.undecided is not None:  # it has ended, only not been told whether it may be tried again
        return call.state.undecided
    if call.state.attempts:
        error.__cause__ = call.state.attempts[-1].error
    return without_attempt(call, CANCELLED, error, now)
