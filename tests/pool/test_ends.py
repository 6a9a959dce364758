"""The ends of things: of the interpreter, of a fan that nobody holds, of threads in the child of a fork."""

import gc
import os
import sys
import threading

import pytest

from support.controlled import PATIENCE, run_program, until
from threadfan import BrokenThreadPool, Fan


def test_calls_that_run_finish_before_the_interpreter_ends():
    """Neither closed nor held, a fan's calls are done before the interpreter goes."""
    script = """
import time
from threadfan import Fan
def slow(item):
    time.sleep(0.2)
    print(f"{item} ", end="", flush=True)
fan = Fan(2)
for item in range(4):
    fan.submit(slow, item)
"""
    assert sorted(run_program(script)[0].split()) == ["0", "1", "2", "3"]


def test_an_open_stream_ends_with_the_interpreter():
    """Nobody will read on, so what it has taken is not worked on any more, nor is the call waited for that runs."""
    script = """
import threading, time
from threadfan import Fan
fan, started = Fan(1), threading.Event()
def call(item):
    print(item, end=" ", flush=True)
    if item == 1:
        started.set()
        time.sleep(60)
stream = fan.stream(call, range(100))  # at hand, so all of the window is taken at once
next(stream)
started.wait(20)
"""
    assert run_program(script)[0] == "0 1 "


def test_a_collected_fan_finishes_its_calls_and_lets_its_threads_go():
    """Dropping the last reference loses no call and leaves no thread."""
    fan = Fan(2)
    threads = fan._threads
    futures = [fan.submit(pow, 2, power) for power in range(10)]
    del fan
    gc.collect()
    assert [future.result(PATIENCE) for future in futures] == [2**power for power in range(10)]
    for thread in tuple(threads):
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_both_sides_of_a_fork_can_be_used():
    """In the child the fan starts anew, and the parent's calls raise there instead of being waited for."""
    script = """
import os, sys, threading
from threadfan import BrokenThreadPool, Fan
go = threading.Event()
fan = Fan(1)
running, queued = fan.submit(go.wait, 30), fan.submit(int)
child = os.fork()
if child == 0:
    kinds = [type(future.exception(10)) for future in (running, queued)]
    fresh = fan.submit(pow, 2, 3).result(10), fan.run(abs, [-1]).unwrap()
    os._exit(0 if kinds == [BrokenThreadPool] * 2 and fresh == (8, [1]) else 1)
_, status = os.waitpid(child, 0)
go.set()
print(status, running.result(), queued.result())
"""
    assert run_program(script)[0] == "0 True 0\n"


def test_an_initializer_that_fails_breaks_batches_with_their_report():
    """A batch on a pool that cannot start threads raises, and says of every input that it was not run."""

    def initializer():
        raise ValueError("no")

    with Fan(1, initializer=initializer) as fan:
        with pytest.raises(BrokenThreadPool) as caught:
            fan.run(abs, [1, 2])
        assert [outcome.status for outcome in caught.value.report] == ["cancelled", "cancelled"]
        with pytest.raises(BrokenThreadPool):
            fan.submit(abs, 1)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_no_exception_of_a_call_ends_its_thread(kind):
    """Exceptions that end programs end only the call that raises them."""

    def call(item):
        if item == 1:
            raise kind
        return threading.get_ident()

    with Fan(1) as fan:
        report = fan.run(call, range(3))
        assert report[0].value == report[2].value
        assert isinstance(report[1].error, kind)
        assert isinstance(fan.submit(call, 1).exception(), kind)
        assert fan.submit(call, 0).result() == report[0].value


_IN_SUBINTERPRETERS = {
    "a run": "with Fan(2) as fan: assert fan.run(abs, [-1, -2]).unwrap() == [1, 2]",
    "a timeout, of which the thread of alarms knows": """
with Fan(2, timeout=60) as fan: assert fan.submit(abs, -1).result() == 1
""",
    "a call that is ended": """
from threadfan import TaskTimeout, sleep
def call():
    sleep(60)
with Fan(1, timeout=0.01) as fan: assert isinstance(fan.submit(call).exception(), TaskTimeout)
""",
    "a done-callback that a thread of its own runs": """
import threading
go, seen = threading.Event(), []
with Fan(1) as fan:
    fan.submit(go.wait)
    queued = fan.submit(abs, -1)
    queued.add_done_callback(seen.append)
    fan.shutdown(wait=False, cancel_futures=True)
    go.set()
assert seen == [queued]
""",
    "a stream that nobody reads on, of which a finalizer sees to the end": """
with Fan(2) as fan: next(fan.stream(abs, range(-1000, 0)))
""",
}
"""What begins threads of each kind there is."""


@pytest.mark.parametrize("script", _IN_SUBINTERPRETERS.values(), ids=_IN_SUBINTERPRETERS)
def test_a_subinterpreter_can_have_a_fan(script):
    """A fan made in a subinterpreter works there, and when that ends all of its threads have, to the last."""
    interpreters = pytest.importorskip("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
    made = interpreters.create("legacy") if sys.version_info >= (3, 13) else interpreters.create(isolated=False)
    try:
        failure = interpreters.run_string(made, f"from threadfan import Fan\n{script}")
    finally:
        until(lambda: _destroyed(interpreters, made))
    assert failure is None


def _destroyed(interpreters, made):
    """Whether it was: CPython 3.11 does not wait for its threads, but refuses while it has any."""
    try:
        interpreters.destroy(made)
    except RuntimeError:
        if sys.version_info >= (3, 12):
            raise
        return False
    return True
