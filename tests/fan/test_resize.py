"""`fan.resize(n)`: another number of slots for a fan that is in use."""

import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, meet, until
from threadfan import Adaptive, Fan
from threadfan.testing import Probe


def test_calls_that_wait_start_at_once():
    """As many as there are slots now."""
    with Fan(1) as fan, Gate() as gate:
        futures = [fan.submit(gate, number) for number in range(5)]
        report = aside(fan.run, gate, range(5, 10))
        gate.wait_for(1)
        fan.resize(4)
        gate.wait_for(4)
        assert fan.snapshot()["slots"] == fan._max_workers == 4
        assert gate.most == 4
        gate.open()
        assert [future.result(PATIENCE) for future in futures] == list(range(5))
        assert report.result(PATIENCE).unwrap() == list(range(5, 10))
        assert gate.most == 4
        meet(fan, 4)


def test_fewer_slots_interrupt_nothing():
    """What runs goes on; then there are never more than so many, and threads that have nothing to do end."""
    first, second = Gate(), Gate()
    with Fan(6) as fan, second, first:
        running = [fan.submit(first, number) for number in range(6)]
        first.wait_for(6)
        waiting = [fan.submit(second, number) for number in range(6)]
        fan.resize(2)
        first.open()
        assert [future.result(PATIENCE) for future in running] == list(range(6))
        second.wait_for(2)
        assert fan.snapshot()["running"] == second.most == 2
        second.open()
        assert [future.result(PATIENCE) for future in waiting] == list(range(6))
        assert second.most == 2
        meet(fan, 2)


def test_parked_threads_beyond_the_number_end():
    """They are not kept for a time that may not come."""
    with Fan(8) as fan:
        meet(fan, 8)
        threads = set(fan._threads)
        until(lambda: Probe(fan).free_slots == 8)
        fan.resize(3)
        until(lambda: sum(thread.is_alive() for thread in threads) == 3)
        meet(fan, 3)
        fan.resize(8)
        meet(fan, 8)


def test_before_its_first_use():
    """It is the fan's number then, of views too."""
    with Fan(2) as fan:
        fan.resize(5)
        assert fan.with_options(max_concurrent=5).run(abs, [-1]).unwrap() == [1]
        with pytest.raises(ValueError, match="at most 5, the fan's max_workers"):
            fan.with_options(max_concurrent=6)
        meet(fan, 5)


@pytest.mark.usefixtures("eager_switching")
def test_hammer():
    """Nested calls while slots go up and down: every call has its outcome, and every slot comes back."""
    over = threading.Event()
    with Fan(4) as fan:

        def change():
            while not over.is_set():
                for slots in (1, 8, 3, 2, 5):
                    fan.resize(slots)

        def outer(item):
            return fan.submit(abs, -item).result() if item % 3 == 0 else item

        changing = aside(change)
        try:
            report = aside(fan.run, outer, range(200)).result(PATIENCE)
        finally:
            over.set()
        changing.result(PATIENCE)
        assert report.unwrap() == list(range(200))
        fan.resize(4)
        until(lambda: Probe(fan).free_slots == 4)
        meet(fan, 4)


@pytest.mark.parametrize(
    ("slots", "error", "says"),
    [(0, ValueError, "max_workers must be greater than 0, not 0"), ("many", TypeError, "whole number of calls")],
)
def test_what_cannot_be_is_refused(slots, error, says):
    """And the number stays."""
    with Fan(2) as fan:
        with pytest.raises(error, match=says):
            fan.resize(slots)
        assert fan.snapshot()["slots"] == 2


def test_an_adaptive_fan_finds_its_number_by_itself():
    """So nobody else gives it one."""
    with Fan(Adaptive(start=2, ceiling=4)) as fan, pytest.raises(ValueError, match="ceiling="):
        fan.resize(3)
