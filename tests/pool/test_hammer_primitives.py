"""Each primitive of the executor, raced against itself: one short hammer for each invariant.

``THREADFAN_HAMMER=10`` in the environment makes them ten times as long.
"""

import os
import random
import threading
import time
from collections import Counter

import pytest

import threadfan
from support.controlled import PATIENCE, aside, meet, within_patience
from threadfan import BrokenThreadPool, CancelledError, Fan, FanClosed, TaskTimeout

pytestmark = [pytest.mark.usefixtures("eager_switching"), pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")]

SCALE = float(os.environ.get("THREADFAN_HAMMER", "1"))
ROUNDS = int(1000 * SCALE)


def together(*fns, rounds=ROUNDS):
    """Run each function in a thread of its own, ``rounds`` times, all starting each round at once."""
    barrier = threading.Barrier(len(fns))

    def repeat(fn):
        try:
            for number in range(rounds):
                barrier.wait(PATIENCE)
                fn(number)
        except BaseException:
            barrier.abort()
            raise

    results = [aside(repeat, fn) for fn in fns]
    errors = [error for result in results if (error := result.exception(60)) is not None]
    for error in errors:
        if not isinstance(error, threading.BrokenBarrierError):
            raise error
    assert not errors


def test_future_that_ends_while_it_is_looked_at():
    """Cancel, result, wait, as_completed and callbacks race the end of a call: all agree, each callback comes once."""
    with Fan(2) as fan:
        starts, told, cancels = Counter(), Counter(), set()
        futures = {}
        ready = [threading.Event() for _ in range(ROUNDS)]

        def submit(number):
            futures[number] = fan.submit(lambda: starts.update([number]) or number)
            ready[number].set()

        def cancel(number):
            ready[number].wait(PATIENCE)
            if futures[number].cancel():
                cancels.add(number)
                assert futures[number].cancelled()

        def watch(number):
            ready[number].wait(PATIENCE)
            futures[number].add_done_callback(lambda future: told.update([number]))
            threadfan.wait([futures[number]], PATIENCE)
            assert futures[number].done()

        def complete(number):
            ready[number].wait(PATIENCE)
            assert list(threadfan.as_completed([futures[number]], PATIENCE)) == [futures[number]]

        def read(number):
            ready[number].wait(PATIENCE)
            try:
                assert futures[number].result(PATIENCE) == number
            except CancelledError:
                assert starts[number] == 0
            else:
                assert starts[number] == 1

        together(submit, cancel, cancel, watch, complete, read)
    for number, future in futures.items():
        assert future.cancelled() == (number in cancels)
        assert starts[number] == (number not in cancels)
        assert told[number] == 1


def test_overlapping_waits_do_not_lock_each_other_out():
    """Threads that wait for overlapping sets of futures, some ended before anybody looked, all come back."""
    hold = threading.Event()
    with Fan(2) as fan:
        open_future = fan.submit(hold.wait, PATIENCE)
        open_future.add_done_callback(lambda future: None)
        done = [fan.submit(abs, -1) for _ in range(100)]
        while not all(future.done() for future in done):
            time.sleep(0)  # any other way of waiting would be the first look
        # Which lock is taken first goes by the futures' addresses: have some on either side.
        done.sort(key=id)
        pairs = [{open_future, done[0]}, {open_future, done[-1]}]
        try:
            together(
                *(lambda number, pair=pair: threadfan.wait(pair, PATIENCE, threadfan.FIRST_COMPLETED) for pair in pairs)
            )
        finally:
            hold.set()


def test_waiting_inside_while_futures_end():
    """Calls that wait a very short time for their own calls lend and take back: no slot is lost, no value wrong."""
    with Fan(3) as fan:
        chance = random.Random(7)

        def outer(number):
            future = fan.submit(pow, number, 2)
            try:
                return future.result(chance.choice([0, 1e-6, 1e-4, None]))
            except TimeoutError:
                threadfan.wait([future], timeout=1e-5)
                return future.result()

        report = within_patience(fan.run, outer, range(2 * ROUNDS))
        assert report.unwrap() == [number**2 for number in range(2 * ROUNDS)]
        meet(fan, 3)


@pytest.mark.parametrize("slots", [1, 2, 8])
@pytest.mark.parametrize("ordered", [False, True])
def test_consumer_of_a_stream_is_always_woken(slots, ordered):
    """With windows so small that the consumer sleeps at nearly every outcome, it gets all of them."""
    with Fan(slots) as fan:
        for window in (1, 2, 3):
            stream = fan.stream(abs, range(ROUNDS), ordered=ordered, window=window)
            outcomes = within_patience(list, stream)
            assert sorted(outcome.unwrap() for outcome in outcomes) == list(range(ROUNDS))
            assert not ordered or [outcome.index for outcome in outcomes] == list(range(ROUNDS))


@pytest.mark.parametrize("buffersize", [None, 1, 2])
def test_consumer_of_a_map_is_always_woken(buffersize):
    """The same for ``map``, whose consumer waits for one certain outcome."""
    with Fan(4) as fan:
        values = within_patience(lambda: list(fan.map(abs, range(3 * ROUNDS), buffersize=buffersize)))
        assert values == list(range(3 * ROUNDS))


def test_feeding_while_threads_leave():
    """A batch fed one item at a time, each as the threads run dry, has every outcome."""
    with Fan(4) as fan:

        def inputs():
            for number in range(5 * ROUNDS):
                yield number
                if number % 3 == 0:
                    time.sleep(0)  # let the threads run dry

        assert within_patience(fan.run, abs, inputs()).unwrap() == list(range(5 * ROUNDS))


def test_timeout_that_strikes_as_the_call_ends():
    """Calls that take just as long as their timeout end once, as one thing or the other, and no slot is lost."""
    timeout = 0.002
    told = Counter()
    with Fan(8, timeout=timeout, max_abandoned=10**6) as fan:

        def call(number):
            time.sleep(timeout * (0.9 + number % 7 * 0.03))
            return number

        futures = [fan.submit(call, number) for number in range(ROUNDS)]
        for number, future in enumerate(futures):
            future.add_done_callback(lambda future, number=number: told.update([number]))
        report = fan.run(call, range(ROUNDS))
        for number, future in enumerate(futures):
            error = future.exception(PATIENCE)
            assert error is None or isinstance(error, TaskTimeout)
            assert error is not None or future.result() == number
        for number, outcome in enumerate(report):
            assert (outcome.status, outcome.value) in (("succeeded", number), ("timed_out", None))
        meet(fan.with_options(timeout=None), 8)
    assert told == Counter(range(ROUNDS))


def test_shutdown_while_a_batch_is_fed():
    """However ``shutdown(cancel_futures=True)`` falls into feeding, the report has an outcome for every input taken."""
    for number in range(ROUNDS // 2):
        fan = Fan(2)
        taken = []

        def inputs(taken=taken):
            while True:
                taken.append(len(taken))
                yield taken[-1]

        batch = aside(fan.run, abs, inputs())
        while len(taken) < number % 50 + 1:
            time.sleep(0)
        fan.shutdown(cancel_futures=True)
        error = batch.exception(PATIENCE)
        assert isinstance(error, (FanClosed, RuntimeError)), repr(error)
        assert len(taken) - 1 <= len(error.report) <= len(taken)
        assert [outcome.index for outcome in error.report] == list(range(len(error.report)))


def test_shutdown_while_calls_are_handed_in():
    """However ``shutdown`` falls into submits of other threads, it returns, and what was accepted is done."""
    for _ in range(ROUNDS // 4):
        fan = Fan(4)
        accepted = []

        def submit(fan=fan, accepted=accepted):
            try:
                while True:
                    accepted.append(fan.submit(abs, -1))
            except RuntimeError as error:
                return str(error)

        submitters = [aside(submit) for _ in range(2)]
        while len(accepted) < 3:
            time.sleep(0)
        within_patience(fan.shutdown)
        assert all("after shutdown" in submitter.result(PATIENCE) for submitter in submitters)
        assert all(future.done() and future.result() == 1 for future in accepted)


def test_leaving_while_calls_time_out():
    """However the end of ``with`` falls into timeouts, it waits for what still runs, and callbacks have been told."""
    for number in range(int(60 * SCALE) + 1):
        go = threading.Event()
        told = []

        def body(number=number, go=go, told=told):
            with Fan(3, timeout=0.002) as fan:
                for place in range(3):
                    fan.submit(go.wait if place else abs, place).add_done_callback(told.append)
                time.sleep(0.0005 * (number % 6))

        try:
            within_patience(body)
            assert len(told) == 3
        finally:
            go.set()


def test_initializer_that_fails_late():
    """An initializer that fails in some thread breaks the pool for every waiter at once, whatever they wait for."""
    for number in range(int(100 * SCALE)):
        count = iter(range(10**6))

        def initializer(count=count, number=number):
            if next(count) >= number % 4:
                raise ValueError("no")

        fan = Fan(4, initializer=initializer)

        def outer(item, fan=fan):
            return fan.submit(abs, item).result()

        def body(fan=fan, outer=outer):
            try:
                report = fan.run(outer, range(20))
            except BrokenThreadPool as error:
                report = getattr(error, "report", [])  # none if the pool was broken before the batch
            return [outcome.index for outcome in report]

        assert within_patience(body) in ([], list(range(20)))
        within_patience(fan.shutdown)
