"""Beginnings and ends: forks, exits, garbage, initializers that fail, calls that raise what they should not."""

import gc
import os
import threading
import weakref

import pytest

from support.controlled import PATIENCE, Gate, aside, meet, run_program, until, within_patience
from threadfan import BrokenThreadPool, Fan
from threadfan._core.pool.scheduler import Scheduler
from threadfan.testing import Probe

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
FORK = """
import os, sys, threading, warnings
warnings.simplefilter("ignore")  # forking with threads is what this is about
from threadfan import Fan, as_completed
go, started = threading.Event(), threading.Semaphore(0)

def hold(item):
    started.release()
    go.wait(20)
    return item

def in_child(check):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            check()
        except BaseException as error:
            print("child raised", type(error).__name__)
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@needs_fork
def test_fan_is_usable_on_both_sides_of_a_fork():
    """An idle fan that has run calls runs more in the child, and then in the parent."""
    out, _ = run_program(
        FORK
        + """
fan = Fan(2)
print(fan.run(abs, [-1, -2]).unwrap())
in_child(lambda: print("child", fan.run(abs, [-3]).unwrap(), fan.submit(abs, -4).result(10), list(fan.map(abs, [-5]))))
print("parent", fan.run(abs, [-6]).unwrap())
"""
    )
    assert out.splitlines() == ["[1, 2]", "child [3] 4 [5]", "parent [6]"]


@needs_fork
def test_calls_of_the_parent_raise_in_the_child():
    """Futures and batches that waited or ran at the fork raise a clear error in the child; the parent's go on."""
    out, _ = run_program(
        FORK
        + """
fan = Fan(2)
fan.run(abs, [-1])  # imports what it needs: no fork is safe while another thread imports
running = [fan.submit(hold, number) for number in range(2)]
queued = fan.submit(abs, -1)
batch = []
thread = threading.Thread(target=lambda: batch.append(fan.run(hold, [7, 8]).unwrap()))
thread.start()
for _ in range(2):
    started.acquire()

def check():
    for future in [*running, queued]:
        error = future.exception(10)
        print("child", type(error).__name__, "forked" in str(error))
    print("child", sorted(future.done() for future in as_completed([*running, queued], 10)))
    print("child", fan.run(abs, [-9]).unwrap(), fan.snapshot()["running"])

in_child(check)
go.set()
thread.join()
print("parent", [future.result(10) for future in [*running, queued]], batch)
"""
    )
    assert out.splitlines() == [
        *["child BrokenThreadPool True"] * 3,
        "child [True, True, True]",
        "child [9] 0",
        "parent [0, 1, 1] [[7, 8]]",
    ]


@needs_fork
def test_stream_of_the_parent_raises_in_the_child():
    """A stream that was being read at the fork raises in the child; it does not wait for threads that are not there."""
    out, _ = run_program(
        FORK
        + """
fan = Fan(1)
stream = fan.stream(lambda item: item if item < 2 else hold(item), range(5), ordered=True)
print(next(stream).value, next(stream).value)
started.acquire()
in_child(lambda: [print("child got", outcome.status) for outcome in stream if outcome.ok])
go.set()
print("parent", [outcome.value for outcome in stream])
"""
    )
    assert out.splitlines() == ["0 1", "child raised BrokenThreadPool", "parent [2, 3, 4]"]


@needs_fork
def test_fork_while_another_thread_looks_at_a_done_future():
    """A lock that another thread held at the fork does not stop futures of the child."""
    out, _ = run_program(
        FORK
        + """
fan = Fan(1)
done = [fan.submit(abs, -1), fan.submit(abs, -2)]
while not all(future.done() for future in done):
    pass
held, release = threading.Event(), threading.Event()

def look():
    with done[0]._condition:
        held.set()
        release.wait(20)

thread = threading.Thread(target=look)
thread.start()
held.wait()
in_child(lambda: print("child", [future.result(5) for future in as_completed(done[1:], 5)]))
release.set()
thread.join()
"""
    )
    assert out.splitlines() == ["child [2]"]


def test_interpreter_waits_for_calls_that_are_not_over():
    """At the end of a program, calls that run or are queued finish first."""
    out, _ = run_program(
        """
import threading
from threadfan import Fan
ending = threading.Event()
threading._register_atexit(ending.set)  # called before the library's own, which was registered earlier

def call(item):
    ending.wait(20)
    print(item, flush=True)

fan = Fan(1)
for item in range(3):
    fan.submit(call, item)
"""
    )
    assert out.split() == ["0", "1", "2"]


def test_calls_at_interpreter_exit_are_refused():
    """A call that hands in another while the interpreter ends gets the standard library's error."""
    out, _ = run_program(
        """
import threading
from threadfan import Fan
from threadfan._core.base import last
fan = Fan(1)
ending = threading.Event()
# Called before the library's own handler, which was registered earlier, and which this one runs.
threading._register_atexit(lambda: (last.begin(), ending.set()))

def call():
    ending.wait(20)
    while True:  # until the library's handler has come to it
        try:
            fan.submit(abs, -1).result()
        except RuntimeError as error:
            print(error)
            break

fan.submit(call)
"""
    )
    assert out == "cannot schedule new futures after interpreter shutdown\n"


def test_fan_that_nobody_holds_finishes_its_calls():
    """After the fan is collected, its calls end as if it were there, and then its threads end."""
    with Gate() as gate:
        fan = Fan(2, timeout=60)
        futures = [fan.submit(gate, number) for number in range(5)]
        gate.wait_for(2)
        threads, collected = list(fan._threads), weakref.ref(fan)
        del fan
        gc.collect()
        assert collected() is None
        gate.open()
        assert [future.result(PATIENCE) for future in futures] == list(range(5))
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_idle_fan_that_nobody_holds_ends_its_threads():
    """The same for threads that wait for work when the fan is collected."""
    fan = Fan(4)
    meet(fan, 4)
    threads = list(fan._threads)
    del fan
    gc.collect()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_idle_threads_send_each_other_home(monkeypatch):
    """Each is told to go by the one before, so that never many of them wake up at once; none is left."""
    fan = Fan(50)
    meet(fan, 50)
    until(lambda: len(fan._scheduler.crew.idle) == 50)
    threads, told, send_home = set(fan._threads), [], type(fan._scheduler.crew).send_home

    def noted(crew, after):
        before = len(after)
        send_home(crew, after)
        told.append(len(after) - before)

    monkeypatch.setattr(type(fan._scheduler.crew), "send_home", noted)
    within_patience(fan.shutdown)
    assert not any(thread.is_alive() for thread in threads)
    assert sum(told) == 50
    assert max(told) == 1


def test_one_that_is_told_to_go_too_early_stays():
    """It makes the call that it was given meanwhile, and goes when the fan is closed."""
    fan = Fan(3)
    meet(fan, 3)
    crew, threads = fan._scheduler.crew, set(fan._threads)
    until(lambda: len(crew.idle) == 3)
    with fan._scheduler.lock:  # told to go, and given a call before they can look
        future = fan.submit(threading.get_ident)
        for worker in crew.workers:
            worker.inbox.put(False)
    assert future.result(PATIENCE)
    until(lambda: len(crew.idle) == 3)
    within_patience(fan.shutdown)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("first", [0, 1], ids=["at once", "in the second thread"])
def test_initializer_that_fails_breaks_the_pool(first, caplog):
    """Submitted calls, batches and streams that wait get ``BrokenThreadPool``; a batch's has the report so far."""
    threads = iter(range(100))
    with Gate() as gate:

        def initializer():
            if next(threads) >= first:
                if first:
                    gate.wait_for(1)
                raise ValueError("no")

        fan = Fan(2, initializer=initializer)
        batch = aside(fan.run, gate, range(10))
        if first:
            gate.wait_for(1)
        until(lambda: fan._broken)
        gate.open()
        error = batch.exception(PATIENCE)
        assert isinstance(error, BrokenThreadPool)
        if hasattr(error, "report"):
            assert [outcome.ok for outcome in error.report] == [True] * first + [False] * (10 - first)
        with pytest.raises(BrokenThreadPool):
            fan.submit(abs, -1)
        with pytest.raises(BrokenThreadPool):
            list(fan.stream(abs, [-1]))
        with pytest.raises(BrokenThreadPool):
            fan.run(abs, [-1])
    within_patience(fan.shutdown)
    assert "Exception in initializer" in caplog.text


def test_initializer_that_fails_while_a_call_wants_its_slot_back(caplog):
    """A call that lent its slot gets it back from the thread that was to use it and could not start."""
    threads, waiting, go = iter(range(100)), threading.Event(), threading.Event()

    def initializer():
        if next(threads):
            waiting.set()
            assert go.wait(PATIENCE)
            raise ValueError("no")

    fan = Fan(1, initializer=initializer)

    def outer():
        future = fan.submit(abs, -1)
        with pytest.raises((TimeoutError, BrokenThreadPool)):  # the pool may have broken by the time it is back
            future.result(0.001)
        return "went on"

    future = fan.submit(outer)
    assert waiting.wait(PATIENCE)
    until(lambda: Probe(fan).lenders)
    go.set()
    assert future.result(PATIENCE) == "went on"
    within_patience(fan.shutdown)


def test_thread_that_cannot_be_started(monkeypatch, caplog):
    """A call that waits for one that no thread can be started for gets an error, and does not hang."""
    fan = Fan(2)
    fan.submit(abs, -1).result(PATIENCE)
    start = threading.Thread.start

    def refuse(thread):
        if thread.name.startswith(fan._thread_name_prefix):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    error = fan.submit(lambda: fan.submit(abs, -2).result()).exception(PATIENCE)
    assert isinstance(error, BrokenThreadPool)
    monkeypatch.undo()
    within_patience(fan.shutdown)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
def test_call_that_raises_what_ends_programs(error):
    """It ends that call only: the caller gets the error, and the slot serves the next."""

    def call(item):
        raise error(item)

    with Fan(1) as fan:
        assert type(fan.submit(call, 1).exception(PATIENCE)) is error
        assert [type(outcome.error) for outcome in fan.run(call, [1, 2])] == [error, error]
        assert [type(outcome.error) for outcome in fan.stream(call, [1, 2])] == [error, error]
        assert type(fan.gather(lambda: call(1))[0].error) is error
        meet(fan, 1)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_error_of_an_iterable_carries_the_report(error):
    """What was taken before an iterable failed is reported with its error."""

    def inputs():
        yield from (-1, -2)
        raise error("the input is broken")

    with Fan(2) as fan:
        with pytest.raises(error, match="the input is broken") as caught:
            fan.run(abs, inputs())
        report = caught.value.report
        assert [outcome.item for outcome in report] == [-1, -2]
        assert all(outcome.value == -outcome.item for outcome in report.succeeded)
        if error is ValueError:  # one that does not mean to end everything lets what runs finish
            assert {outcome.status for outcome in report} <= {"succeeded", "cancelled"}
        meet(fan, 2)


def test_repr_shows_the_state():
    """It tells what runs, what is queued, and whether the fan is open."""
    with Gate() as gate:
        fan = Fan(2, name="legal")
        futures = [fan.submit(gate, number) for number in range(5)]
        gate.wait_for(2)
        until(lambda: repr(fan) == "<Fan 'legal': open, 2 of 2 running, 3 queued>")
        gate.open()
        for future in futures:
            future.result(PATIENCE)
        fan.shutdown()
        assert repr(fan) == "<Fan 'legal': closed, 0 of 2 running, 0 queued>"


def test_waiting_for_futures_that_shutdown_drops():
    """``wait`` on a call that ``cancel_futures`` has dropped comes back, outside of calls and inside."""
    import threadfan

    def body():
        with Gate() as gate, Fan(1) as fan:
            fan.submit(gate)
            gate.wait_for(1)
            dropped = fan.submit(abs, -1)
            fan.shutdown(wait=False, cancel_futures=True)
            done = threadfan.wait([dropped]).done
            gate.open()
            return done == {dropped}

    assert within_patience(body)


def test_shutdown_while_another_thread_starts_one(monkeypatch):
    """A thread that has been planned and not yet started does not make ``shutdown`` fail."""
    fan = Fan(2)
    start, planned, go, hold = threading.Thread.start, threading.Event(), threading.Event(), threading.Event()
    fan.submit(abs, -1).result(PATIENCE)
    until(lambda: fan._scheduler.crew.idle)  # else the next call gets a thread of its own
    holding = fan.submit(hold.wait, PATIENCE)

    def start_late(thread):
        if thread.name.startswith(fan._thread_name_prefix):
            planned.set()
            assert go.wait(PATIENCE)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_late)
    submitted = aside(fan.submit, abs, -2)
    assert planned.wait(PATIENCE)
    hold.set()
    closing = aside(fan.shutdown)
    holding.result(PATIENCE)
    go.set()
    assert closing.result(PATIENCE) is None
    assert submitted.result(PATIENCE).result(PATIENCE) == 2


def test_a_fan_that_is_closed_just_as_somebody_looks():
    """Whoever waits for a place in a bounded fan looks without a lock: it is open, or it was shut down, no more."""

    class Closing:
        broken, looks = False, 0

        def depth(self):
            return 0

        @property
        def closing(self):
            self.looks += 1
            return self.looks > 1

    closing = Closing()
    Scheduler.check_open(closing)
    with pytest.raises(RuntimeError, match="after shutdown: make a new Fan"):
        Scheduler.check_open(closing)
