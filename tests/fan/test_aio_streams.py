"""`astream`: outcomes one by one in a coroutine."""

import asyncio
import itertools
import threading

import pytest

from support.controlled import PATIENCE
from threadfan import CallCancelled, Fan, FanClosed, TaskTimeout, current_scope, fail_after, sleep
from threadfan.testing import ManualClock

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


async def numbers(counted=None, count=None):
    """An async iterable that may count what was taken of it."""
    for number in itertools.count() if count is None else range(count):
        if counted is not None:
            counted.append(number)
        await asyncio.sleep(0)
        yield number


KINDS = {
    "list": lambda: list(range(100)),
    "generator": lambda: (n for n in range(100)),
    "async": lambda: numbers(count=100),
}


@pytest.mark.parametrize("window", [None, 1, 7])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_every_input_comes_out_once(kind, ordered, window):
    """Nothing is lost or doubled, and `ordered` keeps the inputs' order."""
    async with Fan(3) as fan:
        outcomes = [outcome async for outcome in fan.astream(str, KINDS[kind](), ordered=ordered, window=window)]
    indexes = [outcome.index for outcome in outcomes]
    assert (indexes if ordered else sorted(indexes)) == list(range(100))
    assert all(outcome.value == str(outcome.item) for outcome in outcomes)


async def test_completion_order_is_the_default():
    """A call that ends first is handed out first."""
    second_seen = threading.Event()

    def tool(number):
        if number == 0:
            assert second_seen.wait(PATIENCE)
        return number

    seen = []
    async with Fan(2) as fan:
        async for outcome in fan.astream(tool, [0, 1]):
            seen.append(outcome.index)
            second_seen.set()
    assert seen == [1, 0]


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("source", ["async", "generator"])
async def test_the_window_bounds_an_endless_input(source, window, ordered):
    """A consumer that reads slowly keeps the inputs back: never more than `window` are taken and not yet yielded."""
    taken, yielded, excess = [], 0, 0

    def counted():
        for number in itertools.count():
            taken.append(number)
            yield number

    async with Fan(2) as fan:
        stream = fan.astream(str, numbers(taken) if source == "async" else counted(), ordered=ordered, window=window)
        async for _ in stream:
            # what was just handed out counts as yielded from here on
            yielded += 1
            for _ in range(5):
                await asyncio.sleep(0)
            excess = max(excess, len(taken) - yielded)
            if yielded == 100:
                break
        await stream.aclose()
    assert excess <= window


async def test_closing_early_cancels_the_rest():
    """The running call is told, queued ones never start."""
    started, told, seen = threading.Event(), threading.Event(), []

    def tool(number):
        seen.append(number)
        if number == 1:
            current_scope().on_cancel(told.set)
            started.set()
            assert told.wait(PATIENCE)

    async with Fan(1) as fan:
        stream = fan.astream(tool, range(10))
        await anext(stream)
        assert await asyncio.to_thread(started.wait, PATIENCE)
        await stream.aclose()
        assert await asyncio.to_thread(told.wait, PATIENCE)
        assert [outcome async for outcome in stream] == []
    assert seen == [0, 1]


async def test_cancelling_the_consumer_cancels_the_calls():
    """A task cancelled while it waits for an outcome reaches the thread."""
    started, told = threading.Event(), threading.Event()

    def tool(_):
        current_scope().on_cancel(told.set)
        started.set()
        assert told.wait(PATIENCE)

    async def consume(fan):
        async for _ in fan.astream(tool, [0]):
            pass

    async with Fan(1) as fan:
        consumer = asyncio.create_task(consume(fan))
        assert await asyncio.to_thread(started.wait, PATIENCE)
        consumer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await consumer
        assert await asyncio.to_thread(told.wait, PATIENCE)


@pytest.mark.parametrize("source", [numbers, itertools.count])
async def test_leaving_the_fan_ends_an_open_stream(source):
    """Whoever goes on reading learns that what comes is not the whole."""
    async with Fan(1) as fan:
        stream = fan.astream(str, source(), window=4)
        await anext(stream)
    with pytest.raises(FanClosed, match="closed before this stream had ended"):
        async for _ in stream:
            pass


@pytest.mark.parametrize("source", ["async", "plain"])
async def test_an_input_that_fails_is_raised_at_the_consumer(source):
    """The iterable's exception comes out of the stream, and the fan goes on."""

    async def failing():
        yield 1
        raise KeyError("source")

    def failing_too():
        yield 1
        raise KeyError("source")

    async with Fan(1) as fan:
        with pytest.raises(KeyError, match="source"):
            async for _ in fan.astream(str, failing() if source == "async" else failing_too()):
                pass
        assert await fan.call(int) == 0


async def test_a_stream_may_be_empty():
    """No inputs, no outcomes."""
    async with Fan(1) as fan:
        assert [outcome async for outcome in fan.astream(str, [])] == []
        assert [outcome async for outcome in fan.astream(str, numbers(count=0))] == []


async def test_a_block_bounds_a_stream():
    """It has no deadline of its own; at that of ``fail_after`` its calls end, also if the block was left before."""
    both_begun = threading.Barrier(3)

    def call(_):
        both_begun.wait(PATIENCE)
        sleep(60)

    async def read(stream):
        async for outcome in stream:
            assert outcome.status == "cancelled"

    async def read_in_a_block(fan):
        with fail_after(8):
            await read(fan.astream(call, numbers(), max_concurrent=1))

    with ManualClock() as clock:
        async with Fan(2) as fan:
            with fail_after(8):
                left = fan.astream(call, numbers(), max_concurrent=1)
            reads = asyncio.gather(read(left), read_in_a_block(fan), return_exceptions=True)
            await asyncio.to_thread(both_begun.wait, PATIENCE)
            clock.advance(8)
            assert [type(error) for error in await reads] == [CallCancelled, TaskTimeout]
