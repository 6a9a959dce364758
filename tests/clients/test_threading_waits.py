"""Locks, conditions, events, semaphores and queues that wait through the scope."""

import os
import queue
import random
import threading
import time
from collections import Counter
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE, until
from support.scoped import call
from threadfan import CallCancelled, Fan, Scope, TaskTimeout
from threadfan._core.scope.scope import scope_var
from threadfan.clients.threading import BoundedSemaphore, Condition, Empty, Event, Full, Lock, Queue, Semaphore

ROUNDS = int(1000 * float(os.environ.get("THREADFAN_HAMMER", "1")))


def held_lock():
    """A lock that somebody holds."""
    lock = Lock()
    assert lock.acquire()
    return lock


def full_queue():
    """A queue without a free place."""
    full = Queue(1)
    full.put("first")
    return full


def hold_and_wait(condition, timeout=None):
    """What every user of a condition does; says whether it was notified."""
    with condition:
        return condition.wait(timeout)


# What waits, given a timeout; and what it does when that is over.
WAITS = {
    "Lock.acquire": (lambda: held_lock().acquire, {}, False),
    "Condition.wait": (lambda: lambda timeout=None: hold_and_wait(Condition(), timeout), {}, False),
    "Condition(Lock).wait": (lambda: lambda timeout=None: hold_and_wait(Condition(Lock()), timeout), {}, False),
    "Event.wait": (lambda: Event().wait, {}, False),
    "Semaphore.acquire": (lambda: Semaphore(0).acquire, {}, False),
    "BoundedSemaphore.acquire": (lambda: BoundedSemaphore(0).acquire, {}, False),
    "Queue.get": (lambda: Queue().get, {}, Empty),
    "Queue.put": (lambda: full_queue().put, {"item": "second"}, Full),
}
waits = pytest.mark.parametrize(("make", "kwargs", "at_timeout"), WAITS.values(), ids=WAITS)


@waits
def test_a_cancel_ends_the_wait(clock, make, kwargs, at_timeout):
    """Whoever waits when its scope is cancelled is told so at once, and leaves nothing at its scope."""
    scope = Scope()
    waiting = call(scope, lambda: make()(**kwargs))
    clock.wait_for_sleepers()
    scope.cancel()
    with pytest.raises(CallCancelled, match="this call was cancelled"):
        waiting.result(PATIENCE)


@waits
def test_a_timeout_ends_the_wait_as_in_the_standard_library(clock, make, kwargs, at_timeout):
    """A timeout counts on the clock of the scope, and leaves no callback at the scope."""
    scope = Scope()
    waiting = call(scope, lambda: make()(**kwargs, timeout=5))
    clock.wait_for_sleepers(until=5)
    clock.advance(4)
    assert not waiting.done()
    clock.advance(1)
    if at_timeout is False:
        assert waiting.result(PATIENCE) is False
    else:
        with pytest.raises(at_timeout):
            waiting.result(PATIENCE)
    assert not scope._callbacks


@waits
def test_an_ended_scope_begins_no_wait(clock, make, kwargs, at_timeout):
    """Once the scope has ended, every operation that may wait raises at once."""
    scope = Scope()
    scope.cancel()
    for timeout in ({}, {"timeout": 5}):
        with pytest.raises(CallCancelled):
            call(scope, lambda timeout=timeout: make()(**kwargs, **timeout)).result(PATIENCE)


@waits
def test_the_timeout_of_a_fans_call_frees_its_thread(clock, make, kwargs, at_timeout):
    """A call that waits in vain gives its thread back at its timeout: nobody is left abandoned."""
    with Fan(1, timeout=30) as fan:
        future = fan.submit(lambda: make()(**kwargs))
        clock.wait_for_sleepers(2)
        clock.wait_for_sleepers(1, until=30)  # the fan has seen the call start
        clock.advance(30)
        with pytest.raises(TaskTimeout):
            future.result(PATIENCE)
        until(lambda: fan.snapshot()["abandoned"] == 0)


def test_an_ended_scope_begins_no_wait_that_would_be_short(clock):
    """A call that was cancelled ends at its next step, even if a lock is free, an item there and an event set."""
    event, stocked, lock = Event(), full_queue(), Lock()
    event.set()
    scope = Scope()
    scope.cancel()
    for act in (event.wait, stocked.get, lock.acquire, Semaphore(1).acquire, Queue().join, Queue(1).put):
        with pytest.raises(CallCancelled):
            call(scope, act, *(["item"] if act.__name__ == "put" else [])).result(PATIENCE)
    assert (stocked.qsize(), lock.locked()) == (1, False)


def test_a_call_whose_scope_has_ended_can_tidy_up(clock):
    """What never waits works whatever the scope says."""
    scope = Scope()
    scope.cancel()

    def tidy_up():
        lock, event, items, semaphore, condition = Lock(), Event(), Queue(1), Semaphore(1), Condition()
        assert lock.acquire(blocking=False)
        assert not lock.acquire(blocking=False)
        lock.release()
        assert semaphore.acquire(blocking=False)
        assert not semaphore.acquire(blocking=False)
        semaphore.release()
        event.set()
        items.put_nowait(1)
        with pytest.raises(Full):
            items.put_nowait(2)
        assert items.get_nowait() == 1
        with pytest.raises(Empty):
            items.get_nowait()
        items.task_done()
        Queue().put("never waits")
        with condition:
            condition.notify_all()
            assert condition.wait_for(lambda: "true already") == "true already"
        return "tidy"

    assert call(scope, tidy_up).result(PATIENCE) == "tidy"


@pytest.mark.parametrize("lock", [None, threading.Lock, threading.RLock, Lock])
def test_a_cancelled_waiter_holds_the_lock_again(clock, lock):
    """As after every other end of `wait`; the lock is the condition's own, one of the standard library's, or ours."""
    condition, scope = Condition(lock and lock()), Scope()
    depth = 2 if lock in (None, threading.RLock) else 1

    def wait():
        for _ in range(depth):
            condition.acquire()
        try:
            condition.wait()
        except CallCancelled:
            assert condition._is_owned()
            assert not call(Scope(), condition.acquire, False).result(PATIENCE)
            for _ in range(depth):
                condition.release()
            raise

    waiting = call(scope, wait)
    clock.wait_for_sleepers()
    scope.cancel()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)
    assert call(Scope(), condition.acquire, False).result(PATIENCE)


def test_a_cancelled_waiter_waits_for_the_lock(clock):
    """The lock of a condition is taken back however long somebody else holds it, though its scope has ended."""
    condition, scope = Condition(Lock()), Scope()
    waiting = call(scope, hold_and_wait, condition)
    clock.wait_for_sleepers()
    with condition:
        scope.cancel()
        clock.wait_for_sleepers()  # it waits for the lock now
        assert not waiting.done()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)
    assert not condition._lock.locked()


def test_a_notification_is_passed_on_by_one_that_was_cancelled(clock):
    """Of two waiters the first is notified and cancelled at once: it raises, and the second is woken."""
    condition, scope = Condition(), Scope()
    first = call(scope, hold_and_wait, condition)
    clock.wait_for_sleepers(1)
    second = call(Scope(), hold_and_wait, condition)
    clock.wait_for_sleepers(2)
    with condition:  # nobody can look before both have come
        condition.notify()
        scope.cancel()
    with pytest.raises(CallCancelled):
        first.result(PATIENCE)
    assert second.result(PATIENCE)


def test_a_notification_at_the_end_of_a_timeout_counts(clock):
    """A waiter that is notified while it takes the lock back, its timeout being over, says that it was."""
    condition = Condition()
    waiting = call(Scope(), hold_and_wait, condition, 5)
    clock.wait_for_sleepers()
    with condition:
        clock.advance(5)
        condition.notify()
    assert waiting.result(PATIENCE) is True


def test_a_cancel_wakes_nobody_else(clock):
    """Each waiter has a gate of its own; one that has left is not notified any more."""
    condition, scope = Condition(), Scope()
    first = call(scope, hold_and_wait, condition)
    clock.wait_for_sleepers(1)
    second = call(Scope(), hold_and_wait, condition)
    clock.wait_for_sleepers(2)
    scope.cancel()
    with pytest.raises(CallCancelled):
        first.result(PATIENCE)
    assert not second.done()
    with condition:
        condition.notify()
    assert second.result(PATIENCE)


def test_a_cancelled_acquire_does_not_hold_the_lock(clock):
    """Who was cancelled while it waited for a lock leaves it to the others, even if it was its turn."""
    lock, scope = held_lock(), Scope()
    first = call(scope, lock.acquire)
    clock.wait_for_sleepers(1)
    second = call(Scope(), lock.acquire)
    clock.wait_for_sleepers(2)
    with lock._free:  # both come before the waiter can look
        lock._held = False
        lock._free.notify()
        scope.cancel()
    with pytest.raises(CallCancelled):
        first.result(PATIENCE)
    assert second.result(PATIENCE)
    assert lock.locked()


def test_join_ends_with_the_scope_or_the_tasks(clock):
    """`Queue.join` is a wait like any other."""
    items, scope = full_queue(), Scope()
    cancelled, patient = call(scope, items.join), call(Scope(), items.join)
    clock.wait_for_sleepers(2)
    scope.cancel()
    with pytest.raises(CallCancelled):
        cancelled.result(PATIENCE)
    items.get()
    items.task_done()
    patient.result(PATIENCE)


def test_a_waiter_that_was_overtaken_waits_on(clock):
    """An item that somebody else took first was not meant for the waiter; the next is."""
    items = Queue()
    waiting = call(Scope(), items.get, True, 5)
    clock.wait_for_sleepers()
    with items.mutex:  # put and taken before the waiter can look
        items._put("first")
        items.not_empty.notify()
        assert items._get() == "first"
    clock.wait_for_sleepers()
    items.put("second")
    assert waiting.result(PATIENCE) == "second"


@pytest.mark.skipif(not hasattr(queue.Queue, "shutdown"), reason="queues can be shut down from Python 3.13 on")
def test_shutdown_ends_the_waits(clock):
    """`shutdown` of Python 3.13 reaches those who wait to get and to put."""
    empty, full = Queue(), full_queue()
    waiting = call(Scope(), empty.get), call(Scope(), full.put, "x")
    clock.wait_for_sleepers(2)
    for each in (empty, full):
        each.shutdown()
    for future in waiting:
        with pytest.raises(queue.ShutDown):
            future.result(PATIENCE)
    with pytest.raises(queue.ShutDown):
        Queue.put(empty, "x")


def test_outside_of_any_call_they_are_the_standard_librarys():
    """Without a scope nothing is checked, and what was written for the standard classes takes these."""
    assert isinstance(Condition(), threading.Condition)
    assert isinstance(Event(), threading.Event)
    assert isinstance(Semaphore(), threading.Semaphore)
    assert isinstance(BoundedSemaphore(), threading.BoundedSemaphore)
    assert isinstance(Queue(), queue.Queue)
    with Lock() as lock:
        assert lock is True
    with Semaphore(), Condition():
        pass
    semaphore = BoundedSemaphore(1)
    with pytest.raises(ValueError, match="released too many times"):
        semaphore.release()


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: Lock().acquire(False, 1), ValueError, "can't specify a timeout for a non-blocking call"),
        (lambda: Lock().acquire(timeout=-2), ValueError, "at least 0 seconds, or -1 for no limit, not -2"),
        (lambda: Lock().release(), RuntimeError, "release unlocked lock"),
        (lambda: Semaphore().acquire(False, 1), ValueError, "can't specify timeout"),
        (lambda: Semaphore(-1), ValueError, "must be >= 0"),
        (lambda: Queue().get(timeout=-1), ValueError, "must be a non-negative number of seconds, not -1"),
        (lambda: Queue(1).put(1, timeout=-1), ValueError, "must be a non-negative number of seconds, not -1"),
        (lambda: Condition().wait(), RuntimeError, "cannot wait on un-acquired lock"),
        (lambda: Condition().notify(), RuntimeError, "cannot notify on un-acquired lock"),
    ],
)
def test_misuse_is_refused_as_in_the_standard_library(act, error, message):
    """The same errors, naming what was wrong."""
    with pytest.raises(error, match=message):
        act()


def test_a_lock_shows_its_state():
    """As the standard library's."""
    lock = Lock()
    assert repr(lock).startswith("<unlocked threadfan.clients.threading.Lock object at 0x")
    with lock:
        assert repr(lock).startswith("<locked threadfan.clients.threading.Lock object at 0x")


# -- hammers: nothing lost, nobody stuck, whenever the cancels come ------------------------------------------------


def hammer(*roles):
    """Run each role in a thread of its own, ``ROUNDS`` times until it succeeds; half of the tries are cancelled.

    A role is called with a random number generator and raises CallCancelled, or Empty, Full or False for a timeout.
    Where a try is over so fast that every cancel came too late, all is done again.
    """
    assert any(cancels_in_time(roles) for _ in range(50)), "no cancel came in time: this hammer has missed"


def cancels_in_time(roles):
    """How many cancels have ended a try."""
    doomed, cancelled = SimpleQueue(), Counter()

    def cancel():
        while (entry := doomed.get()) is not None:
            scope, told, moment = entry
            for _ in range(moment):
                pass
            scope.cancel()
            told.put(None)

    def play(role, seed):
        chance, done, told = random.Random(seed), 0, SimpleQueue()
        while done < ROUNDS:
            scope = Scope()
            scope_var.set(scope)
            is_doomed = chance.random() < 0.5
            if is_doomed:
                doomed.put((scope, told, chance.randrange(500)))
            try:
                done += role(chance) is not False
            except CallCancelled:
                assert scope.cancelled
                cancelled[seed] += 1
            except (Empty, Full):
                pass
            if is_doomed:
                told.get(timeout=PATIENCE)  # or the cancels would come ever later

    canceller = call(Scope(), cancel)
    players = [call(Scope(), play, role, seed) for seed, role in enumerate(roles)]
    try:
        for player in players:
            player.result(PATIENCE * 2)
    finally:
        doomed.put(None)
    canceller.result(PATIENCE)
    return cancelled.total()


def some_timeout(chance):
    """None, or so few seconds that they often run out."""
    return chance.choice([None, None, 1e-5, 1e-3])


@pytest.mark.parametrize("maxsize", [1, 3, 0])
def test_hammered_queue(eager_switching, maxsize):
    """Every item that was put is got once, and no other, whoever is cancelled."""
    items, put, got = Queue(maxsize), [], []
    numbers = iter(range(10**9)).__next__
    guard = threading.Lock()

    def produce(chance):
        with guard:
            number = numbers()
        items.put(number, timeout=some_timeout(chance))
        put.append(number)

    def consume(chance):
        got.append(items.get(timeout=some_timeout(chance)))

    hammer(*[produce] * 3, *[consume] * 3)
    assert sorted(got) == sorted(put)
    assert items.empty()


@pytest.mark.parametrize("make", [Lock, lambda: Semaphore(1)])
def test_hammered_lock(eager_switching, make):
    """Never two hold it, a cancelled one never does, and it is free in the end."""
    lock, inside, entries = make(), [], Counter()

    def enter(chance):
        timeout = some_timeout(chance)
        if not lock.acquire(True, *([] if timeout is None else [timeout])):
            return False
        inside.append(None)
        time.sleep(0)  # somebody else's turn
        assert len(inside) == 1
        entries["done"] += 1  # which would lose some without a lock
        inside.pop()
        lock.release()
        return True

    hammer(*[enter] * 5)
    assert entries["done"] == 5 * ROUNDS
    assert lock.acquire(blocking=False)


@pytest.mark.parametrize("lock", [threading.Lock, Lock])
def test_hammered_condition(eager_switching, lock):
    """One notification for each token is enough: none is lost to a waiter that was cancelled or had no more time."""
    condition, tokens = Condition(lock()), Counter()

    def give(chance):
        time.sleep(0)
        with condition:
            if tokens["here"]:  # else nobody would have to wait
                return False
            tokens["here"] += 1
            condition.notify()
        return True

    def take(chance):
        with condition:
            if not condition.wait_for(lambda: tokens["here"], some_timeout(chance)):
                return False
            tokens["here"] -= 1
        return True

    hammer(*[give] * 2, *[take] * 2)
    assert tokens["here"] == 0


def test_hammered_notification(eager_switching):
    """However a cancel and a notification of the same waiter fall, one waiter is woken by the notification."""
    condition, both = Condition(), threading.Barrier(2)

    def notify():
        both.wait(PATIENCE)
        with condition:
            condition.notify()

    for _ in range(ROUNDS // 4):
        scope = Scope()
        doomed = call(scope, hold_and_wait, condition)
        until(lambda: len(condition._waiters) == 1)
        patient = call(Scope(), hold_and_wait, condition)
        until(lambda: len(condition._waiters) == 2)
        notifying = call(Scope(), notify)
        both.wait(PATIENCE)
        scope.cancel()
        notifying.result(PATIENCE)
        if doomed.exception(PATIENCE) is None:
            with condition:
                condition.notify()
        assert patient.result(PATIENCE) is True


def test_hammered_event(eager_switching):
    """Whoever waits for an event that is set, cleared and set again comes back."""
    event, over = Event(), []

    def flicker():
        while not over:
            event.set()
            event.clear()
        event.set()

    flickering = call(Scope(), flicker)
    try:
        hammer(*[lambda chance: event.wait(some_timeout(chance))] * 3)
    finally:
        over.append(True)
        flickering.result(PATIENCE)
