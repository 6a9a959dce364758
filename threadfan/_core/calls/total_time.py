"""How long a call may take over all its attempts: ``total_timeout``.

What counts are its attempts and the back-offs between them; as with ``timeout``, what it waits for a slot or for a
limit does not.  Of two attempts side by side the time counts once.

A call knows what it has used from the end of its first attempt on, until when the shorter of both timeouts holds for it
as for any call.
"""

from __future__ import annotations

from ..base.clock import FOREVER
from ..base.errors import TaskTimeout
from ..base.outcome import END, START, STATUS, TIMED_OUT
from .policies import Used

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.outcome import Raw
    from .call_queue import Call
    from .policies import AttemptState

ROUNDING = 1e-6  # seconds


def _used(call: Call) -> Used:
    state = call.state
    if state.used is None:
        state.used = Used(FOREVER if call.timeout is None else call.timeout)
    return state.used


def bound(call: Call, total: float) -> None:
    """An attempt starts, and has no more time than is left.  With the scheduler's lock held."""
    used = _used(call)
    used.spent += call.state.backoff
    call.timeout = min(used.timeout, max(0.0, total - used.spent))


def bound_second(second: Call, call: Call, seconds: float) -> None:
    """A second attempt is made, beside one of ``call`` that has gone on for so long."""
    used = _used(call)
    second.state.used = Used(used.timeout, used.spent + seconds)


def told(call: Call, total: float, raw: Raw, name: str) -> Raw:
    """The end of an attempt, which says so if it is the time for all of them that is up."""
    state = call.state
    if raw[STATUS] is not TIMED_OUT or raw[START] is None or total - _after(state, raw) > ROUNDING:
        return raw
    number = len(state.attempts) + 1
    attempts = "1 attempt" if number == 1 else f"{number} attempts"
    error = TaskTimeout(f"{name} did not succeed within its total_timeout of {total:g} s, in {attempts}")
    return (*raw[:3], TIMED_OUT, error, *raw[5:])


def spend(call: Call, raw: Raw) -> None:
    """An attempt has ended, or two side by side.  With the scheduler's lock held."""
    if raw[START] is not None:
        _used(call).spent = _after(call.state, raw)


def _after(state: AttemptState, raw: Raw) -> float:
    before = 0.0 if state.used is None else state.used.spent
    return before + raw[END] - raw[START] - state.waited_inside  # type: ignore[operator]  # it has started


def is_over(call: Call, total: float, wait: float) -> bool:
    """Whether the time will be up after so many seconds more."""
    return _used(call).spent + wait >= total - ROUNDING
