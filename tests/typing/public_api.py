"""The public API as a type checker sees it.  Never run: `test_types.py` has it checked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import assert_type

import tenacity

import threadfan
from threadfan import (
    Fan,
    Outcome,
    Progress,
    Report,
    Run,
    RunningCall,
    RunStream,
    Scope,
    Stats,
    Task,
    TextStream,
    as_completed,
    current_scope,
    task,
)


def length(text: str, *, strict: bool = False) -> int:
    """A tool."""
    return len(text) + strict


def drop_in(pool: ThreadPoolExecutor) -> None:
    """What wants the standard class takes a fan."""


def blocking(fan: Fan) -> None:
    """Results keep the function's type."""
    drop_in(fan)
    assert_type(fan.submit(length, "x", strict=True), Future[int])
    unique = fan.with_options(unique=True, total_timeout=60, idle_timeout=5, fallback=(length, len))
    assert_type(unique.submit(length, "x"), Future[int])
    assert_type(fan.run(length, ["x"])[0].fallback, str | None)
    fan.submit(length, 5)  # type: ignore[arg-type]
    fan.submit(length, "x", lax=True)  # type: ignore[call-arg]
    assert_type(fan.map(length, ["x"]), Iterator[int])
    assert_type(next(as_completed([fan.submit(length, "x")])).result(), int)

    report = fan.run(length, ["x"], fail_fast=True, deadline=5.0)
    assert_type(report, Report[int])
    assert_type(report[0], Outcome[int])
    assert_type(report["name"], Outcome[int])
    assert_type(report[1:], list[Outcome[int]])
    assert_type(report.unwrap(), list[int])
    assert_type(report.values(None), list[int | None])
    assert_type(report.failed, list[Outcome[int]])
    assert_type(report.stats, Stats)
    for outcome in report:
        assert_type(outcome, Outcome[int])
        assert_type(outcome.value, int | None)
        assert_type(outcome.unwrap(), int)
        assert_type(outcome.error, BaseException | None)
        assert_type(outcome.index, int)
        if outcome.status == "timed_out":
            assert_type(outcome.duration, float)

    stream = fan.stream(length, ["x"], ordered=True, window=3)
    assert_type(stream, RunStream[int])
    assert_type(stream.stopped, str | None)
    generator: Generator[Outcome[int], None, None] = stream
    assert_type([*generator], list[Outcome[int]])
    assert_type(stream.report(), Report[int])
    run = fan.start(length, ["x"], fail_fast=True, journal="run.db")
    assert_type(run, Run[int])
    assert_type(run.result(), Report[int])
    assert_type(list(run), list[Outcome[int]])
    assert_type(run.progress(), Progress)
    assert_type(fan.running(), list[RunningCall])
    with run as same:
        assert_type(same, Run[int])
    assert_type(fan.stream(length, ["x"], journal="run.db", unique=True), RunStream[int])
    texts = fan.stream_text(length, ["x"])
    assert_type(texts, TextStream)
    pieces: Generator[tuple[int, str], None, None] = texts
    assert_type([*pieces], list[tuple[int, str]])
    assert_type(texts.report(), Report[object])
    assert_type(task(length, "x").with_options(timeout=5), Task[int])
    assert_type(fan.gather(task(length, "x"), named=lambda: 5), Report[int])
    assert_type(fan.with_options(timeout=5, max_concurrent=2).run(length, ["x"]), Report[int])
    assert_type(fan.run(pow, [(2, 5)], star=True).stats, Stats)
    assert_type(fan.starmap(length, [("x",)]), Iterator[int])
    fan.run(length, ["x"], timeout=3)  # type: ignore[arg-type]
    assert_type(fan.snapshot(), dict[str, int])
    with Fan(8, "prefix", print, ("ready",), timeout=30, name="research") as entered:
        assert_type(entered, Fan)
    Fan("8")  # type: ignore[arg-type]


async def asynchronous(fan: Fan) -> None:
    """So they do when awaited."""
    assert_type(await fan.call(length, "x", strict=True), int)
    fan.call(length, 5)  # type: ignore[arg-type]
    assert_type(await asyncio.wait_for(fan.call(length, "x"), 5), int)
    assert_type(await asyncio.create_task(fan.call(length, "x")), int)
    assert_type(await asyncio.ensure_future(fan.call(length, "x")), int)
    assert_type(await asyncio.shield(fan.call(length, "x")), int)
    assert_type(await asyncio.gather(fan.call(length, "x"), fan.call(str, 5)), tuple[int, str])
    done, _ = await asyncio.wait({fan.call(length, "x"), fan.asyncify(length)("y")}, timeout=5)
    assert_type(done.pop().result(), int)
    for first in asyncio.as_completed([fan.call(length, "x")]):
        assert_type(await first, int)
    async with asyncio.TaskGroup() as group:
        assert_type(group.create_task(fan.call(length, "x")).result(), int)
        group.create_task(fan.asyncify(length)("x"))
    assert_type(await fan.arun(length, ["x"]), Report[int])
    stream: AsyncIterator[Outcome[int]] = fan.astream(length, ["x"])
    assert_type(await fan.start(length, ["x"]), Report[int])
    assert_type([outcome async for outcome in fan.start(length, ["x"])], list[Outcome[int]])
    async for outcome in stream:
        assert_type(outcome, Outcome[int])
    assert_type(await fan.asyncify(length)("x", strict=True), int)
    fan.asyncify(length)(5)  # type: ignore[arg-type]
    async with Fan(8) as entered:
        assert_type(entered, Fan)
    await fan.aclose(timeout=5)


def retries(slow: tenacity.Retrying, awaited: tenacity.AsyncRetrying) -> None:
    """What `retry=` takes."""
    by_status = {429: 5, 503: 2}
    by_class = {ConnectionError: 5}
    by_either = {429: slow, (ConnectionError, 503): 5}
    Fan(retry=None)
    Fan(retry=3)
    Fan(retry=slow)
    Fan(retry=by_either)
    Fan(retry=by_status).with_options(retry=by_class)
    Fan(retry={(429, 503): 5, ConnectionError: slow, (TimeoutError, 408): 1})
    Fan(retry=awaited)  # type: ignore[arg-type]
    Fan(retry="3")  # type: ignore[arg-type]


def names() -> None:
    """There are no others."""
    threadfan.Fann  # type: ignore[attr-defined]  # noqa: B018


def inside() -> None:
    """What a call asks about itself."""
    scope = current_scope()
    assert_type(scope, Scope)
    assert_type(scope.remaining(), float)
    assert_type(scope.cancelled, bool)
    assert_type(scope.on_cancel(print), Callable[[], object])


class Mine(threadfan.ThreadPoolExecutor):
    """The drop-in name can be subclassed."""
