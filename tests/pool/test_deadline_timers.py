"""Deadline timers: they share a thread, look again whatever fails, and leave nothing behind."""

import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Fan, TaskTimeout, current_scope
from threadfan._core.scope import alarms
from threadfan.testing import Probe


def threads_of_alarms():
    """How many there are."""
    return sum(thread.name == "threadfan-alarms" for thread in threading.enumerate())


def test_all_fans_have_one_thread_for_their_timeouts():
    """Each ends its own calls in time, and one that is closed takes nothing from the others."""
    gate = Gate()
    fans = [Fan(1, timeout=0.05 * number) for number in (1, 2, 3)]
    futures = [fan.submit(gate) for fan in fans]
    assert threads_of_alarms() == 1
    for future in futures:
        assert isinstance(future.exception(PATIENCE), TaskTimeout)
    assert threads_of_alarms() == 1
    gate.open()
    for fan in fans:
        until(lambda fan=fan: fan.snapshot()["abandoned"] == 0)
        fan.shutdown()
    until(lambda: not threads_of_alarms())


def test_short_fans_start_one_thread_for_their_timeouts(monkeypatch):
    """It waits a while for the next fan."""
    names, start = [], threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: [names.append(thread.name), start(thread)][1])
    for _ in range(20):
        with Fan(1, timeout=30) as fan:
            assert fan.submit(int).result(PATIENCE) == 0
    assert names.count("threadfan-alarms") == 1


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_a_fan_that_is_gone_holds_no_thread(how, monkeypatch):
    """Whatever its timeouts were."""
    monkeypatch.setattr(alarms, "LINGER", 0.0)
    fan = Fan(2, timeout=3600)
    fan.submit(int).result(PATIENCE)
    assert threads_of_alarms() == 1
    if how == "closed":
        fan.shutdown()
    del fan
    until(lambda: not threads_of_alarms())
    assert alarms._keepers == {}


def test_a_call_that_heeds_its_cancel_in_the_end_holds_no_thread(clock):
    """It comes back within its grace, when all others have gone, and on a clock that does not move any more."""
    fan = Fan(1, timeout=5)
    started, back = threading.Event(), threading.Event()

    def call():
        current_scope().on_cancel(back.set)
        started.set()
        assert back.wait(PATIENCE)

    fan.submit(call)
    assert started.wait(PATIENCE)
    Probe(fan).interrupt()
    fan.shutdown()
    until(lambda: alarms._keepers == {})
    until(lambda: not threads_of_alarms())


def test_a_look_that_fails_is_followed_by_another(clock, monkeypatch, caplog):
    """A second later; the log says so."""
    with Gate() as gate, Fan(1, timeout=5) as fan:
        timer = fan._scheduler.timer
        sweep = timer._sweep

        def fail(now, after):
            monkeypatch.setattr(timer, "_sweep", sweep)
            raise MemoryError

        monkeypatch.setattr(timer, "_sweep", fail)
        future = fan.submit(gate)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        clock.wait_for_sleepers(until=6)
        assert not future.done()
        clock.advance(1)
        assert isinstance(future.exception(PATIENCE), TaskTimeout)
        gate.open()
        until(lambda: fan.snapshot()["abandoned"] == 0)
    assert "MemoryError" in caplog.text


def test_closing_waits_for_a_look_that_has_begun():
    """What that tells others is told when ``shutdown`` returns."""
    fan = Fan(1, timeout=3600)
    fan.submit(int).result(PATIENCE)
    with fan._scheduler.timer.looking:
        closing = aside(fan.shutdown)
        until(lambda: Probe(fan).closing and not fan._scheduler.crew.workers)
        assert not closing.done()
    closing.result(PATIENCE)
