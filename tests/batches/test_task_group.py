"""Calls that are handed in as others end."""

import asyncio
import os
import threading
from queue import SimpleQueue

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.controlled import PATIENCE, Gate, aside, until, within_patience
from threadfan import Fan, FanClosed, TaskCancelled, TaskTimeout, Usage, current_scope, wait
from threadfan._core.batches.completion import Completion
from threadfan._core.batches.lifetime import enlist
from threadfan._core.batches.task_group import Step, TaskGroup
from threadfan._core.calls.registry import queue_for
from threadfan._core.fan.aio.completion import wait_for
from threadfan._core.fan.aio.loops import LoopGate
from threadfan._core.pool.work_queue import here
from threadfan.testing import Probe

BOOM = ValueError("boom")


class Chains(TaskGroup):
    """Each item goes through the same functions, one after another."""

    def __init__(self, fan, stages, items, **ending):
        super().__init__(fan._scheduler, fan._options, "chains")
        self.stages, self.items = stages, items
        self.followed = []
        self.collector.fail_fast = ending.get("fail_fast", False)
        self.ending = {"fail_fast": False, "deadline": None, **ending}

    def begin(self):
        """Hand in the first calls."""
        self.expect(len(self.items) * len(self.stages))
        self.hand_in([self.step(place, 0, item) for place, item in enumerate(self.items)])
        self.close()

    def step(self, place, stage, value):
        """The call of one stage."""
        return Step(self, self.options, place, self.stages[stage], (value,), item=self.items[place], tag=stage)

    def queue_for(self, step):
        """One of the fan's for single calls."""
        return queue_for(self.scheduler, step.cap, self.depth, step.policies)

    def follow(self, step, raw):
        """Go on to the next stage, unless this was the last."""
        self.followed.append((step.index, step.tag))
        if raw[3] == "succeeded" and step.tag + 1 < len(self.stages):
            self.hand_in([self.step(step.index, step.tag + 1, raw[4])])
        else:
            self.record(raw, step)

    def in_order(self):
        """Those that never came to their last call were cancelled."""
        now = self.scheduler.clock.monotonic()
        missing = TaskCancelled("not handed in")
        return [
            self.collector.results.get(place, (place, item, self.since, "cancelled", missing, None, now, None))
            for place, item in enumerate(self.items)
        ]

    def run(self):
        """Wait for all."""
        gate = SimpleQueue()
        enlist(self, [lambda: gate.put(None)])
        self.begin()
        return Completion(self, lambda: gate.put(None), **self.ending).wait(gate)

    async def arun(self):
        """Await all."""
        gate = LoopGate(asyncio.get_running_loop())
        enlist(self, [gate.put])
        self.begin()
        return await wait_for(Completion(self, gate.put, **self.ending), gate)


def quiet(fan):
    """Wait until nothing runs, waits or is abandoned."""
    idle = {"queued": 0, "running": 0, "waiting": 0, "abandoned": 0}
    until(lambda: {name: fan.snapshot()[name] for name in idle} == idle)
    until(lambda: not [queue for queue in Probe(fan).queues if isinstance(queue, TaskGroup)])


def double(value):
    """A call of no account."""
    return 2 * value


@given(
    workers=st.integers(1, 4),
    items=st.lists(st.integers(0, 9), max_size=12),
    stages=st.integers(1, 4),
    bad=st.sets(st.integers(0, 40)),
    retry=st.sampled_from([None, 1]),
)
@settings(max_examples=60)
def test_each_chain_ends_as_if_it_ran_alone(workers, items, stages, bad, retry):
    """Values and failures come out at their places, and each call is followed once."""

    def one(value):
        if value in bad:
            raise ValueError(value)
        return 2 * value + 1

    def alone(item):
        for _ in range(stages):
            if item in bad:
                return ("failed", item)
            item = 2 * item + 1
        return ("succeeded", item)

    with Fan(workers, retry=retry) as fan:
        chains = Chains(fan, [one] * stages, items)
        report = within_patience(chains.run)
        seen = [(outcome.status, outcome.value if outcome.ok else outcome.error.args[0]) for outcome in report]
        assert seen == [alone(item) for item in items]
        assert len(chains.followed) == len(set(chains.followed))
        quiet(fan)


def test_a_call_starts_when_the_one_before_it_has_ended_and_not_later():
    """No chain waits for another: one comes to its end while the other's first call runs."""
    with Gate() as gate, Fan(2) as fan:
        ended = threading.Event()

        def last(value):
            ended.set()
            return value

        report = aside(Chains(fan, [lambda item: gate(item) if item else item, last], [0, 1]).run)
        assert ended.wait(PATIENCE)
        gate.wait_for(1)
        gate.open()
        assert report.result(PATIENCE).unwrap() == [0, 1]


@pytest.mark.parametrize("rate", [False, True], ids=["plain", "under a rate"])
def test_what_ends_it_cancels_what_runs_and_what_waits(clock, rate):
    """The deadline: queued steps do not start, the running one's scope ends, and what follows is never handed in."""
    begun = []

    def slow(item):
        begun.append(item)
        wake = threading.Event()
        current_scope().on_cancel(wake.set)
        assert wake.wait(PATIENCE)
        current_scope().check()

    with Fan(1, retry=1 if rate else None) as fan:
        report = aside(Chains(fan, [slow, double], [1, 2, 3], deadline=5).run)
        until(lambda: len(begun) == 1)
        assert fan.snapshot()["queued"] == 2
        assert fan.snapshot()["waiting"] == 3
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        report = report.result(PATIENCE)
        assert [outcome.status for outcome in report] == ["cancelled"] * 3
        assert begun == [1]
        quiet(fan)


def test_fail_fast_raises_the_first_failure_with_the_report():
    """Nothing that was paid for is lost."""
    go = threading.Event()

    def second(value):
        if value == 2:
            raise BOOM
        go.set()
        return value

    def first(item):
        assert item == 1 or go.wait(PATIENCE)
        return item

    with Fan(3) as fan:
        error = aside(Chains(fan, [first, second], [1, 2, 2], fail_fast=True).run).exception(PATIENCE)
        assert error is BOOM
        assert [outcome.status for outcome in error.report] in (
            ["succeeded", "failed", "cancelled"],
            ["succeeded", "cancelled", "failed"],
            ["succeeded", "failed", "failed"],
        )
        quiet(fan)


def test_on_one_slot_inside_a_call():
    """Whoever waits for it lends its slot, and its steps run deeper."""
    with Fan(1) as fan:

        def outer(item):
            depth = here.session.queue.depth
            inner = Chains(fan, [double, lambda value: (value, here.session.queue.depth - depth)], [item, item + 1])
            return inner.run().unwrap()

        assert fan.submit(outer, 1).result(PATIENCE) == [(2, 1), (4, 1)]
        assert within_patience(Chains(fan, [outer], [1, 5]).run).unwrap() == [[(2, 1), (4, 1)], [(10, 1), (12, 1)]]


def test_the_call_it_was_made_in_ends_it(clock):
    """A timed-out call leaves nothing of it running."""
    with Gate() as gate, Fan(2) as fan:
        outer = fan.with_options(timeout=3).submit(lambda: Chains(fan, [gate, double], [1]).run())
        gate.wait_for(1)
        clock.wait_for_sleepers(until=3)
        clock.advance(3)
        assert isinstance(outer.exception(PATIENCE), TaskTimeout)
        gate.open()
        quiet(fan)
        with pytest.raises(TaskCancelled):
            fan.submit(_in_a_scope_that_ended, fan).result(PATIENCE)


def _in_a_scope_that_ended(fan):
    current_scope().cancel()
    Chains(fan, [double], [1]).run()


def test_timeouts_are_each_step_s_own(clock):
    """What follows one that timed out is told of it off the deadline timer."""
    with Gate() as gate, Fan(1, timeout=2) as fan:
        threads = []

        class Noting(Chains):
            def follow(self, step, raw):
                threads.append(threading.current_thread().name)
                super().follow(step, raw)

        report = aside(Noting(fan, [double, gate], [1]).run)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=2)
        clock.advance(2)
        (outcome,) = report.result(PATIENCE)
        assert outcome.status == "timed_out"
        assert "threadfan-alarms" not in threads[-1]
        gate.open()
        quiet(fan)


def test_a_fan_that_closes_lets_it_come_to_its_end():
    """It was handed in before, and so was all that follows."""
    gate = Gate()
    fan = Fan(1)
    chains = Chains(fan, [gate, double, double], [1])
    report = aside(chains.run)
    gate.wait_for(1)
    closing = aside(fan.shutdown)
    until(lambda: Probe(fan).closing)
    gate.open()
    assert report.result(PATIENCE).unwrap() == [4]
    closing.result(PATIENCE)


def test_a_fan_that_closes_while_a_step_backs_off(clock):
    """The next attempt and what follows it are made."""
    failed = []

    def once(value):
        if not failed:
            failed.append(value)
            raise ConnectionError
        return value

    fan = Fan(1, retry=1)
    report = aside(Chains(fan, [once, double], [1]).run)
    until(lambda: fan.snapshot()["waiting"] == 2)
    closing = aside(fan.shutdown)
    until(lambda: Probe(fan).closing)
    clock.wait_for_sleepers(until=60)
    clock.advance(60)
    assert report.result(PATIENCE).unwrap() == [2]
    closing.result(PATIENCE)


def test_cancel_futures_raises_fan_closed_with_the_report():
    """What runs is finished; what follows is not handed in."""
    gate = Gate()
    fan = Fan(1)
    report = aside(Chains(fan, [gate, double], [1, 2]).run)
    gate.wait_for(1)
    closing = aside(fan.shutdown, cancel_futures=True)
    until(lambda: Probe(fan).closing)
    gate.open()
    error = report.exception(PATIENCE)
    assert isinstance(error, FanClosed)
    assert [outcome.status for outcome in error.report] == ["cancelled", "cancelled"]
    closing.result(PATIENCE)


def test_an_interrupt_ends_it():
    """All that runs and waits is cancelled, whoever waits for it."""
    with Gate() as gate, Fan(1) as fan:
        report = aside(Chains(fan, [gate, double], [1, 2]).run)
        gate.wait_for(1)
        Probe(fan).interrupt()
        gate.open()
        assert [outcome.status for outcome in report.result(PATIENCE)] == ["cancelled", "cancelled"]
        quiet(fan)


def test_an_error_in_what_follows_ends_it():
    """It is raised where it is waited for; nothing hangs."""

    class Broken(Chains):
        def follow(self, step, raw):
            raise BOOM

    with Fan(1) as fan:
        error = aside(Broken(fan, [double], [1, 2]).run).exception(PATIENCE)
        assert error is BOOM
        assert len(error.report) == 2
        quiet(fan)


def test_from_async_code():
    """Awaited, and cancelled with whoever awaits it."""

    async def main():
        with Gate() as gate:
            async with Fan(2) as fan:
                assert (await Chains(fan, [double, double], [1, 2]).arun()).unwrap() == [4, 8]
                awaited = asyncio.ensure_future(Chains(fan, [gate, double], [1]).arun())
                await asyncio.to_thread(gate.wait_for, 1)
                awaited.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await awaited
                gate.open()
                await asyncio.to_thread(quiet, fan)

    within_patience(asyncio.run, main())


def test_tokens_and_attempts_are_on_the_outcomes():
    """Of plain calls, and of calls that are tried again."""
    failed = []

    def spend(item):
        current_scope().add_usage(Usage(3, 4))
        if item == 2 and not failed:
            failed.append(item)
            raise ConnectionError
        return item

    with Fan(1) as fan:
        (outcome,) = Chains(fan, [spend], [1]).run()
        assert outcome.usage == Usage(3, 4)
        assert fan.snapshot()["input_tokens"] == 3
    with Fan(1, retry=1) as fan:
        (outcome,) = within_patience(Chains(fan, [spend], [2]).run)
        assert (outcome.usage, outcome.attempts) == (Usage(6, 8, requests=2), 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_in_the_child_of_a_fork_it_is_over():
    """Whoever waits for it there is told; the parent's goes on."""
    with Gate() as gate, Fan(1) as fan:
        chains = Chains(fan, [gate], [1])
        report = aside(chains.run)
        gate.wait_for(1)
        child = os.fork()
        if not child:
            os._exit(0 if chains.done and chains.reason is not None else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        gate.open()
        assert report.result(PATIENCE).unwrap() == [1]


def test_many_chains_at_once(eager_switching):
    """From several threads, with failures, ends from outside and single calls beside them."""
    with Fan(4) as fan:

        def work(number):
            def stage(value):
                if value % 7 == number % 7:
                    raise ValueError(value)
                return value + 1

            chains = Chains(fan, [stage] * 3, list(range(20)), deadline=0.001 if number % 3 == 0 else None)
            return chains.run()

        reports = [aside(work, number) for number in range(12)]
        singles = [fan.submit(double, number) for number in range(50)]
        assert all(len(report.result(PATIENCE)) == 20 for report in reports)
        assert not wait(singles, PATIENCE).not_done
        quiet(fan)
