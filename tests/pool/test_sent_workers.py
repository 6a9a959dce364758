"""A single call on an idle fan: a parked worker is sent to its queue, and nobody has to choose."""

import asyncio
import threading

import pytest

from support.controlled import PATIENCE, until
from threadfan import Fan
from threadfan._core.calls.lazy_future import GATES
from threadfan.testing import Probe


class Late:
    """A fan with one parked worker that is woken only when the test says so."""

    def __init__(self, fan):
        self.fan, self.probe = fan, Probe(fan)
        fan.submit(int).result(PATIENCE)
        self._crew = fan._scheduler.crew
        until(lambda: self._crew.idle)
        (self._worker,) = self._crew.idle
        self._wake, self._worker.wake = self._worker.wake, lambda: None

    def wake(self):
        """Let it come."""
        self._worker.wake = self._wake
        self._wake()

    @property
    def sent(self):
        """Whether it was sent, and is not there yet."""
        return self._worker in self._crew.coming


@pytest.fixture
def late():
    """A worker that is sent, and comes when the test says so."""
    with Fan(2) as fan:
        yield Late(fan)


def test_who_has_a_result_finds_the_worker_parked():
    """So calls one after the other take one thread, whatever the interpreter does between two of them."""
    futures = []

    def awaited(number):
        until(lambda: len(futures) > number and futures[number]._cell.get(GATES))

    with Fan(8) as fan:
        probe = Probe(fan)
        for number in range(300):
            futures.append(fan.submit(awaited, number))
            futures[-1].result(PATIENCE)
            with probe.still():
                assert (probe.free_slots, probe.at_work, probe.starting) == (8, 0, 0)
        assert len(fan._threads) == 1


def test_so_does_who_awaits_one():
    """The loop is called when the worker has left its queue."""

    async def one_by_one(fan):
        for _ in range(300):
            await fan.call(int)
            assert Probe(fan).free_slots == 8

    with Fan(8) as fan:
        asyncio.run(one_by_one(fan))
        assert len(fan._threads) == 1


def test_a_call_waits_in_its_queue_until_the_worker_is_there(late):
    """It counts as queued, and can be cancelled."""
    future = late.fan.submit(int)
    assert late.sent
    assert late.fan.snapshot()["queued"] == 1
    assert future.cancel()
    late.wake()
    until(lambda: late.probe.free_slots == 2)
    assert future.cancelled()


def test_an_interrupt_ends_it_there(late):
    """The worker that comes too late finds nothing, and parks again."""
    future = late.fan.submit(int)
    assert late.sent
    late.probe.interrupt()
    assert future.cancelled()
    late.wake()
    until(lambda: late.probe.free_slots == 2)
    assert late.fan.submit(int).result(PATIENCE) == 0


def test_what_comes_meanwhile_is_worked_on_by_others_too(late):
    """Nobody else is woken while a worker is on its way; when it is there it wakes the next."""
    meeting = threading.Barrier(2)
    futures = [late.fan.submit(meeting.wait, PATIENCE) for _ in range(2)]
    assert late.sent
    late.wake()
    assert sorted(future.result(PATIENCE) for future in futures) == [0, 1]


def test_a_deeper_call_that_comes_meanwhile_has_the_other_slot(late):
    """A call that runs waits for calls of its own while the worker is on its way."""
    seen = late.fan.submit(int)
    assert late.sent
    report = threading.Thread(target=late.fan.run, args=(lambda _: late.fan.submit(int).result(PATIENCE), range(2)))
    report.start()
    late.wake()
    report.join(PATIENCE)
    assert not report.is_alive()
    assert seen.result(PATIENCE) == 0


def test_a_worker_that_was_not_woken_is_woken_when_that_is_mended(late):
    """As after a signal's exception between the decision and the waking."""
    future = late.fan.submit(int)
    assert late.sent
    late.fan._scheduler.decisions.cut_short()
    assert future.result(PATIENCE) == 0
    until(lambda: late.probe.free_slots == 2)


def test_a_closing_fan_waits_for_it(late):
    """What was handed in is done."""
    future = late.fan.submit(int)
    late.fan.shutdown(wait=False)
    assert late.sent
    late.wake()
    assert future.result(PATIENCE) == 0


def test_a_done_callback_that_takes_long_keeps_nobody_waiting():
    """Who waits for the result has it before the callbacks are called."""
    go = threading.Event()
    begin = threading.Event()
    with Fan(1) as fan:
        future = fan.submit(begin.wait, PATIENCE)
        future.add_done_callback(lambda _: go.wait(PATIENCE))
        begin.set()
        assert future.result(PATIENCE)
        assert fan.snapshot()["queued"] == 0
        go.set()
