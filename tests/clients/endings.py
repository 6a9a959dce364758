"""The ways in which a scope ends while a call is blocked in a client, and what is seen of it inside and outside."""

import importlib.util
import sys
import threading
import time
from concurrent.futures import Future
from queue import SimpleQueue

import pytest

from threadfan import CallCancelled, Fan, Scope, TaskTimeout, fail_after
from threadfan.control.scope import bearer

PATIENCE = 10.0  # real seconds after which a wait counts as a hang; nothing healthy comes near it
SOON = 0.2  # seconds: the timeout of a call that could go on for ever

# Without the GIL httpx itself fails: httpcore 1.0 looks twice at when a connection expires, and another thread may have
# cleared it meanwhile.
MADE_FOR_THIS = ("httpx", "httpx2") if getattr(sys, "_is_gil_enabled", lambda: True)() else ("httpx2",)
LIBRARIES = [name for name in MADE_FOR_THIS if importlib.util.find_spec(name)]


def in_scope(scope, act, *args):
    """Run a function in a scope, in a thread of its own; gives a standard future of its result."""
    future = Future()

    def run():
        bearer.set(scope)
        try:
            result = act(*args)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="in scope", daemon=True).start()
    return future


def by_fan(act, blocked):
    """The fan's timeout ends the call."""
    ends = SimpleQueue()

    def watched(_):
        try:
            ends.put(act())
        except BaseException as error:
            ends.put(error)
            raise

    with Fan(1, timeout=SOON) as fan:
        (outcome,) = fan.run(watched, [None])
        assert isinstance(outcome.error, TaskTimeout)
        assert isinstance(ends.get(timeout=PATIENCE), CallCancelled)
        late = time.monotonic() + PATIENCE
        while fan._hub.lost and time.monotonic() < late:  # until its thread is back, or the fan warns of it
            time.sleep(0)


def by_block(act, blocked):
    """A block's deadline ends what it does."""
    with pytest.raises(TaskTimeout) as caught, fail_after(SOON):
        act()
    assert isinstance(caught.value.__cause__, CallCancelled)


def by_cancel(act, blocked):
    """Another thread cancels the scope, once the call is blocked."""
    scope = Scope()
    future = in_scope(scope, act)
    blocked()
    scope.cancel()
    assert isinstance(future.exception(PATIENCE), CallCancelled)


WAYS = [by_fan, by_block, by_cancel]
