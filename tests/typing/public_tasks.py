"""Tasks, graphs and pipelines as type checkers see them.  Never run: `test_types.py` has it checked."""

from functools import partial
from typing import TYPE_CHECKING, Any, assert_type

from threadfan import AsyncRunStream, Fan, Graph, Outcome, Pipeline, PipelineReport, Report, Task, stage, task
from threadfan._core.pipeline.outcome import PipelineOutcome
from threadfan._core.pipeline.streamed import AsyncItemStream, ItemStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable


def one() -> int:
    """A task without arguments."""
    return 1


def name() -> str:
    """Another, of another type."""
    return "one"


def length(text: str, *, strict: bool = False) -> int:
    """The first stage."""
    return len(text) + strict


def half(number: int, *, by: int = 2) -> float:
    """The second."""
    return number / by


def written(number: float) -> str:
    """The third."""
    return f"{number}"


async def alength(text: str, *, strict: bool = False) -> int:
    """The first, as a coroutine function."""
    return len(text) + strict


async def ahalf(number: int) -> float:
    """The second."""
    return number / 2


async def awritten(number: float) -> str:
    """The third."""
    return f"{number}"


def untyped(value: Any) -> Any:
    """Says nothing of its types."""
    return value


def tasks(fan: Fan) -> None:
    """A task has the type of what its function returns, and checks the arguments."""
    assert_type(task(length, "x", strict=True), Task[int])
    assert_type(task(length, "x").with_options(timeout=5, retry={429: 3, ConnectionError: 1}), Task[int])
    assert_type(task(length, "x")(), int)
    assert_type(task(partial(length, "x")), Task[int])
    assert_type(task(untyped, 1), Task[Any])
    task(length, 5)  # type: ignore[call-overload]
    task(length, "x", lax=True)  # type: ignore[call-arg]
    unnamed: Task = task(one)
    anything: Callable[[], object] = unnamed
    fan.gather(anything)


def gathered(fan: Fan) -> None:
    """Whether tasks or functions, whether named or not."""
    assert_type(fan.gather(one, one), Report[int])
    assert_type(fan.gather(task(length, "x"), task(length, "y").with_options(retry=2)), Report[int])
    assert_type(fan.gather(first=one, second=task(length, "x")), Report[int])
    assert_type(fan.gather(one, second=task(length, "x"))["second"].unwrap(), int)
    assert_type(fan.with_options(max_concurrent=2).gather(task(name)).unwrap(), list[str])
    reviewers = {"a": task(length, "x"), "b": task(length, "y")}
    assert_type(fan.gather(**reviewers).values(None), list[int | None])
    fan.gather(one, name)
    fan.gather(length)  # type: ignore[arg-type]
    fan.gather(5)  # type: ignore[arg-type]


async def gathered_by_a_coroutine(fan: Fan) -> None:
    """So for coroutines, whose tasks may be coroutine functions."""
    assert_type(await fan.agather(one, one), Report[int])
    assert_type(await fan.agather(task(length, "x"), second=one), Report[int])
    assert_type(await fan.agather(task(alength, "x"), task(alength, "y")), Report[int])
    assert_type(await fan.agather(first=task(alength, "x")), Report[int])
    assert_type(await fan.agather(task(alength, "x"), one), Report[int])
    assert_type((await fan.agather(task(alength, "x")))[0].unwrap(), int)
    await fan.agather(task(alength, "x"), name)
    await fan.agather(length)  # type: ignore[arg-type]


async def coroutine_functions(fan: Fan) -> None:
    """What is awaited is the outcome, not the coroutine."""
    assert_type(await fan.arun(alength, ["x"]), Report[int])
    assert_type(sum((await fan.arun(alength, ["x"])).values()), int)
    assert_type(await fan.arun(length, ["x"]), Report[int])
    assert_type(await fan.arun(untyped, ["x"]), Report[Any])
    assert_type(await fan.arun(print, ["x"]), Report[None])
    assert_type(fan.astream(alength, ["x"]), AsyncRunStream[int])
    assert_type(fan.astream(length, ["x"], ordered=True), AsyncRunStream[int])
    generator: AsyncGenerator[Outcome[int], None] = fan.astream(alength, ["x"])
    assert_type([outcome async for outcome in generator], list[Outcome[int]])
    assert_type(fan.astream(alength, ["x"], journal="run.db", max_errors=5), AsyncRunStream[int])
    assert_type([piece async for piece in fan.astream_text(length, ["x"])], list[tuple[int, str]])
    async for outcome in fan.with_options(max_concurrent=2).astream(alength, ["x"]):
        assert_type(outcome.unwrap() + 1, int)
    await fan.arun(alength, 5)  # type: ignore[call-overload]


def pipelines(fan: Fan) -> None:
    """A pipeline knows what goes in and what comes out."""
    assert_type(fan.pipeline(length), Pipeline[str, int])
    assert_type(fan.pipeline(length, half), Pipeline[str, float])
    assert_type(fan.pipeline(length, half, written), Pipeline[str, str])
    assert_type(fan.pipeline(length, half, written, length), Pipeline[str, int])
    assert_type(fan.pipeline(length, half, written, length, half), Pipeline[str, float])
    assert_type(fan.pipeline(length, half, written, length, half, written), Pipeline[Any, Any])
    assert_type(fan.pipeline(stage(length, retry=2), stage(half, max_concurrent=4), written), Pipeline[str, str])
    assert_type(fan.pipeline(length, task(half, by=3), written), Pipeline[str, str])
    assert_type(fan.pipeline(task(length, strict=True), half), Pipeline[Any, float])
    assert_type(fan.pipeline(task(length, strict=True), task(half, by=3)), Pipeline[Any, float])
    assert_type(fan.pipeline(str.upper, untyped, written), Pipeline[str, str])
    fan.pipeline(partial(length, strict=True), half)
    stages: list[Callable[[str], str]] = [str.upper, str.lower]
    assert_type(fan.pipeline(*stages), Pipeline[Any, Any])
    fan.pipeline(half, length)  # type: ignore[arg-type]
    fan.pipeline(length, half, half)  # type: ignore[arg-type, misc]
    fan.pipeline(task(length))

    report = fan.pipeline(length, half).run(["x"])
    assert_type(report, PipelineReport[float])
    assert_type(report.unwrap(), list[float])
    assert_type(report[0], PipelineOutcome[float])
    assert_type([outcome.stage for outcome in report.failed], list[str | None])
    assert_type([outcome.unwrap() for outcome in report], list[float])
    assert_type(fan.pipeline(length).stream(["x"]), ItemStream[int])
    assert_type(next(fan.pipeline(length).stream(["x"], max_errors=5)), PipelineOutcome[int])
    assert_type(fan.pipeline(length).run(["x"], journal="run.db", version=2), PipelineReport[int])
    fan.pipeline(length).run([5])  # type: ignore[list-item]


async def pipelines_of_coroutines(fan: Fan) -> None:
    """Stages may be coroutine functions, wherever they stand."""
    assert_type(await fan.pipeline(length, half).arun(["x"]), PipelineReport[float])
    assert_type(await fan.pipeline(alength).arun(["x"]), PipelineReport[int])
    assert_type(await fan.pipeline(alength, half).arun(["x"]), PipelineReport[float])
    assert_type(await fan.pipeline(alength, ahalf, awritten).arun(["x"]), PipelineReport[str])
    assert_type(await fan.pipeline(length, ahalf, written).arun(["x"]), PipelineReport[str])
    assert_type(await fan.pipeline(alength, half, awritten).arun(["x"]), PipelineReport[str])
    assert_type(await fan.pipeline(stage(alength, max_concurrent=3), stage(ahalf)).arun(["x"]), PipelineReport[float])
    assert_type(fan.pipeline(alength, ahalf).astream(["x"]), AsyncItemStream[float])


def graphs(fan: Fan) -> None:
    """Functions stay what they are; values are found by name, which says nothing of their types."""
    graph = fan.graph(one, name="numbers")
    assert_type(graph, Graph)
    assert_type(graph.add(length, timeout=5, retry={TimeoutError: 2})("x"), int)

    @graph.task
    def twice(one: int) -> int:
        return 2 * one

    @graph.task(retry=2)
    def thrice(one: int) -> int:
        return 3 * one

    assert_type(twice(1) + thrice(1), int)
    assert_type(graph.run(text="x").value("twice"), Any)
