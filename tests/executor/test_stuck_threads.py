"""Calls that do not return: their outcomes, their slots, their threads."""

import threading
import warnings

import pytest
from controlled import PATIENCE, run_program, until

from threadfan import Fan, TaskTimeout


def shutdown_when_back(fan):
    """Close a fan whose late threads were let go, when they have come back and there is none to warn of."""
    until(lambda: fan.snapshot()["abandoned"] == 0)
    fan.shutdown()


def test_a_slot_comes_back_at_the_timeout():
    """On one slot, the call after one that hangs runs although the first has not returned."""
    stop = threading.Event()

    def hang(item):
        return stop.wait(PATIENCE) if item == 0 else item

    fan = Fan(1, timeout=0.05)
    report = fan.run(hang, [0, 1, 2])
    with pytest.warns(RuntimeWarning, match=r"still stuck in .*hang, \d+\.\d s after it was called, at .*threading.py"):
        fan.shutdown()
    stop.set()
    assert [outcome.status for outcome in report] == ["timed_out", "succeeded", "succeeded"]


def test_a_replacement_thread_is_initialised():
    """The thread that takes over has run the initializer."""
    stop, ready = threading.Event(), threading.local()
    fan = Fan(1, initializer=lambda: setattr(ready, "yes", True), timeout=0.05)
    hung = fan.submit(stop.wait, PATIENCE)
    assert fan.submit(lambda: ready.yes).result(PATIENCE) is True
    assert isinstance(hung.exception(PATIENCE), TaskTimeout)
    stop.set()
    shutdown_when_back(fan)


def test_a_late_result_is_dropped():
    """What a call returns after its timeout changes neither its future nor any figure."""
    stop, returned = threading.Event(), threading.Event()
    fan = Fan(1, timeout=0.05)

    def late():
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


def test_ten_thousand_hung_calls_stop_at_the_cap():
    """Beyond ``max_abandoned`` outcomes are final too, but slots come back with their threads; one warning says so."""
    stop = threading.Event()
    started = []

    def hang(item):
        started.append(item)
        stop.wait(PATIENCE)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fan = Fan(5, timeout=0.02, max_abandoned=20)
        futures = [fan.submit(hang, item) for item in range(10_000)]
        for future in futures[:25]:
            assert isinstance(future.exception(PATIENCE), TaskTimeout)
        figures = fan.snapshot()
        assert (figures["abandoned"], figures["queued"]) == (20, 10_000 - 25)
        assert len(started) == 25
        stop.set()
        fan.shutdown(cancel_futures=True)
    assert sum("max_abandoned" in str(warning.message) for warning in caught) == 1
    assert all(future.done() for future in futures)


def test_callbacks_of_a_timeout_do_not_run_on_the_watchdog():
    """A callback that blocks does not keep the watchdog from its next timeout."""
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
    assert not names[0].endswith("watchdog")


def test_stuck_threads_do_not_hold_up_the_interpreter():
    """A script whose calls hang for a minute ends when its main thread does."""
    script = """
import time
from threadfan import Fan
fan = Fan(2, timeout=0.05)
print([outcome.status for outcome in fan.run(time.sleep, [60, 60, 0])])
"""
    assert run_program(script)[0] == "['timed_out', 'timed_out', 'succeeded']\n"


def test_a_call_that_times_out_during_exit_does_not_hold_it_up():
    """A call that is still within its time when the main thread ends is waited for no longer than that."""
    script = "import time; from threadfan import Fan; Fan(1, timeout=0.3).submit(time.sleep, 60)"
    assert run_program(script)[0] == ""
