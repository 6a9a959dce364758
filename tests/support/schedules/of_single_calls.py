"""Scenarios of single calls: handing in, cancelling, waiting, timeouts, the end of a fan."""

import threading
import time
from concurrent import futures
from concurrent.futures import CancelledError
from contextlib import suppress

from threadfan import Fan, TaskTimeout, as_completed, current_scope

from .scenario import Counted, scenario, settled, settled_fan, together


@scenario
def submit_against_shutdown():
    """A call that was taken in runs once, and is over when the fan has been waited for; else it was refused."""
    fan, counted, taken = Fan(2), Counted(), []

    def submit(item):
        try:
            taken.append(fan.submit(counted, item))
        except RuntimeError as error:
            assert "after shutdown" in str(error)  # noqa: PT017

    def close():
        fan.shutdown()

    submit(0)
    together(lambda: submit(1), close)
    fan.shutdown()
    assert all(future.done() for future in taken)
    assert counted.calls == dict.fromkeys((future.result() for future in taken), 1)
    settled(fan)


@scenario
def two_submits_at_one_parked_worker():
    """Both calls run, once each."""
    counted = Counted()
    with settled_fan(1) as fan:
        fan.submit(counted, 0).result()
        found = together(lambda: fan.submit(counted, 1).result(), lambda: fan.submit(counted, 2).result())
    assert found == [1, 2]
    assert counted.calls == {0: 1, 1: 1, 2: 1}


@scenario
def two_submits_at_two_parked_workers():
    """The same with two workers, which need each other: neither call ends before the other has begun."""
    with settled_fan(2) as fan:
        barrier = threading.Barrier(2)
        for _ in range(2):
            futures.wait([fan.submit(barrier.wait) for _ in range(2)])
        found = together(lambda: fan.submit(barrier.wait).result(), lambda: fan.submit(barrier.wait).result())
    assert sorted(found) == [0, 1]


@scenario
def cancel_against_start():
    """A call is cancelled or has its value, and its callback is called once."""
    counted, told = Counted(), []
    with settled_fan(1) as fan:
        first = fan.submit(counted, 0)
        future = fan.submit(counted, 1)
        future.add_done_callback(told.append)
        (cancelled,) = together(future.cancel)
        if cancelled:
            assert future.cancelled()
        else:
            assert future.result() == 1
        assert first.result() == 0
    assert told == [future]
    assert counted.calls == ({0: 1} if cancelled else {0: 1, 1: 1})


@scenario(flies=True)
def timeout_against_end():
    """A call that ends at its timeout has one of the two ends, and its slot is there for the next."""
    with settled_fan(1, timeout=1, late=True) as fan:
        future, told = fan.submit(time.sleep, 1), []
        future.add_done_callback(told.append)
        with suppress(TaskTimeout):
            assert future.result() is None
        (after,) = together(lambda: fan.with_options(timeout=None).submit(abs, -1).result())
        assert after == 1
    assert told == [future]


@scenario(sleeps=True)
def timeout_against_heeding():
    """A call that heeds its scope leaves at its timeout; others go on."""
    with settled_fan(1, timeout=1, late=True) as fan:

        def heed():
            gone = threading.Event()
            current_scope().on_cancel(gone.set)
            gone.wait()
            current_scope().check()

        first, second = fan.submit(heed), fan.submit(abs, -1)
        assert isinstance(first.exception(), TaskTimeout)
        assert second.exception() is None or isinstance(second.exception(), TaskTimeout)


@scenario
def lent_slots():
    """Calls that wait for calls of their own fan lend their one slot, and get it back."""
    counted = Counted()
    with settled_fan(1) as fan:

        def outer(item):
            return fan.submit(counted, item).result() + 10

        found = together(lambda: fan.submit(outer, 1).result(), lambda: fan.submit(outer, 2).result())
    assert found == [11, 12]
    assert counted.calls == {1: 1, 2: 1}


@scenario
def lent_slots_for_each_other():
    """A call waits, with as_completed, for others that wait in turn."""
    with settled_fan(1) as fan:

        def outer():
            inner = [fan.submit(lambda: fan.submit(abs, -3).result()) for _ in range(2)]
            return sum(future.result() for future in as_completed(inner))

        assert fan.submit(outer).result() == 6


@scenario(flies=True)
def lent_slot_against_timeout():
    """A call that has lent its slot is ended at its timeout; what it waited for goes on, and no slot is lost."""
    with settled_fan(1, late=True) as fan:

        def inner():
            time.sleep(1)
            return 5

        def outer():
            return fan.submit(inner).result()

        future = fan.with_options(timeout=1).submit(outer)
        with suppress(TaskTimeout):
            assert future.result() == 5
        assert fan.submit(abs, -2).result() == 2


@scenario
def waiters_against_result():
    """Whoever waits for a future learns of its end, in whatever way he waits; its callback is called once."""
    told = []
    with settled_fan(1) as fan:
        future = fan.submit(abs, -4)
        found = together(
            future.result,
            lambda: futures.wait([future]).done,
            lambda: [one.result() for one in as_completed([future])],
            lambda: future.add_done_callback(told.append),
        )
    assert found[:3] == [4, {future}, [4]]
    assert told == [future]


@scenario
def waiters_against_cancel():
    """The same for a future that is cancelled, or is not any more."""
    told, gate = [], threading.Event()
    with settled_fan(1) as fan:
        fan.submit(gate.wait)
        future = fan.submit(abs, -4)

        def result():
            try:
                return future.result()
            except CancelledError:
                return "cancelled"

        def cancel():
            gate.set()
            return future.cancel()

        found = together(result, lambda: futures.wait([future]).done, cancel)
        future.add_done_callback(told.append)
    assert found == ["cancelled" if found[2] else 4, {future}, found[2]]
    assert told == [future]


@scenario
def two_shutdowns():
    """Both return when all is done, a third one too."""
    counted, fan = Counted(), Fan(2)
    taken = [fan.submit(counted, item) for item in range(2)]

    def close():
        fan.shutdown()
        assert all(future.done() for future in taken)

    together(close, close)
    close()
    assert counted.calls == {0: 1, 1: 1}
    settled(fan)


@scenario
def shutdown_against_cancelled_futures():
    """One closes the fan, and another one cancels what waits: each call has an end, and nobody waits in vain."""
    fan, counted = Fan(1), Counted()
    taken = [fan.submit(counted, item) for item in range(3)]
    together(fan.shutdown, lambda: fan.shutdown(cancel_futures=True))
    assert all(future.done() for future in taken)
    assert counted.calls == {future.result(): 1 for future in taken if not future.cancelled()}
    settled(fan)


@scenario(flies=True)
def shutdown_with_timeout():
    """What is not over by then is cancelled; whoever waits for the end returns when each call has its own."""
    fan = Fan(1)
    taken = [fan.submit(time.sleep, 1), fan.submit(abs, -1)]

    def close():
        fan.shutdown()
        assert all(future.done() for future in taken)

    together(lambda: fan.shutdown(timeout=1), close)


@scenario
def fan_that_nobody_holds():
    """Its calls end, and so do its threads."""
    counted = Counted()

    def submit():
        return Fan(2).submit(counted, 1)

    def close():
        fan = Fan(1)
        future = fan.submit(counted, 2)
        del fan
        return future.result()

    future, _ = together(submit, close)
    assert future.result() == 1


@scenario
def resized():
    """Slots that come and go while calls are handed in."""
    with settled_fan(1) as fan:

        def resize():
            fan.resize(3)
            fan.resize(2)

        found = together(lambda: fan.submit(abs, -1).result(), resize, lambda: fan.run(abs, [-2, -3]).unwrap())
        assert found == [1, None, [2, 3]]
        barrier = threading.Barrier(2)
        assert sorted(future.result() for future in [fan.submit(barrier.wait) for _ in range(2)]) == [0, 1]


@scenario
def bounded_queue():
    """Calls wait for a place among those that wait to begin, and nobody waits in vain."""
    counted = Counted()
    with settled_fan(1, max_queued=1) as fan:

        def submit(*items):
            return [future.result() for future in [fan.submit(counted, item) for item in items]]

        found = together(lambda: submit(1, 2), lambda: submit(3, 4))
    assert found == [[1, 2], [3, 4]]
    assert counted.calls == {1: 1, 2: 1, 3: 1, 4: 1}


@scenario
def bounded_queue_against_shutdown():
    """Whoever waits for a place when the fan is closed is refused."""
    fan, counted, taken = Fan(1, max_queued=1), Counted(), []

    def submit():
        try:
            for item in range(3):
                taken.append(fan.submit(counted, item))  # noqa: PERF401
        except RuntimeError as error:
            assert "after shutdown" in str(error)  # noqa: PT017

    together(submit, fan.shutdown)
    fan.shutdown()
    assert counted.calls == dict.fromkeys((future.result() for future in taken), 1)
    settled(fan)


@scenario
def equal_calls():
    """Of equal calls that are asked for at once one runs, and each who asked has its value."""
    counted = Counted()
    with settled_fan(2) as fan:
        view = fan.with_options(unique=True)
        found = together(lambda: view.submit(counted, 7).result(), lambda: view.submit(counted, 7).result())
    assert found == [7, 7]
    assert 1 <= counted.calls[7] <= 2


@scenario
def capped_views():
    """A view's bound holds, and each call runs."""
    running, most = [], []

    def one(item):
        running.append(item)
        most.append(len(running))
        running.remove(item)
        return item

    with settled_fan(2) as fan:
        view = fan.with_options(max_concurrent=1)
        found = together(lambda: view.submit(one, 1).result(), lambda: view.submit(one, 2).result())
        assert view.submit(one, 3).result() == 3
    assert found == [1, 2]
    assert max(most) == 1
