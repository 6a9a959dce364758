"""Coroutine functions as calls, in what coroutines await."""

import asyncio
import threading

import pytest

from support.controlled import PATIENCE, until
from threadfan import Fan, TaskCancelled, TaskTimeout, current_scope, task


async def double(value):
    """What a coroutine function returns."""
    await asyncio.sleep(0)
    return 2 * value


class Doubler:
    """An object whose call is a coroutine."""

    async def __call__(self, value):
        """The same."""
        return await double(value)


@pytest.mark.parametrize("fn", [double, Doubler()], ids=["function", "object"])
async def test_every_form_takes_them(fn):
    """``arun``, ``astream`` and ``agather``; they run in the loop that awaits them."""
    loops = []

    async def note(value):
        loops.append(asyncio.get_running_loop())
        return await fn(value)

    async with Fan(2) as fan:
        assert (await fan.arun(note, [1, 2, 3])).unwrap() == [2, 4, 6]
        assert [outcome.value async for outcome in fan.astream(fn, [1, 2], ordered=True)] == [2, 4]
        report = await fan.agather(lambda: 1, task(fn, 4), named=task(fn, 5).with_options(timeout=5))
        assert report.unwrap() == [1, 8, 10]
    assert set(loops) == {asyncio.get_running_loop()}


async def test_never_more_than_the_slots_run():
    """The fan's slots count for coroutines too, and as many as there are run at once."""
    running, most = 0, 0
    full = asyncio.Event()

    async def fn(_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 3:
            full.set()
        await asyncio.wait_for(full.wait(), PATIENCE)
        await asyncio.sleep(0)
        running -= 1

    async with Fan(3) as fan:
        assert (await fan.arun(fn, range(9))).ok
    assert most == 3


async def test_errors_come_out_as_they_are():
    """A failure of the coroutine is the call's, and retries try it again."""
    tries = []

    async def fails(value):
        tries.append(value)
        raise ConnectionError(value)

    async with Fan(2) as fan:
        (outcome,) = await fan.arun(fails, [7])
        assert (outcome.status, outcome.error.args) == ("failed", (7,))
        (outcome,) = await fan.with_options(retry={ConnectionError: 2}).arun(fails, [8])
        assert (outcome.attempts, tries) == (3, [7, 8, 8, 8])


async def test_a_timeout_cancels_the_coroutine(clock):
    """Its outcome is final at once, and its task ends."""
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def hangs(_):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with Fan(1, timeout=2) as fan:
        report = asyncio.ensure_future(fan.arun(hangs, [1]))
        await begun.wait()
        await asyncio.to_thread(clock.wait_for_sleepers, until=2)
        clock.advance(2)
        (outcome,) = await report
        assert isinstance(outcome.error, TaskTimeout)
        await asyncio.wait_for(ended.wait(), PATIENCE)
        await asyncio.to_thread(until, lambda: fan.snapshot()["abandoned"] == 0)


async def test_cancelling_whoever_awaits_cancels_the_coroutine():
    """As it does for functions that run in threads."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hangs(_):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with Fan(1) as fan:
        report = asyncio.ensure_future(fan.arun(hangs, [1]))
        await begun.wait()
        report.cancel()
        with pytest.raises(asyncio.CancelledError):
            await report
        await asyncio.wait_for(ended.wait(), PATIENCE)


async def test_the_scope_is_the_calls(clock):
    """``current_scope`` in the coroutine tells the call's time."""

    async def remaining(_):
        return current_scope().remaining(), threading.current_thread()

    async with Fan(1, timeout=5) as fan:
        (outcome,) = await fan.arun(remaining, [1])
        assert outcome.value == (5.0, threading.current_thread())


async def test_asynchronous_generators_are_refused():
    """Nobody could say what their result is."""

    async def generate(_):
        yield

    async with Fan(1) as fan:
        with pytest.raises(TypeError, match="coroutine function"):
            await fan.arun(generate, [1])


def test_sync_forms_refuse_them():
    """There is no loop that could run them."""
    with Fan(1) as fan:
        for hand_in in (lambda: fan.run(double, [1]), lambda: fan.gather(task(double, 1)), lambda: fan.gather(double)):
            with pytest.raises(TypeError, match="double is a coroutine function"):
                hand_in()


def test_a_loop_that_is_closed_fails_the_call():
    """Nothing hangs, and no coroutine is left that nobody awaited."""
    from threadfan._core.fan.aio.coroutines import taker

    loop = asyncio.new_event_loop()
    fn = taker(loop)("here", double)
    loop.close()
    with Fan(1) as fan, pytest.raises(RuntimeError, match="closed"):
        fan.submit(fn, 1).result(PATIENCE)


async def test_wrong_arguments_are_the_calls_failure():
    """Of an object, whose parameters are not looked at, they show when the coroutine is made, in the loop."""
    async with Fan(1) as fan:
        (outcome,) = await fan.arun(Doubler(), [1], [2])
        assert isinstance(outcome.error, TypeError)
        with pytest.raises(TypeError, match="calls double with 2 arguments, but it takes 1"):
            await fan.arun(double, [1], [2])


async def test_one_that_cancels_itself_is_a_cancelled_call():
    """The loop's own kind of cancel goes no further than the call."""

    async def leave(_):
        raise asyncio.CancelledError

    async with Fan(1) as fan:
        (outcome,) = await fan.arun(leave, [1])
        assert isinstance(outcome.error, TaskCancelled)


def test_a_loop_that_is_closed_while_a_call_waits_for_it():
    """What the loop was told last it forgets; the call does not wait for ever, and nothing is left that never ran."""
    from threadfan._core.fan.aio.coroutines import taker

    loop = asyncio.new_event_loop()
    fn = taker(loop)("here", double)
    with Fan(1) as fan:
        future = fan.submit(fn, 1)
        until(lambda: loop._ready)
        loop.close()
        with pytest.raises(RuntimeError, match="double had ended"):
            future.result(PATIENCE)
