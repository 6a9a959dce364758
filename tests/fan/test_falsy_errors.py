"""An exception whose ``bool()`` is False, or fails, is an exception like any other, however the call was made."""

import asyncio
import threading

import pytest
import tenacity

from threadfan import Fan, Hedge, RateLimit, as_completed, fail_after, patterns, wait
from threadfan._core.policies.retryable import history


class Falsy(Exception):
    """Its truth is False."""

    def __bool__(self):
        return False


class Empty(Exception):
    """It has a length, which is 0."""

    def __len__(self):
        return 0


class Unaskable(Exception):
    """Its truth cannot be asked for."""

    def __bool__(self):
        raise RuntimeError("who asks?")


KINDS = pytest.mark.parametrize("kind", [Falsy, Empty, Unaskable])


def failing(kind):
    """A function that raises such an error, whatever it is called with."""

    def fail(*_):
        raise kind("it failed")

    return fail


def inputs(kind):
    """An iterable that gives one item and then raises."""
    yield 1
    raise kind("it failed")


async def async_inputs(kind):
    """The same, asynchronous."""
    yield 1
    raise kind("it failed")


class Joined(patterns.Joiner):
    """A policy that raises."""

    def __init__(self, kind):
        self.kind = kind

    def joined(self, outcome):
        """Raise."""
        raise self.kind("it failed")


def after_wait(fan, fn):
    """The result of a future that was waited for."""
    future = fan.submit(fn)
    wait([future])
    return future.result()


def in_block(fn):
    """Inside of a block with a deadline."""
    with fail_after(100):
        fn()


def late(fan, fn):
    """The result of a call that went on after its batch's deadline."""
    gate = threading.Event()
    report = fan.run(lambda _: gate.wait(10) and fn(), [1], deadline=0.001, late="keep")
    gate.set()
    return report.late[0].result(10)


WAYS = {
    "submit": lambda fan, kind: fan.submit(failing(kind)).result(),
    "submit and wait": lambda fan, kind: after_wait(fan, failing(kind)),
    "as_completed": lambda fan, kind: [one.result() for one in as_completed([fan.submit(failing(kind))])],
    "nested": lambda fan, kind: fan.submit(lambda: fan.submit(failing(kind)).result()).result(),
    "fail_after": lambda fan, kind: fan.submit(in_block, failing(kind)).result(),
    "map": lambda fan, kind: list(fan.map(failing(kind), [1])),
    "map, buffered": lambda fan, kind: list(fan.map(failing(kind), [1], buffersize=1)),
    "map over what fails": lambda fan, kind: list(fan.map(abs, inputs(kind), buffersize=1)),
    "run": lambda fan, kind: fan.run(failing(kind), [1])[0].unwrap(),
    "run, fail-fast": lambda fan, kind: fan.run(failing(kind), [1], fail_fast=True),
    "run over what fails": lambda fan, kind: fan.run(abs, inputs(kind)),
    "run over what fails, fail-fast": lambda fan, kind: fan.run(abs, inputs(kind), fail_fast=True),
    "stream": lambda fan, kind: [one.unwrap() for one in fan.stream(failing(kind), [1])],
    "stream over what fails": lambda fan, kind: list(fan.stream(abs, inputs(kind))),
    "ordered stream over what fails": lambda fan, kind: list(fan.stream(abs, inputs(kind), ordered=True)),
    "gather": lambda fan, kind: fan.gather(failing(kind))[0].unwrap(),
    "join": lambda fan, kind: fan.join(patterns.AllSucceed(), failing(kind)),
    "join, by its policy": lambda fan, kind: fan.join(Joined(kind), list),
    "late": lambda fan, kind: late(fan, failing(kind)),
    "graph": lambda fan, kind: fan.graph(failing(kind)).run().value("fail"),
    "graph, fail-fast": lambda fan, kind: fan.graph(failing(kind)).run(fail_fast=True),
    "pipeline": lambda fan, kind: fan.pipeline(failing(kind)).run([1])[0].unwrap(),
    "pipeline, fail-fast": lambda fan, kind: fan.pipeline(failing(kind)).run([1], fail_fast=True),
    "pipeline over what fails": lambda fan, kind: fan.pipeline(abs).run(inputs(kind)),
    "pipeline's stream": lambda fan, kind: list(fan.pipeline(abs).stream(inputs(kind))),
    "map_reduce": lambda fan, kind: patterns.map_reduce(fan, abs, [1, 2], reduce=failing(kind)),
    "fan_out": lambda fan, kind: patterns.fan_out(fan, 1, decompose=failing(kind), work=abs, synthesise=list),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@KINDS
def test_it_is_raised(kind, way):
    """No way of calling takes it for no error at all."""
    with Fan(2) as fan, pytest.raises(kind, match="it failed"):
        way(fan, kind)


ONCE_MORE = tenacity.Retrying(stop=tenacity.stop_after_attempt(2), reraise=True)


@pytest.mark.parametrize(
    "options",
    [{"timeout": 100}, {"retry": 1}, {"retry": ONCE_MORE}, {"hedge": Hedge(after=100)}, {"rate": RateLimit(60_000)}],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("way", ["submit", "run", "map", "stream"])
@KINDS
def test_it_is_raised_under_policies(kind, options, way):
    """Nor do timeouts, retries, hedging and limits."""
    with Fan(2) as fan, pytest.raises(kind, match="it failed"):
        WAYS[way](fan.with_options(**options), kind)


def test_tenacity_gives_up_on_it():
    """A policy of tenacity's says that it has given up, and what on."""
    with Fan(1, retry=tenacity.Retrying(stop=tenacity.stop_after_attempt(2))) as fan:
        outcome = fan.run(failing(Falsy), [1])[0]
    assert isinstance(outcome.error, tenacity.RetryError)
    assert isinstance(outcome.error.__cause__, Falsy)
    assert outcome.attempts == 2
    with pytest.raises(Falsy):
        outcome.error.last_attempt.result()


async def streamed(fan, fn, *iterables):
    """The outcomes of an asynchronous stream."""
    return [outcome.unwrap() async for outcome in fan.astream(fn, *iterables)]


async def first(report):
    """The first value of a report that comes."""
    return (await report)[0].unwrap()


ASYNC_WAYS = {
    "call": lambda fan, kind: fan.call(failing(kind)),
    "asyncify": lambda fan, kind: fan.asyncify(failing(kind))(),
    "run_in_executor": lambda fan, kind: asyncio.get_running_loop().run_in_executor(fan, failing(kind)),
    "wrap_future": lambda fan, kind: asyncio.wrap_future(fan.submit(failing(kind))),
    "arun": lambda fan, kind: first(fan.arun(failing(kind), [1])),
    "arun, fail-fast": lambda fan, kind: fan.arun(failing(kind), [1], fail_fast=True),
    "arun over what fails": lambda fan, kind: fan.arun(abs, async_inputs(kind)),
    "astream": lambda fan, kind: streamed(fan, failing(kind), [1]),
    "astream over what fails": lambda fan, kind: streamed(fan, abs, async_inputs(kind)),
    "agather": lambda fan, kind: first(fan.agather(failing(kind))),
    "ajoin": lambda fan, kind: fan.ajoin(patterns.AllSucceed(), failing(kind)),
    "graph": lambda fan, kind: fan.graph(failing(kind)).arun(fail_fast=True),
    "pipeline": lambda fan, kind: fan.pipeline(failing(kind)).arun([1], fail_fast=True),
}


@pytest.mark.parametrize("way", ASYNC_WAYS.values(), ids=ASYNC_WAYS)
@KINDS
def test_it_is_raised_in_coroutines(kind, way):
    """Nor do the asynchronous ones."""

    async def main():
        async with Fan(2) as fan:
            with pytest.raises(kind, match="it failed"):
                await way(fan, kind)

    asyncio.run(main())


@KINDS
def test_a_future_shows_it(kind):
    """The repr of a future says what the call has raised, as that of any other."""
    with Fan(1) as fan:
        future = fan.submit(failing(kind))
        future.exception()
        assert repr(future) == f"<Future at {id(future):#x} state=finished raised {kind.__name__}>"
        future = fan.submit(abs, -1)
        future.result()
        assert repr(future) == f"<Future at {id(future):#x} state=finished returned int>"
        gate = threading.Event()
        fan.submit(gate.wait)
        future = fan.submit(abs, -1)
        assert future.cancel()
        assert "state=cancelled>" in repr(future)
        gate.set()


@KINDS
def test_it_is_found_among_the_causes(kind):
    """What an error was raised from is its history, though its truth is False."""
    error, cause = ValueError("outer"), kind("inner")
    error.__cause__, error.__context__ = cause, KeyError("another")
    assert list(history(error)) == [error, cause]
