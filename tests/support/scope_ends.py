"""The ways in which a scope ends while a call is blocked in a client, and what is seen of it inside and outside."""

import importlib.util
import sys
import threading
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE, elapse, until
from support.scoped import call
from threadfan import CallCancelled, Fan, Scope, TaskTimeout, fail_after
from threadfan.testing import ManualClock

SOON = 0.2  # seconds: the timeout of a call that could go on for ever

# Without the GIL httpx itself fails: httpcore 1.0 looks twice at when a connection expires, and another thread may have
# cleared it meanwhile.
MADE_FOR_THIS = ("httpx", "httpx2") if getattr(sys, "_is_gil_enabled", lambda: True)() else ("httpx2",)
LIBRARIES = [name for name in MADE_FOR_THIS if importlib.util.find_spec(name)]


def noting(act, ends, begun=None):
    """``act`` as a call of a fan, which puts what came of it into a queue, and may set an event before."""

    def watched(*_):
        try:
            if begun is not None:
                begun.set()
            ends.put(act())
        except BaseException as error:
            ends.put(error)
            raise

    return watched


def wait_until_back(fan):
    """Wait for the threads of calls that are over, of which the fan would warn when it closes."""
    until(lambda: fan.snapshot()["abandoned"] == 0)


def by_fan(act, blocked):
    """The fan's timeout ends the call."""
    ends, begun = SimpleQueue(), threading.Event()
    with ManualClock() as clock, Fan(1, timeout=8) as fan:
        elapse(clock, 8, lambda: begun.wait(PATIENCE) and blocked())
        (outcome,) = fan.run(noting(act, ends, begun), [None])
        assert isinstance(outcome.error, TaskTimeout)
        assert isinstance(ends.get(timeout=PATIENCE), CallCancelled)
        wait_until_back(fan)


def by_block(act, blocked):
    """A block's deadline ends what it does."""
    with ManualClock() as clock:
        elapse(clock, 8, blocked)
        with pytest.raises(TaskTimeout) as caught, fail_after(8):
            act()
    assert isinstance(caught.value.__cause__, CallCancelled)


def by_cancel(act, blocked):
    """Another thread cancels the scope, once the call is blocked."""
    scope = Scope()
    future = call(scope, act)
    blocked()
    scope.cancel()
    assert isinstance(future.exception(PATIENCE), CallCancelled)


WAYS = [by_fan, by_block, by_cancel]
