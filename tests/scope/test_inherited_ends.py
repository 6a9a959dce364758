"""A call that ends from outside takes along what it waits for, and everything that waits heeds its scope."""

import threading
from functools import partial

import pytest

import threadfan
from support.controlled import PATIENCE, Gate, aside, elapse, until
from threadfan import CallCancelled, Fan, TaskCancelled, TaskTimeout, current_scope, fail_after, move_on_after
from threadfan.testing import ManualClock

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")


def by_run(fan, fn):
    """A batch."""
    return fan.run(fn, [1]).unwrap()


def by_lazy_run(fan, fn):
    """A batch whose inputs come one by one."""
    return fan.run(fn, iter([1])).unwrap()


def by_stream(fan, fn):
    """A stream."""
    return [outcome.unwrap() for outcome in fan.stream(fn, [1])]


def by_map(fan, fn):
    """A map."""
    return list(fan.map(fn, [1]))


def by_buffered_map(fan, fn):
    """A map whose inputs are taken as they are needed."""
    return list(fan.map(fn, iter([1]), buffersize=1))


def by_gather(fan, fn):
    """A gathering."""
    return fan.gather(threadfan.task(fn, 1)).unwrap()


def by_result(fan, fn):
    """A future's result."""
    return fan.submit(fn, 1).result()


def by_exception(fan, fn):
    """A future's exception."""
    return fan.submit(fn, 1).exception()


def by_wait(fan, fn):
    """The standard library's wait."""
    return [future.result() for future in threadfan.wait([fan.submit(fn, 1)]).done]


def by_as_completed(fan, fn):
    """The standard library's as_completed."""
    return [future.result() for future in threadfan.as_completed([fan.submit(fn, 1)])]


WAYS = [
    by_run, by_lazy_run, by_stream, by_map, by_buffered_map, by_gather, by_result, by_exception, by_wait,
    by_as_completed,
]  # fmt: skip


def waits(way, seen, told, started):
    """A call that waits for one that hangs until its own scope is cancelled, and notes what it gets."""

    def inner(_):
        ended = threading.Event()
        current_scope().on_cancel(ended.set)
        started.set()
        told.append(ended.wait(PATIENCE))

    def outer(fan):
        try:
            way(fan, inner)
        except BaseException as error:
            seen.append(type(error))
            raise

    return outer


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_timeout_ends_what_the_call_waits_for(way):
    """At the outer call's timeout the inner one is told, and the outer's thread gets ``CallCancelled``."""
    seen, told, started = [], [], threading.Event()
    with ManualClock() as clock, Fan(2) as fan:
        outer = fan.with_options(timeout=8).submit(waits(way, seen, told, started), fan)
        assert started.wait(PATIENCE)
        clock.wait_for_sleepers(until=8)
        clock.advance(8)
        assert isinstance(outer.exception(PATIENCE), TaskTimeout)
        until(lambda: seen and told)
    assert (seen, told) == ([CallCancelled], [True])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_cancel_ends_what_the_call_waits_for(way):
    """``Future.cancel`` on a call that waits is False as ever, and ends what it waits for, and so the call."""
    seen, told, started = [], [], threading.Event()
    with Fan(2) as fan:
        outer = fan.submit(waits(way, seen, told, started), fan)
        assert started.wait(PATIENCE)
        until(lambda: fan.snapshot()["waiting"] == 1 or seen)
        assert not outer.cancel()
        assert isinstance(outer.exception(PATIENCE), TaskCancelled)
    assert (seen, told) == ([CallCancelled], [True])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_block_ends_what_it_waits_for(way):
    """``move_on_after`` and ``fail_after`` bound batches and futures outside of any call too."""
    seen, told = [], []
    started = [threading.Event(), threading.Event()]
    with ManualClock() as clock, Fan(2) as fan:

        def body():
            with move_on_after(8) as scope:
                waits(way, seen, told, started[0])(fan)
            assert scope.cancelled_caught
            with pytest.raises(TaskTimeout), fail_after(8):
                waits(way, seen, told, started[1])(fan)

        bodies = aside(body)
        for number, event in enumerate(started, start=1):
            assert event.wait(PATIENCE)
            clock.wait_for_sleepers(until=8 * number)
            clock.advance(8)
        bodies.result(PATIENCE)
        until(lambda: len(told) == 2)
    assert seen == [CallCancelled] * 2


def test_a_batch_that_a_block_ends_leaves_its_report():
    """What was done by then is on the error of ``fail_after``."""
    hold, done, holding = threading.Event(), threading.Event(), threading.Event()

    def some(item):
        if item:
            done.set()
        else:
            assert done.wait(PATIENCE)
            holding.set()
            hold.wait(PATIENCE)

    with ManualClock() as clock, Fan(1) as fan:
        elapse(clock, 8, holding)
        with pytest.raises(TaskTimeout) as caught, fail_after(8):
            fan.run(some, [1, 0])
        hold.set()
    assert [outcome.status for outcome in caught.value.report] == ["succeeded", "cancelled"]


def test_what_is_queued_never_starts():
    """A call that waits for a slot is dropped when the call that handed it in has ended."""
    with Gate() as gate, Fan(2) as fan:
        fan.submit(gate, "filler")
        gate.wait_for(1)
        outer = fan.with_options(timeout=0.05).submit(lambda: fan.run(gate, ["inner 1", "inner 2", "inner 3"]))
        assert isinstance(outer.exception(PATIENCE), TaskTimeout)
        until(lambda: fan.snapshot()["queued"] == 0)
        gate.open()
    assert "inner 3" not in gate.started


def test_remaining_time_is_inherited():
    """An inner call has no more time than the outer one, and may have less."""
    with ManualClock() as clock, Fan(2) as fan:
        view = fan.with_options(timeout=10)

        def remaining(_=None):
            return current_scope().remaining()

        def outer():
            clock.advance(4)
            return [
                *fan.run(remaining, [1]).unwrap(),
                *fan.with_options(timeout=3).run(remaining, [1]).unwrap(),
                fan.submit(remaining).result(),
                view.submit(remaining).result(),
            ]

        assert view.submit(outer).result(PATIENCE) == [6, 3, 6, 6]


def test_a_successor_has_its_own_time():
    """A call that hands in its successor and returns does not bound it: chains of calls go on for ever."""
    with ManualClock() as clock, Fan(1, timeout=10) as fan:
        successor = []

        def first():
            clock.advance(4)
            successor.append(fan.submit(lambda: current_scope().remaining()))

        fan.submit(first).result(PATIENCE)
        assert successor[0].result(PATIENCE) == 10


HANDED_IN = {
    "submit": lambda fan, fn: fan.submit(fn, 0).result,
    "start": lambda fan, fn: partial(result_of, fan.start(fn, [0])),
    "stream": lambda fan, fn: aside(lambda stream: next(stream).unwrap(), fan.stream(fn, [0])).result,
}


def result_of(run, patience):
    """That of its one call."""
    return run.result(patience)[0].unwrap()


@pytest.mark.parametrize("begins", ["before", "later"])
@pytest.mark.parametrize("way", HANDED_IN)
def test_a_block_that_was_left_bounds_what_was_handed_in_in_it(way, begins):
    """It ends at the deadline, whether it has begun by then or asked for its scope; nothing is left of the block."""
    with ManualClock() as clock, Gate() as gate, Fan(1) as fan:
        begun, left, asked, ended, seen = *(threading.Event() for _ in range(4)), []

        def call(_):
            begun.set()
            assert left.wait(PATIENCE)
            seen.append(current_scope().remaining())
            asked.set()
            try:
                threadfan.sleep(60)
            finally:
                ended.set()

        if begins == "later":
            fan.submit(gate)
            gate.wait_for(1)
        with fail_after(8) as scope:
            result = HANDED_IN[way](fan, call)
            assert begins == "later" or begun.wait(PATIENCE)
            scope.on_cancel(partial(seen.append, "its own"))
        clock.advance(1)
        left.set()
        gate.open()
        assert asked.wait(PATIENCE)
        clock.advance(7)
        with pytest.raises((CallCancelled, TaskCancelled)):
            result(PATIENCE)
        assert ended.wait(PATIENCE)
    assert seen == [7]


def test_what_ends_before_its_block_would_leaves_no_alarm(clock):
    """The block is left first, and then all that it was to end has ended."""
    with Gate() as gate, Fan(2) as fan:
        with fail_after(8):
            futures = [fan.submit(gate) for _ in range(2)]
        gate.open()
        assert [future.exception(PATIENCE) for future in futures] == [None] * 2
        until(lambda: not [one for one in threading.enumerate() if one.name.startswith("threadfan-alarm")])


def test_nothing_begins_in_a_scope_that_has_ended():
    """Every operation of a call that is over raises at once."""
    begun, over, raised = threading.Event(), threading.Event(), []
    with ManualClock() as clock, Fan(2) as fan:

        def outer():
            begun.set()
            assert over.wait(PATIENCE)
            for way in WAYS:
                try:
                    way(fan, abs)
                except CallCancelled:
                    raised.append(way)

        elapse(clock, 8, begun)
        future = fan.with_options(timeout=8).submit(outer)
        assert isinstance(future.exception(PATIENCE), TaskTimeout)
        over.set()
        until(lambda: len(raised) == len(WAYS))


def test_a_future_of_another_fan_is_waited_for_through_the_scope():
    """The wait ends, and the other fan's call, which was handed in elsewhere, goes on."""
    seen, begun = [], threading.Event()
    with ManualClock() as clock, Gate() as gate, Fan(1) as other, Fan(1, timeout=8) as fan:
        future = other.submit(gate, "goes on")
        elapse(clock, 8, begun)

        def waiting():
            try:
                begun.set()
                future.result()
            except BaseException as error:
                seen.append(type(error))
                raise

        assert isinstance(fan.submit(waiting).exception(PATIENCE), TaskTimeout)
        until(lambda: seen)
        gate.open()
        assert future.result(PATIENCE) == "goes on"
    assert seen == [CallCancelled]


def test_three_levels_end_together():
    """The end goes through to calls of calls of calls."""
    told, started = [], threading.Event()

    def level(fan, number):
        if number:
            return fan.run(lambda _: level(fan, number - 1), range(2)).unwrap()
        ended = threading.Event()
        current_scope().on_cancel(ended.set)
        started.set()
        return told.append(ended.wait(PATIENCE))

    with ManualClock() as clock, Fan(4) as fan:
        outer = fan.with_options(timeout=8).submit(level, fan, 2)
        elapse(clock, 8, started)
        assert isinstance(outer.exception(PATIENCE), TaskTimeout)
        until(lambda: fan.snapshot()["running"] == 0 == fan.snapshot()["queued"] == fan.snapshot()["abandoned"])
    assert told
    assert all(told)


def test_cancels_race_the_ends_of_inner_calls():
    """However a timeout falls into waiting, nothing hangs and no slot is lost."""
    with Fan(4, max_abandoned=10**6) as fan:
        view = fan.with_options(timeout=0.002)

        def outer(number):
            return fan.run(lambda _: threadfan.sleep(0.0003 * (number % 8)), range(3)).ok

        report = aside(view.run, outer, range(300)).result(60)
        assert {outcome.status for outcome in report} <= {"succeeded", "timed_out"}
        until(lambda: fan.snapshot()["running"] == 0 == fan.snapshot()["abandoned"])
        barrier = threading.Barrier(4)
        assert sorted(fan.run(lambda _: barrier.wait(PATIENCE), range(4)).unwrap()) == [0, 1, 2, 3]
