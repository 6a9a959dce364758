"""`arun` and `agather`: whole batches from coroutines."""

import asyncio
import operator
import threading

import pytest

from support.controlled import PATIENCE
from threadfan import Fan, FanClosed, current_scope, task

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


def statuses(report):
    """The statuses in input order."""
    return [outcome.status for outcome in report]


class Held:
    """A tool whose call on 1 holds until its scope is cancelled."""

    def __init__(self):
        self.running = threading.Event()
        self.told = threading.Event()

    def __call__(self, number):
        """Hold, or give back the number."""
        if number == 1:
            current_scope().on_cancel(self.told.set)
            self.running.set()
            assert self.told.wait(PATIENCE)
        return number

    async def until_running(self):
        """Wait for the call on 1."""
        assert await asyncio.to_thread(self.running.wait, PATIENCE)


async def numbers(count):
    """An async iterable that gives way to others."""
    for number in range(count):
        await asyncio.sleep(0)
        yield number


async def test_a_star_unpacks_inputs():
    """Of iterables of both kinds, for functions of both kinds."""

    async def added(first, second):
        return first + second

    async def pairs():
        yield 1, 2
        yield 3, 4

    async with Fan(2) as fan:
        for fn in (added, operator.add):
            for given in (lambda: [(1, 2), (3, 4)], pairs):
                assert (await fan.arun(fn, given(), star=True)).unwrap() == [3, 7]
                found = [one.unwrap() async for one in fan.astream(fn, given(), ordered=True, star=True)]
                assert found == [3, 7]


@pytest.mark.parametrize("inputs", [range(50), list(range(50)), iter(range(50)), (n for n in range(50)), numbers(50)],
                         ids=["range", "list", "iterator", "generator", "async"])  # fmt: skip
async def test_inputs_of_every_kind(inputs):
    """Outcomes stand in input order, wherever the inputs come from."""
    async with Fan(4) as fan:
        report = await fan.arun(str, inputs)
    assert report.unwrap() == [str(number) for number in range(50)]
    assert [outcome.item for outcome in report] == list(range(50))


async def test_kinds_can_be_mixed():
    """Async and plain iterables are taken side by side."""
    async with Fan(2) as fan:
        report = await fan.arun(pow, numbers(4), [2, 2, 2, 2], iter([5, 5, 5, 5]))
    assert [outcome.item for outcome in report] == [(number, 2, 5) for number in range(4)]


@pytest.mark.parametrize("pair", [([1, 2], [1]), (iter([1, 2]), [1]), (numbers(1), [1, 2]), ([1, 2], numbers(1))])
async def test_lengths_must_agree(pair):
    """Whatever their kinds, iterables of unequal lengths are refused, and the fan goes on."""
    async with Fan(2) as fan:
        with pytest.raises(ValueError, match="equal lengths"):
            await fan.arun(max, *pair)
        assert await fan.call(int) == 0


async def test_an_async_input_is_worked_on_as_it_comes():
    """The first input's call ends before the second input exists."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def inputs():
        yield 0
        await asyncio.wait_for(done.wait(), PATIENCE)
        yield 1

    def tool(number):
        loop.call_soon_threadsafe(done.set)
        return number

    async with Fan(1) as fan:
        assert (await fan.arun(tool, inputs())).unwrap() == [0, 1]


async def test_fail_fast_raises_the_original_with_the_report():
    """The first failure ends the batch, down to the thread that runs."""
    held = Held()

    def tool(number):
        if number == 2:
            assert held.running.wait(PATIENCE)
            raise LookupError("first failure")
        return held(number)

    async with Fan(2) as fan:
        with pytest.raises(LookupError, match="first failure") as caught:
            await fan.arun(tool, range(4), fail_fast=True)
        assert await asyncio.to_thread(held.told.wait, PATIENCE)
    assert statuses(caught.value.report)[:3] == ["succeeded", "cancelled", "failed"]


async def test_the_deadline_cancels_what_is_left():
    """At the batch's deadline the report comes, without an exception."""
    held = Held()
    async with Fan(1) as fan:
        report = await fan.arun(held, [1, 1], deadline=0.05)
    assert statuses(report) == ["cancelled", "cancelled"]
    assert "deadline of 0.05 s" in str(report[0].error)


async def test_cancelling_the_awaiter_cancels_the_batch():
    """The awaiting task is free at once, running and queued calls are cancelled, the report rides on the error."""
    held = Held()
    reports = []

    async def awaiting(fan):
        try:
            await fan.arun(held, range(4))
        except asyncio.CancelledError as error:
            reports.append(error.report)
            raise

    async with Fan(1) as fan:
        waiter = asyncio.create_task(awaiting(fan))
        await held.until_running()
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert await asyncio.to_thread(held.told.wait, PATIENCE)
    assert statuses(reports[0]) == ["succeeded", "cancelled", "cancelled", "cancelled"]


async def test_an_async_input_that_fails_costs_nothing_done():
    """Its exception is raised with the report of what ran."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def inputs():
        yield 0
        await asyncio.wait_for(done.wait(), PATIENCE)
        raise KeyError("source")

    async with Fan(1) as fan:
        with pytest.raises(KeyError, match="source") as caught:
            await fan.arun(lambda _: loop.call_soon_threadsafe(done.set), inputs())
    assert statuses(caught.value.report) == ["succeeded"]


async def test_a_cancel_while_the_last_calls_finish():
    """After an input failed, what runs may finish; a cancel meanwhile ends that too, and loses no report."""
    held = Held()

    async def inputs():
        yield 1
        await held.until_running()
        failed.set()
        raise KeyError("source")

    failed = asyncio.Event()
    async with Fan(1) as fan:
        waiter = asyncio.create_task(fan.arun(held, inputs()))
        await failed.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await waiter
        told = held.told.wait(10)  # by the herald
        held.told.set()
    assert told
    assert statuses(caught.value.report) == ["cancelled"]


async def test_fail_fast_with_stop_iteration():
    """The one exception that a coroutine cannot raise takes the report along too."""

    def tool(_):
        raise StopIteration

    async with Fan(1) as fan:
        with pytest.raises(RuntimeError, match="StopIteration") as caught:
            await fan.arun(tool, [0], fail_fast=True)
    assert statuses(getattr(caught.value, "report", None) or caught.value.__cause__.report) == ["failed"]


async def test_a_closed_fan_ends_the_batch():
    """Shutting down with `cancel_futures` raises `FanClosed` where the batch is awaited."""
    held = Held()
    fan = Fan(1)
    waiter = asyncio.create_task(fan.arun(held, [0, 1, 2]))
    await held.until_running()
    fan.shutdown(wait=False, cancel_futures=True)
    held.told.set()
    with pytest.raises(FanClosed) as caught:
        await waiter
    await fan.aclose()
    assert statuses(caught.value.report) == ["succeeded", "succeeded", "cancelled"]


async def test_agather_is_gather():
    """Tasks, options and names work as in the blocking call."""
    async with Fan(2) as fan:
        report = await fan.agather(task(int, "1"), int, legal=task(int, "x").with_options(timeout=60))
    assert statuses(report) == ["succeeded", "succeeded", "failed"]
    assert report["legal"].index == 2


async def test_the_loop_goes_on_meanwhile():
    """A long synchronous input does not keep other tasks from running."""
    ticks = 0
    ended = False

    async def heartbeat():
        nonlocal ticks
        while not ended:
            ticks += 1
            await asyncio.sleep(0)

    beat = asyncio.create_task(heartbeat())
    seen = []
    async with Fan(1) as fan:
        await fan.arun(lambda number: number, (seen.append(ticks) or number for number in range(20_000)))
    ended = True
    await beat
    assert seen[-1] > seen[0]


def test_without_a_loop_the_blocking_twin_is_named():
    """The coroutine, driven by hand, points to `fan.run`."""
    with Fan(1) as fan, pytest.raises(RuntimeError, match=r"no event loop runs here: use fan\.run"):
        fan.arun(str, [1]).send(None)
