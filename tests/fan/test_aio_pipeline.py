"""Pipelines from coroutines."""

import asyncio
import itertools
import threading

import pytest

from support.controlled import Gate, until
from threadfan import Fan, FanClosed, current_scope
from threadfan._core.batches.task_group import TaskGroup
from threadfan._core.pipeline.stage_queue import StageQueue
from threadfan._core.pipeline.stages import stage
from threadfan.testing import Probe

BOOM = ValueError("boom")


def double(value):
    """Twice as much."""
    return 2 * value


async def numbers(count, taken=None):
    """So many, without a pause."""
    for number in range(count):
        if taken is not None:
            taken.append(number)
        yield number


async def quiet(fan):
    """Wait until nothing runs, waits or is abandoned, and nothing of a run is left."""
    idle = {"queued": 0, "running": 0, "waiting": 0, "abandoned": 0}
    await asyncio.to_thread(until, lambda: {name: fan.snapshot()[name] for name in idle} == idle)
    await asyncio.to_thread(
        until, lambda: not [queue for queue in Probe(fan).queues if isinstance(queue, (TaskGroup, StageQueue))]
    )


INPUTS = {
    "list": lambda: range(20),
    "generator": lambda: (number for number in range(20)),
    "async": lambda: numbers(20),
}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("buffer", [None, 1])
async def test_items_of_all_kinds_go_through(kind, buffer):
    """Awaited, and as streams of both orders."""
    async with Fan(3) as fan:
        pipeline = fan.pipeline(stage(double, buffer=buffer), stage(double, max_concurrent=1, buffer=buffer))
        expected = [4 * number for number in range(20)]
        assert (await pipeline.arun(INPUTS[kind]())).unwrap() == expected
        assert [one.value async for one in pipeline.astream(INPUTS[kind](), ordered=True)] == expected
        assert sorted([one.value async for one in pipeline.astream(INPUTS[kind](), window=2)]) == expected
        await quiet(fan)


async def test_no_items():
    """An empty report, and a stream that ends."""
    async with Fan(1) as fan:
        pipeline = fan.pipeline(double)
        assert len(await pipeline.arun(numbers(0))) == len(await pipeline.arun([])) == 0
        assert [one async for one in pipeline.astream(numbers(0))] == []
        assert [one async for one in pipeline.astream([])] == []


async def test_coroutine_functions_are_stages_too():
    """They run in the loop, under the limits of their stage, beside others that block."""
    running, most = set(), []

    async def ask(value):
        running.add(value)
        most.append(len(running))
        await asyncio.sleep(0)
        running.discard(value)
        return value + 1

    async with Fan(4) as fan:
        pipeline = fan.pipeline(double, stage(ask, max_concurrent=2), double)
        assert (await pipeline.arun(range(9))).unwrap() == [2 * (2 * number + 1) for number in range(9)]
        assert [one.value async for one in pipeline.astream(numbers(3), ordered=True)] == [2, 6, 10]
        assert max(most) <= 2


async def test_an_async_input_is_read_no_further_than_the_first_buffer():
    """Besides what runs, at most so many items are taken."""
    taken = []
    with Gate() as gate:
        async with Fan(2) as fan:
            run = asyncio.ensure_future(fan.pipeline(stage(gate, buffer=3), double).arun(numbers(50, taken)))
            await asyncio.to_thread(gate.wait_for, 2)
            await asyncio.to_thread(until, lambda: 2 * (len(taken) - 2) > 3)
            assert len(taken) <= 5
            gate.open()
            assert (await run).unwrap() == [2 * number for number in range(50)]


async def test_cancelling_the_awaiting_task_cancels_the_run():
    """What runs and waits is cancelled, and the outcomes are on the error."""
    with Gate() as gate:
        async with Fan(1) as fan:
            for inputs in (range(5), numbers(50)):
                gate.started.clear()
                run = asyncio.ensure_future(fan.pipeline(gate, double).arun(inputs))
                await asyncio.to_thread(gate.wait_for, 1)
                run.cancel()
                with pytest.raises(asyncio.CancelledError) as caught:
                    await run
                assert caught.value.report[0].status == "cancelled"
            gate.open()
            await quiet(fan)


async def test_an_async_input_that_fails_costs_nothing_done():
    """The error is raised with the report."""

    async def broken():
        yield 1
        raise BOOM

    async with Fan(1) as fan:
        with pytest.raises(ValueError, match="boom") as caught:
            await fan.pipeline(double).arun(broken())
        assert len(caught.value.report) == 1
        with pytest.raises(ValueError, match="boom"):
            async for _ in fan.pipeline(double).astream(broken()):
                pass
        await quiet(fan)


async def test_fail_fast_and_deadline():
    """As for `run`."""

    def odd(value):
        if value % 2 == 0:
            raise BOOM
        return value

    def hang(value):
        wake = threading.Event()
        current_scope().on_cancel(wake.set)
        wake.wait()
        current_scope().check()

    async with Fan(1) as fan:
        with pytest.raises(ValueError, match="boom") as caught:
            await fan.pipeline(odd, double).arun(itertools.count(1), fail_fast=True)
        assert caught.value.report[0].value == 2
        assert caught.value.report[1].stage == "odd"
        report = await fan.pipeline(double, hang).arun([1, 2], deadline=0.01)
        assert [outcome.status for outcome in report] == ["cancelled", "cancelled"]
        await quiet(fan)


async def test_closing_a_stream_cancels_what_is_left():
    """Of an endless input too."""
    async with Fan(2) as fan:
        for inputs in (itertools.count(), range(10**6), numbers(10**6)):
            outcomes = fan.pipeline(double, double).astream(inputs)
            assert (await anext(outcomes)).ok
            await outcomes.aclose()
        await quiet(fan)


async def test_leaving_the_fan_ends_an_open_stream():
    """Whoever reads on is told."""
    async with Fan(1) as fan:
        outcomes = fan.pipeline(double).astream(itertools.count())
        await anext(outcomes)
    with pytest.raises(FanClosed):
        async for _ in outcomes:
            pass


def test_without_a_loop_the_error_says_what_to_use():
    """The sync form."""
    with Fan(1) as fan, pytest.raises(RuntimeError, match=r"pipeline\.arun is for coroutines.*pipeline\.run"):
        fan.pipeline(double).arun([1]).send(None)
