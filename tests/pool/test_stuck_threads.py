"""Calls that do not return: their outcomes, their slots, their threads."""

import asyncio
import subprocess
import sys
import threading
import warnings

import pytest

from support.controlled import PATIENCE, elapse, run_program, until
from threadfan import Fan, TaskTimeout
from threadfan._core.pool import shutdown as lifecycle


def shutdown_when_back(fan):
    """Close a fan whose late threads were let go, when they have come back and there is none to warn of."""
    until(lambda: fan.snapshot()["abandoned"] == 0)
    fan.shutdown()


def test_a_slot_comes_back_at_the_timeout(clock):
    """On one slot, the call after one that hangs runs although the first has not returned."""
    hung, stop = threading.Event(), threading.Event()

    def hang(item):
        if item == 0:
            hung.set()
            stop.wait(PATIENCE)
        return item

    fan = Fan(1, timeout=8)
    elapse(clock, 8, hung)
    report = fan.run(hang, [0, 1, 2])
    with pytest.warns(RuntimeWarning, match=r"still stuck in .*hang, \d+\.\d s after it was called, at .*threads\.py:"):
        fan.shutdown()  # the place is that of the user's own code, not of what it waits in
    stop.set()
    assert [outcome.status for outcome in report] == ["timed_out", "succeeded", "succeeded"]


def test_a_replacement_thread_is_initialised(clock):
    """The thread that takes over has run the initializer."""
    started, stop, ready = threading.Event(), threading.Event(), threading.local()
    fan = Fan(1, initializer=lambda: setattr(ready, "yes", True), timeout=8)
    elapse(clock, 8, started)
    hung = fan.submit(lambda: started.set() or stop.wait(PATIENCE))
    assert fan.submit(lambda: ready.yes).result(PATIENCE) is True
    assert isinstance(hung.exception(PATIENCE), TaskTimeout)
    stop.set()
    shutdown_when_back(fan)


def test_a_late_result_is_dropped(clock):
    """What a call returns after its timeout changes neither its future nor any figure."""
    started, stop, returned = threading.Event(), threading.Event(), threading.Event()
    fan = Fan(1, timeout=8)
    elapse(clock, 8, started)

    def late():
        started.set()
        stop.wait(PATIENCE)
        returned.set()
        return "late"

    future = fan.submit(late)
    assert isinstance(future.exception(PATIENCE), TaskTimeout)
    stop.set()
    assert returned.wait(PATIENCE)
    assert fan.submit(int).result(PATIENCE) == 0
    shutdown_when_back(fan)
    assert isinstance(future.exception(), TaskTimeout)
    assert (fan.snapshot()["done"], fan.snapshot()["failed"]) == (2, 1)


def test_ten_thousand_hung_calls_stop_at_the_cap(clock):
    """Beyond ``max_abandoned`` outcomes are final too, but slots come back with their threads; one warning says so."""
    stop = threading.Event()
    started = []

    def hang(item):
        started.append(item)
        stop.wait(PATIENCE)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fan = Fan(5, timeout=8, max_abandoned=20)
        futures = [fan.submit(hang, item) for item in range(10_000)]
        for running in range(5, 26, 5):
            until(lambda running=running: len(started) == running)
            clock.wait_for_sleepers(until=clock.monotonic() + 8)
            clock.advance(8)
        for future in futures[:25]:
            assert isinstance(future.exception(PATIENCE), TaskTimeout)
        figures = fan.snapshot()
        assert (figures["abandoned"], figures["queued"]) == (20, 10_000 - 25)
        assert len(started) == 25
        stop.set()
        fan.shutdown(cancel_futures=True)
    assert sum("max_abandoned" in str(warning.message) for warning in caught) == 1
    assert all(future.done() for future in futures)


def test_callbacks_of_a_timeout_do_not_run_on_the_deadline_timer():
    """A callback that blocks does not keep the deadline timer from its next timeout."""
    stop, blocked = threading.Event(), threading.Event()
    names = []

    def callback(_):
        names.append(threading.current_thread().name)
        blocked.set()
        stop.wait(PATIENCE)

    fan = Fan(2, timeout=0.05)
    fan.submit(stop.wait, PATIENCE).add_done_callback(callback)
    assert blocked.wait(PATIENCE)
    assert isinstance(fan.submit(stop.wait, PATIENCE).exception(PATIENCE), TaskTimeout)
    stop.set()
    shutdown_when_back(fan)
    assert names[0].endswith("-callbacks")


def test_stuck_threads_do_not_hold_up_the_interpreter():
    """A script whose calls hang for a minute ends when its main thread does."""
    script = """
import time
from threadfan import Fan
fan = Fan(2, timeout=0.05)
print([outcome.status for outcome in fan.run(time.sleep, [60, 60])])
print(fan.with_options(timeout=None).submit(int).result())
"""
    assert run_program(script)[0] == "['timed_out', 'timed_out']\n0\n"


def test_a_call_that_times_out_during_exit_does_not_hold_it_up():
    """A call that is still within its time when the main thread ends is waited for no longer than that."""
    script = "import time; from threadfan import Fan; Fan(1, timeout=0.3).submit(time.sleep, 60)"
    assert run_program(script)[0] == ""


def shutdown_warnings(fan):
    """What closing a fan warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fan.shutdown()
    return [str(warning.message) for warning in caught]


def test_one_warning_tells_of_all_threads():
    """Under the fan's name, with the first few by name; those who stand in C code alone have no place."""
    stop = threading.Lock()
    with stop:
        fan = Fan(50, timeout=0.05, name="reviews", thread_name_prefix="t")
        fan.run(stop.acquire, [True] * 50)
        (text,) = shutdown_warnings(fan)
    for _ in range(50):  # each of the late calls takes it
        until(stop.locked)
        stop.release()
    assert text.startswith("reviews: 50 threads are stuck in calls that are over: the thread t_")
    assert text.endswith("; and 45 more")
    assert text.count("s after it was called") == 5
    assert ", at " not in text
    assert len(text) < 1000


def test_a_warning_names_what_would_end_the_calls():
    """Where it is known from the library that they wait in."""
    stop = threading.Event()
    fan = Fan(2, timeout=0.05)
    fan.run(stop.wait, [PATIENCE] * 2)
    (text,) = shutdown_warnings(fan)
    stop.set()
    assert text.endswith("; to end what such calls wait in: threadfan.clients.threading")


SLEEPS = """
import subprocess, sys
from threadfan import Fan
with Fan(2, timeout=0.5) as fan:
    fan.run(subprocess.run, [[sys.executable, "-c", "import time; time.sleep(2)"]])
"""


@pytest.mark.parametrize(
    ("begin", "remedy"), [((), "threadfan.clients.subprocess"), (("-m", "threadfan"), "--attach subprocess")]
)
def test_a_warning_names_an_option_where_there_is_one(tmp_path, begin, remedy):
    """Of the command line that runs the program; and else what a program writes."""
    if begin:
        pytest.importorskip("typer")
    (tmp_path / "sleeps.py").write_text(SLEEPS, encoding="utf-8")
    command = [sys.executable, *begin, str(tmp_path / "sleeps.py")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert f"; to end what such calls wait in: {remedy}\n" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
def test_a_ctrl_c_while_a_block_waits_for_its_calls_tells_where_they_hang():
    """At the end of the block, in a program that has no options for that."""
    out, errors = run_program("""
import os, signal, sys, threading, time
from threadfan import Fan
signal.signal(signal.SIGINT, signal.default_int_handler)

def hang():
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    threading.Event().wait()

began = time.monotonic()
try:
    with Fan(2) as fan:
        fan.submit(hang)
except KeyboardInterrupt:
    print(time.monotonic() - began < 30)
""")
    assert out == "True\n"
    assert "is still stuck in hang" in errors
    assert ", at " in errors


def test_a_thread_that_is_on_its_way_is_not_warned_of():
    """A call that returns a moment after its time was up is not stuck."""
    stop, closing = threading.Event(), threading.Event()

    def late():
        assert stop.wait(PATIENCE)
        assert closing.wait(PATIENCE)

    fan = Fan(1, timeout=0.05)
    future = fan.submit(late)
    assert isinstance(future.exception(PATIENCE), TaskTimeout)
    stop.set()
    join = lifecycle.linger

    def linger(scheduler):
        closing.set()  # so that the thread is still stuck when the fan's calls are done
        join(scheduler)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifecycle, "linger", linger)
        patch.setattr(lifecycle, "MOMENT", PATIENCE)
        assert shutdown_warnings(fan) == []


@pytest.mark.parametrize("way", ["with", "async with"])
def test_a_warning_that_is_an_error_does_not_replace_the_bodys_exception(way):
    """That one gets it as a note; without one it is raised, as any warning would be."""
    stop = threading.Event()

    async def close(error):
        async with Fan(1, timeout=0.05) as fan:
            await fan.arun(stop.wait, [PATIENCE])
            if error is not None:
                raise error

    def use(error):
        if way == "async with":
            asyncio.run(close(error))
        with Fan(1, timeout=0.05) as fan:
            fan.run(stop.wait, [PATIENCE])
            if error is not None:
                raise error

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KeyError, match="body") as caught:
            use(KeyError("body"))
        with pytest.raises(RuntimeWarning, match="still stuck in"):
            use(None)
    stop.set()
    assert "still stuck in" in caught.value.__notes__[0]


def test_nobody_asks_where_threads_stand_unless_one_is_stuck(monkeypatch):
    """That question is what some subinterpreters of CPython 3.13.0 do not survive."""
    monkeypatch.setattr(sys, "_current_frames", None)
    with Fan(2, timeout=PATIENCE) as fan:
        assert fan.run(abs, [-1, -2]).unwrap() == [1, 2]
