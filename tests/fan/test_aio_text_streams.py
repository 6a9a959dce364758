"""`astream_text`: texts that many calls make at once, in a coroutine."""

import asyncio
import itertools
import threading

import pytest

from support.controlled import PATIENCE
from threadfan import AsyncTextStream, Fan, FanClosed

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


def words(number):
    """So many pieces of text, made in a thread."""
    for place in range(number):
        yield f"{place} "


async def async_words(number):
    """The same, made in the loop."""
    for place in range(number):
        await asyncio.sleep(0)
        yield f"{place} "


async def inputs(*items):
    """An async iterable of inputs."""
    for item in items:
        await asyncio.sleep(0)
        yield item


@pytest.mark.parametrize("buffer", [1, 7, None])
@pytest.mark.parametrize("fn", [words, async_words])
async def test_nothing_is_lost_or_reordered(fn, buffer):
    """Whether threads or coroutines write, and however little room there is; of async inputs too."""
    numbers = [0, 1, 100, 3, 100, 40, 1]
    async with Fan(3) as fan:
        for given in (numbers, inputs(*numbers)):
            stream = fan.astream_text(fn, given, buffer=buffer)
            assert isinstance(stream, AsyncTextStream)
            found = [[] for _ in numbers]
            async for index, piece in stream:
                found[index].append(piece)
            assert found == [list(words(number)) for number in numbers]
            assert stream.report().unwrap() == ["".join(words(number)) for number in numbers]


async def test_pieces_are_had_while_calls_go_on():
    """The reader hears one before the next is made."""
    heard = threading.Semaphore(0)

    def speak(_):
        yield "first"
        assert heard.acquire(timeout=PATIENCE)
        yield "second"

    seen = []
    async with Fan(1) as fan:
        async for _, piece in fan.astream_text(speak, [0]):
            seen.append(piece)
            heard.release()
    assert seen == ["first", "second"]


async def test_coroutines_wait_for_a_slow_reader():
    """An asynchronous generator is not asked for more than there is room for."""
    made = []

    async def endless(_):
        for place in itertools.count():
            made.append(place)
            yield str(place)

    async with Fan(2) as fan, fan.astream_text(endless, range(100), buffer=5) as stream:
        read = 0
        async for _ in stream:
            read += 1
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(made) <= read + 5 + 2
            if read == 50:
                break


@pytest.mark.parametrize("how", ["aclose", "cancel"])
@pytest.mark.parametrize("kind", ["thread", "loop"])
async def test_who_leaves_ends_the_calls(kind, how):
    """Closing the iterator, or cancelling the task that reads, ends what runs: generators are closed."""
    closed, begun = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def speak(_):
        try:
            for place in itertools.count():
                yield str(place)
        finally:
            loop.call_soon_threadsafe(closed.set)

    async def speak_in_loop(_):
        try:
            for place in itertools.count():
                yield str(place)
        finally:
            closed.set()

    async def read(stream):
        async with stream:
            async for _ in stream:
                begun.set()
                await asyncio.sleep(0)

    async with Fan(2) as fan:
        stream = fan.astream_text(speak if kind == "thread" else speak_in_loop, range(100), buffer=4)
        if how == "aclose":
            await anext(stream)
            await stream.aclose()
        else:
            reading = asyncio.ensure_future(read(stream))
            await begun.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        await asyncio.wait_for(closed.wait(), PATIENCE)
    assert {outcome.status for outcome in stream.report()} == {"cancelled"}


async def test_what_fails_is_an_outcome():
    """A failure ends one call; an exception of the inputs ends the stream, with the report."""

    async def speak(number):
        yield "begun"
        if number:
            raise LookupError

    async def broken():
        yield 0
        raise ArithmeticError

    async with Fan(2) as fan:
        stream = fan.astream_text(speak, [0, 1])
        assert sorted([piece async for piece in stream]) == [(0, "begun"), (1, "begun")]
        assert [outcome.status for outcome in stream.report()] == ["succeeded", "failed"]
        with pytest.raises(ArithmeticError) as caught:
            [piece async for piece in fan.astream_text(speak, broken())]
        assert len(caught.value.report) == 1


async def test_a_fan_that_is_closed_ends_it():
    """Its reader gets `FanClosed`."""
    async with Fan(1) as fan:
        stream = fan.astream_text(words, [10_000], buffer=1)
        await anext(stream)
    with pytest.raises(FanClosed):
        async for _ in stream:
            pass


async def test_what_is_refused():
    """A coroutine function has no pieces; the message says what would."""

    async def speak(_):
        return "x"

    async with Fan(1) as fan:
        with pytest.raises(TypeError, match="coroutine function"):
            fan.astream_text(speak, [1])
        with pytest.raises(TypeError, match="with 2 arguments, but it takes none"):
            fan.astream_text(lambda: "", inputs(1), [2])
        with pytest.raises(TypeError, match="window"):
            fan.astream_text(words, [1], window=2)
