"""A signal's exception, wherever it strikes in the main thread, leaves no lock of `clients.threading` taken."""

import queue
import threading
from itertools import count

import pytest

from support.collector import without_collector
from support.controlled import PATIENCE
from support.scoped import call
from support.striking import Strike, Struck, only_where_it_may_be_struck
from threadfan import Scope
from threadfan.clients import condition
from threadfan.clients import queue as queues
from threadfan.clients import threading as threads
from threadfan.clients.threading import BoundedSemaphore, Condition, Event, Lock, Queue, Semaphore

OURS = {condition.__file__, queues.__file__, threads.__file__}
# Of what `threading` has written in Python, that is struck which stands between the taking of a lock and its release.
BORDERS = {threading.Condition.__enter__.__code__, threading.Condition.__exit__.__code__}
# A lock of a user's is held until its release has begun, as with any that is written in Python.
BEGINNINGS = {Lock.__exit__.__code__, Lock.release.__code__}

pytestmark = only_where_it_may_be_struck


def of_ours(frame, event):
    """Whether a place is one that is to be struck."""
    code = frame.f_code
    return (code.co_filename in OURS or code in BORDERS) and not (event == "call" and code in BEGINNINGS)


@pytest.fixture(autouse=True)
def _no_collector():
    with without_collector():
        yield


def with_it(thing):
    """Hold it for a moment."""
    with thing:
        pass


def wait_and_be_told(thing):
    """Wait a moment, in vain."""
    with thing:
        thing.wait(0.0)
        thing.notify_all()


def _empty(items):
    """Wait a moment for an item, in vain."""
    with pytest.raises(queue.Empty):
        items.get(timeout=0.0)


def free(lock):
    """It can be taken and released."""
    assert lock.acquire(timeout=PATIENCE)
    lock.release()


def told(thing):
    """Nobody waits any more who could be told in the place of another, and the lock is free."""
    with thing:
        assert not thing._waiters


def usable(items):
    """Items go in and out, whatever is in it."""
    while not items.empty():
        items.get_nowait()
    items.put_nowait(2)
    assert items.get_nowait() == 2


def settable(event):
    """It can be set, and is."""
    event.set()
    assert event.wait(PATIENCE)


def whole(semaphore):
    """Both can be had."""
    for _ in range(2):
        assert semaphore.acquire(timeout=PATIENCE)


ACTS = {
    "Lock": (Lock, with_it, free),
    "Lock.acquire": (Lock, lambda lock: lock.acquire() and lock.release(), free),
    "Condition": (Condition, wait_and_be_told, told),
    "Condition, held twice": (Condition, lambda it: it.acquire() and (wait_and_be_told(it), it.release()), None),
    "Queue.put": (Queue, lambda items: items.put(1), usable),
    "Queue.get": (Queue, lambda items: (items.put(1), items.get()), usable),
    "Queue.get in vain": (Queue, _empty, usable),
    "Event": (Event, lambda event: (event.set(), event.clear(), event.wait(0.0)), settable),
    "Semaphore": (lambda: Semaphore(2), with_it, whole),
    "BoundedSemaphore": (lambda: BoundedSemaphore(2), with_it, whole),
}


@pytest.mark.parametrize(("make", "act", "check"), ACTS.values(), ids=ACTS)
def test_wherever_it_strikes_others_go_on(make, act, check):
    """Another thread does not hang, a call that is cancelled could not either, and what was taken is free."""
    for place in count():
        thing, strike = make(), Strike(place, of_ours)
        try:
            with strike:
                act(thing)
        except Struck:
            pass
        if strike.where is None:
            assert place > 3
            return
        if check is not None:
            error = call(Scope(), check, thing).exception(PATIENCE)
            assert error is None, f"after a strike at {strike.where}: {error!r}"
