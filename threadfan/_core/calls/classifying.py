"""What an error that a call has raised says of its end."""

from __future__ import annotations

from ..base.errors import CallCancelled, TaskCancelled, TaskTimeout, TimeUp
from ..base.outcome import CANCELLED, FAILED, TIMED_OUT
from ..base.static import describe, is_a, traceback_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.attempt import Status

_OWN = __name__[: -len("calls.classifying")]  # how the names of this package's private modules begin


def classify(
    error: BaseException, seconds: float, timeout: float | None, fn: Callable[..., object], waited: float = 0.0
) -> tuple[Status, BaseException]:
    """The status and the caller's error for what a call raised.

    The traceback loses this package's own frames: they say nothing, and would keep their variables alive.  None of the
    error's own code runs: an error that cannot be asked is an outcome like any other.

    Args:
        waited: how many seconds of the timeout are for waits for a limit.
    """
    trace = traceback_of(error)
    while trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith(_OWN):
        trace = trace.tb_next
    BaseException.with_traceback(error, trace)  # which works for frozen classes too
    if not is_a(error, CallCancelled):
        return FAILED, error
    if is_a(error, TimeUp):
        return TIMED_OUT, TaskTimeout(str(error))
    if timeout is not None and seconds >= timeout:
        return TIMED_OUT, TaskTimeout(f"{describe(fn)} did not return within {timeout - waited:g} s")
    return CANCELLED, TaskCancelled(f"{describe(fn)} was cancelled")
