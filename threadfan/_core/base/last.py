"""The end of the interpreter: whether it has begun, and what the main thread does then in place of other threads.

CPython 3.12 starts no thread once the main thread has come to its end, though calls that were handed in before are
still to be made: threads that exist make them, as in the standard library's pool, but here some threads are started
when they are first needed.  The main thread waits for the calls anyway, and meanwhile does the others' work, a step at
a time.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import thread as standard

from .clock import Clock
from .threads import for_ever

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .clock import Gate

LOOK = 0.02
"""Seconds between two steps, unless one is due before.  Arbitrary: what a call may be late at the very end."""

_exiting = False
_chores: deque[Callable[[], float | None]] = deque()


def begin() -> None:
    """From now on the interpreter ends."""
    global _exiting
    _exiting = True


def exiting() -> bool:
    """Whether the interpreter has begun to end; true as well once the standard library's pools have been told so."""
    return _exiting or standard._shutdown


def take_over(step: Callable[[], float | None], error: Exception) -> bool:
    """Have the main thread do what a thread was to do that could not be started, if that is because all is ending.

    Args:
        step: does what there is to do now; says in how many seconds there will be more, or None if it has ended.
        error: what ``start`` has raised.

    Returns:
        False if a thread may be had later.
    """
    if not for_ever(error):
        return False
    _chores.append(step)
    return True


def stand_in() -> threading.Thread:
    """The thread that does what was taken over."""
    return threading.main_thread()


def wait(gate: Gate) -> None:
    """In the main thread, at the end: wait until a gate is opened, and do meanwhile what was taken over."""
    clock, pause = Clock(), LOOK
    while not clock.wait(gate, pause):
        pause = LOOK
        for _ in range(len(_chores)):
            step = _chores.popleft()
            left = step()
            if left is not None:
                _chores.append(step)
                pause = min(pause, left)
