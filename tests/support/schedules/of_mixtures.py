"""Scenarios in which several things of the engine's meet: caps, lent slots, stuck threads, refused threads, ends."""

import threading
import time
from contextlib import suppress

from threadfan import Adaptive, Breaker, BreakerOpen, Fan, Hedge, RateLimit, TaskCancelled, TaskTimeout, task
from threadfan.patterns import FirstSuccess
from threadfan.testing.threads import refused_threads

from .scenario import Counted, scenario, settled, settled_fan, together

LATE = (TaskTimeout, TaskCancelled)


@scenario
def lent_slots_under_a_cap():
    """Lenders of a capped view wait for a slot and for room under the cap."""
    with settled_fan(2) as fan:
        view = fan.with_options(max_concurrent=1)

        def outer(item):
            return fan.submit(abs, item).result() + view.submit(abs, item).result()

        found = together(lambda: view.submit(outer, -1).result(), lambda: view.submit(outer, -2).result())
    assert found == [2, 4]


@scenario(flies=True)
def stuck_threads():
    """Calls whose time is up lose their slots; their threads come back, and are used or end."""
    with settled_fan(1, timeout=1, late=True) as fan:
        first, second = fan.submit(time.sleep, 1.25), fan.submit(time.sleep, 1)
        found = together(first.exception, second.exception, lambda: fan.submit(abs, -1).exception())
        assert all(error is None or isinstance(error, LATE) for error in found), found
        time.sleep(2)
        barrier = threading.Barrier(1)
        assert fan.with_options(timeout=None).submit(barrier.wait).result() == 0


@scenario(flies=True)
def stuck_threads_that_keep_their_slots():
    """No more than one may be stuck: the slot of the other comes back with its thread."""
    with settled_fan(2, timeout=1, max_abandoned=1, late=True) as fan:
        first, second = fan.submit(time.sleep, 1.25), fan.submit(time.sleep, 1.5)
        view = fan.with_options(timeout=None)
        found = together(first.exception, second.exception, lambda: view.submit(abs, -1).result())
        assert view.run(abs, [-1, -2]).unwrap() == [1, 2]
        time.sleep(3)  # until both threads are back
    assert all(error is None or isinstance(error, TaskTimeout) for error in found[:2]), found
    assert found[2] == 1


@scenario(flies=True)
def run_with_a_deadline():
    """What is left at the deadline of a batch is cancelled, and each input has one outcome."""
    with settled_fan(2, late=True) as fan:
        report = fan.run(time.sleep, [0.5, 1, 0.5, 0.25], deadline=1)
        assert len(report) == 4
        assert fan.submit(abs, -1).result() == 1
    for outcome in report:
        assert outcome.ok or isinstance(outcome.error, LATE), outcome


@scenario(flies=True)
def graph_with_timeouts():
    """A task that fails skips those after it; all of it comes to an end."""
    with settled_fan(2, timeout=1, late=True) as fan:
        graph = fan.graph()

        @graph.task
        def first():
            time.sleep(1)
            return 1

        @graph.task
        def second(first):
            return first + 1

        @graph.task
        def third():
            return 3

        report = graph.run()
    assert len(report) == 3


@scenario
def graphs_in_calls():
    """Graphs that are run by calls of their own fan."""
    with settled_fan(1) as fan:

        def outer(item):
            graph = fan.graph()

            @graph.task
            def first():
                return item

            @graph.task
            def second(first):
                return first + 1

            return graph.run()["second"].value

        assert fan.run(outer, [1, 2]).unwrap() == [2, 3]


@scenario
def stream_of_stages():
    """A reader of a pipeline that is about to sleep sees what comes."""
    with settled_fan(2) as fan:
        found = together(
            lambda: sorted(outcome.value for outcome in fan.pipeline(abs, str).stream(iter([-1, -2, -3]))),
            lambda: fan.submit(abs, -1).result(),
        )
    assert found == [["1", "2", "3"], 1]


@scenario
def stages_that_fail():
    """An item that fails goes no further, the others do."""

    def one(item):
        if item == 2:
            raise ValueError(item)
        return item

    with settled_fan(2) as fan:
        report = fan.pipeline(one, str).run([1, 2, 3])
    assert [outcome.ok for outcome in report] == [True, False, True]


@scenario
def interrupted():
    """All calls are dropped from elsewhere, as at a Ctrl-C; others are handed in afterwards."""
    with settled_fan(2, late=True) as fan:
        futures = [fan.submit(abs, -1) for _ in range(3)]

        def run():
            with suppress(TaskCancelled):
                return fan.run(abs, [-1, -2]).unwrap()

        together(run, fan._scheduler.interrupt)
        assert fan.submit(abs, -2).result() == 2
    assert all(future.done() for future in futures)


@scenario
def refused_starts():
    """The system gives every other thread at most; calls run on those there are."""
    counted = Counted()
    with refused_threads("ThreadPool", share=0.5, times=3), settled_fan(2) as fan:
        found = together(lambda: fan.submit(counted, 1).result(), lambda: fan.run(counted, [2, 3]).unwrap())
    assert found == [1, [2, 3]]
    assert counted.calls == {1: 1, 2: 1, 3: 1}


@scenario(sleeps=True)
def refused_helpers():
    """The system gives no thread for alarms and callbacks; whoever waits sees to them."""
    told = []
    with refused_threads("alarms|callbacks", times=4), settled_fan(1, timeout=1, late=True) as fan:
        future = fan.submit(time.sleep, 2)
        future.add_done_callback(told.append)
        assert isinstance(future.exception(), TaskTimeout)
        assert fan.submit(abs, -1).result() == 1
    assert told == [future]


@scenario
def one_of_equal_calls_is_cancelled():
    """The other one has the value."""
    counted, gate = Counted(), threading.Event()
    with settled_fan(1, late=True) as fan:
        blocking = fan.submit(gate.wait)
        view = fan.with_options(unique=True)
        first, second = view.submit(counted, 1), view.submit(counted, 1)
        _, cancelled, value = together(gate.set, first.cancel, second.result)
        assert value == 1
        assert cancelled == first.cancelled()
        assert blocking.result()
    assert counted.calls[1] in (1, 2)


@scenario(flies=True)
def pause_of_calls_that_are_tried_again():
    """A batch under a retry is paused and goes on, and one of its calls is cancelled."""
    counted = Counted()

    def one(item):
        counted(item)
        if counted.calls[item] == 1 and item < 2:
            raise ConnectionError(item)
        return item

    with settled_fan(2, retry=1, late=True) as fan:
        started = fan.start(one, [0, 1, 2])

        def steer():
            started.pause()
            started.cancel(1)
            started.resume()

        report, _ = together(started.result, steer)
    assert report[0].value == 0
    assert report[2].value == 2
    assert report[1].status in ("succeeded", "cancelled")


@scenario
def first_of_several():
    """The first that succeeds ends the others."""
    with settled_fan(2, late=True) as fan:
        found = together(
            lambda: fan.join(FirstSuccess(), task(abs, -1), task(abs, -1)), lambda: fan.gather(task(abs, -2)).unwrap()
        )
    assert found[1] == [2]


@scenario(flies=True)
def slots_that_adapt():
    """Their number changes with each answer; no slot is lost."""
    counted = Counted()

    def one(item):
        counted(item)
        if counted.calls[item] == 1 and item == 1:
            error = RuntimeError("slow down")
            error.status_code = 429
            raise error
        return item

    fan = Fan(Adaptive(start=1, ceiling=3), retry=2)
    with fan:
        assert fan.run(one, [0, 1, 2, 3]).unwrap() == [0, 1, 2, 3]
    assert fan._scheduler.slots.free == fan._scheduler.slots.total


@scenario(flies=True)
def breaker_that_opens():
    """Failures open it, and calls end at once; a trial closes it again."""
    breaker, counted = Breaker(failures=1, recovery=1), Counted()

    def one(item):
        counted(item)
        if item == 0:
            raise ConnectionError(item)
        return item

    with settled_fan(2, breaker=breaker) as fan:
        report = fan.run(one, [0, 1, 2])
        assert len(report) == 3
        assert all(outcome.ok or isinstance(outcome.error, (ConnectionError, BreakerOpen)) for outcome in report)
        time.sleep(2)
        assert fan.submit(one, 5).result() == 5


@scenario(flies=True)
def hedged_against_cancel():
    """A call with two attempts is cancelled while one of them ends."""
    with settled_fan(2, hedge=Hedge(after=0.5, budget=1), late=True) as fan:
        started = fan.start(time.sleep, [0.75, 0.5])
        report, _ = together(started.result, lambda: (time.sleep(0.5), started.cancel(0)))
    assert [outcome.index for outcome in report] == [0, 1]
    assert all(outcome.status in ("succeeded", "cancelled") for outcome in report)


@scenario(flies=True)
def limited_batch_against_cancel():
    """A batch that waits for a limit is cancelled; another fan has its turn."""
    limit = RateLimit(60)
    with settled_fan(1, rate=limit) as fan, settled_fan(1, rate=limit) as other:
        started = fan.start(abs, [-1, -2, -3])
        together(started.wait, started.cancel, lambda: other.run(abs, [-1, -2]).unwrap())
        assert len(started.report()) == 3


@scenario
def stream_that_is_dropped():
    """Nobody holds a stream any more, nor its fan."""

    def read():
        stream = iter(Fan(1).stream(abs, [-1, -2, -3], window=1))
        return next(stream).value

    assert together(read, read) == [1, 1]


@scenario
def priorities():
    """Calls of several priorities all have their turn."""
    counted = Counted()
    with settled_fan(1) as fan:
        urgent, late = fan.with_options(priority=-1), fan.with_options(priority=1)
        found = together(
            lambda: urgent.run(counted, [1, 2]).unwrap(),
            lambda: late.submit(counted, 3).result(),
            lambda: fan.submit(counted, 4).result(),
        )
    assert found == [[1, 2], 3, 4]
    assert counted.calls == {1: 1, 2: 1, 3: 1, 4: 1}


@scenario(flies=True)
def shutdown_against_timeouts():
    """A fan is closed while its calls come to their timeouts, and whoever waits returns when they have their ends."""
    fan = Fan(1, timeout=1)
    futures = [fan.submit(time.sleep, 1), fan.submit(time.sleep, 0.5)]

    def close():
        fan.shutdown()
        assert all(future.done() for future in futures)

    together(close, close)
    settled(fan, late=True)
