"""Races on purpose: threads are held for a moment where another one may come between.

Under load that happens by itself, once in thousands of runs; so a test, or the engine, that counts on not being
interrupted there fails each time.  What is held at which places:

- ``leaving``: a worker after a call has ended, before it has left its queue, and before it waits for the next;
- ``helping``: helpers before each of their rounds;
- ``refused``: whoever a limit has refused a permit, before he is told;
- ``waking``: whoever wakes on a manual clock;
- ``starting``: each thread before its first line.
"""

import functools
import threading
import time
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from threadfan._core.base.helpers import Helper
from threadfan._core.limits.waitlist import Waitlist
from threadfan._core.pool import working
from threadfan._core.pool.scheduler import Scheduler
from threadfan.testing import ManualClock

SECONDS = 0.01
"""How long a thread is held.  Arbitrary: what others do meanwhile takes a hundredth of it."""


def _before(function):
    @functools.wraps(function)
    def held(*args, **kwargs):
        time.sleep(SECONDS)
        return function(*args, **kwargs)

    return held


def _after(function, when=lambda result: True):
    @functools.wraps(function)
    def held(*args, **kwargs):
        result = function(*args, **kwargs)
        if when(result):
            time.sleep(SECONDS)
        return result

    return held


def _with_slow_rounds(init):
    @functools.wraps(init)
    def made(self, name, clock, rounds, refused):
        init(self, name, clock, _before(rounds), refused)

    return made


PLACES = {
    "leaving": [(Scheduler, "turn", _before), (working, "_told", _before)],
    "helping": [(Helper, "__init__", _with_slow_rounds)],
    "refused": [(Waitlist, "take", functools.partial(_after, when=lambda permit: permit is None))],
    "waking": [(ManualClock, "wait_until", _after)],
    "starting": [(threading.Thread, "run", _before)],
}


@contextmanager
def held_at(*places):
    """Hold threads at these places while the block runs.

    Raises:
        ValueError: there is no such place.
    """
    with ExitStack() as stack:
        for place in places:
            if place not in PLACES:
                raise ValueError(f"threads cannot be held at {place!r}; right are {', '.join(PLACES)}")
            for owner, name, change in PLACES[place]:
                stack.enter_context(patch.object(owner, name, change(getattr(owner, name))))
        yield
