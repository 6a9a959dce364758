"""A fan that closes in a coroutine never blocks the event loop."""

import asyncio
import contextlib
import gc
import threading
from functools import partial

import pytest

from support.controlled import PATIENCE
from threadfan import Fan, FanClosed, TaskCancelled, sleep


class Heart:
    """A task that beats while the loop is free; `let_go` opens an event after some beats from now."""

    def __init__(self):
        self.beats = 0

    async def let_go(self, event, beats=5):
        """Beat, then let the held calls end: a loop that is stalled never gets there."""
        for _ in range(beats):
            self.beats += 1
            await asyncio.sleep(0)
        event.set()


def hold(go, seen):
    """A call that is still running when the fan closes, and notes whether it was let go in time."""
    seen.append(go.wait(PATIENCE / 4))


async def beating_while(closing):
    """Run ``closing(go, seen)`` beside a heart that alone can end its calls; whether all of them were let go."""
    go, seen, heart = threading.Event(), [], Heart()
    beat = asyncio.create_task(heart.let_go(go))
    fan = await closing(go, seen)
    await beat
    await fan.aclose()  # now everything has ended
    assert heart.beats == 5
    return seen


async def test_async_with_waits_without_blocking():
    """Leaving `async with` waits for the calls while other tasks run."""
    go, seen = threading.Event(), []
    async with Fan(2) as fan:
        for _ in range(4):
            fan.submit(hold, go, seen)
        beat = asyncio.create_task(Heart().let_go(go))
    assert seen == [True] * 4
    await beat


async def test_plain_with_does_not_stall_the_loop():
    """A legacy `with` in an `async def` leaves at once; its calls still finish."""

    async def closing(go, seen):
        with Fan(2) as fan:
            for _ in range(4):
                fan.submit(hold, go, seen)
        assert seen == []
        return fan

    assert await beating_while(closing) == [True] * 4


async def test_plain_with_in_an_async_generator_does_not_stall_the_loop():
    """A `with` in an async context manager, as web frameworks' lifespans are, leaves at once too."""

    @contextlib.asynccontextmanager
    async def lifespan():
        with Fan(1) as fan:
            yield fan

    async def closing(go, seen):
        async with lifespan() as fan:
            fan.submit(hold, go, seen)
        return fan

    assert await beating_while(closing) == [True]


async def test_plain_with_in_a_function_still_waits():
    """A blocking helper that a coroutine calls keeps the standard meaning: leaving waits."""
    ended = []

    def helper():
        with Fan(2) as fan:
            fan.map(ended.append, range(10))
        assert sorted(ended) == list(range(10))

    helper()


async def test_an_exception_in_the_body_comes_out():
    """`async with` hides nothing, and waits all the same."""
    futures = []

    async def body():
        async with Fan(1) as fan:
            futures.append(fan.submit(int))
            raise KeyError("body")

    with pytest.raises(KeyError, match="body"):
        await body()
    assert futures[0].done()


async def test_closing_twice_is_harmless():
    """`aclose` after `async with`, or side by side with another, returns."""
    async with Fan(1) as fan:
        await fan.call(int)
        await asyncio.gather(fan.aclose(), fan.aclose())
    await fan.aclose()
    with pytest.raises(RuntimeError, match="after shutdown"):
        await fan.call(int)


async def test_a_fan_without_calls_closes():
    """Nothing was started, nothing has to end."""
    async with Fan(1) as fan:
        pass
    with pytest.raises(RuntimeError, match="after shutdown"):
        await fan.call(int)


@pytest.mark.filterwarnings("ignore:.*still stuck in:RuntimeWarning")
@pytest.mark.parametrize("closed_first", [False, True])
async def test_as_the_default_executor_it_does_not_wait_for_what_was_cancelled(closed_first):
    """Closing it leaves calls behind whose tasks were cancelled while they ran, and waits for the others."""
    go, started, seen = threading.Event(), threading.Semaphore(0), []
    loop = asyncio.get_running_loop()

    def call(name):
        started.release()
        if name == "cancelled":
            go.wait(PATIENCE)
        else:
            left.wait(PATIENCE)
        seen.append(name)

    left = threading.Event()
    fan = Fan(2)
    loop.set_default_executor(fan)
    one, other = (asyncio.create_task(asyncio.to_thread(call, name)) for name in ("cancelled", "wanted"))
    await asyncio.sleep(0)  # the tasks begin
    for _ in range(2):
        assert started.acquire(timeout=PATIENCE)
    if closed_first:
        fan.shutdown(wait=False)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    loop.call_later(0.01, left.set)
    await asyncio.wait_for(loop.shutdown_default_executor(), PATIENCE)
    assert seen == ["wanted"]
    await other
    go.set()


async def test_a_running_call_whose_future_is_cancelled_by_its_owner_is_waited_for():
    """As in the standard pool: the answer was no, so nothing was cancelled."""
    go, started, seen = threading.Event(), threading.Event(), []

    def call():
        started.set()
        assert go.wait(PATIENCE)
        seen.append("done")

    async with Fan(1) as fan:
        future = fan.submit(call)
        assert started.wait(PATIENCE)
        assert not future.cancel()
        asyncio.get_running_loop().call_soon(go.set)
    assert seen == ["done"]
    assert future.exception() is None


async def test_calls_that_closing_has_cut_are_not_logged(caplog):
    """As asyncio logs no call of its executors that was cancelled; what a call has raised by itself is logged."""

    async def left_alone(fan, fn, **closing):
        futures = [fan.call(fn) for _ in range(2)]  # which nobody awaits
        await asyncio.sleep(0)
        await fan.aclose(**closing)
        while not all(future.done() for future in futures):
            await asyncio.sleep(0)
        kinds = {type(future._exception) for future in futures}
        del futures
        gc.collect()
        return kinds

    assert await left_alone(Fan(1), partial(sleep, PATIENCE), timeout=0.05) == {TaskCancelled, FanClosed}
    assert [record for record in caplog.records if record.name == "asyncio"] == []
    await left_alone(Fan(1), partial(divmod, 1, 0))
    told = [record.getMessage() for record in caplog.records if record.name == "asyncio"]
    assert len(told) == 2
    assert all("LoopFuture exception was never retrieved" in one for one in told)
