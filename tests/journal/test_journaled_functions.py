"""Graphs and pipelines with a journal: what a task or a stage has returned is not called again."""

import itertools
from dataclasses import dataclass

import pytest

from threadfan import Fan, JournalError, NotStored, stage

CALLS = []
FAILING = set()


@pytest.fixture(autouse=True)
def _nothing_yet():
    CALLS.clear()
    FAILING.clear()


@dataclass
class Page:
    """What is handed from one to the next."""

    number: int
    text: str = ""


def fetch(number) -> Page:
    """Noted, and fails for what is in FAILING."""
    CALLS.append(("fetch", number))
    if number in FAILING:
        raise ConnectionError(number)
    return Page(number, "x" * number)


def count(page: Page):
    """Noted, and fails for what is in FAILING."""
    CALLS.append(("count", page.number))
    if -page.number in FAILING:
        raise ValueError(page.number)
    return len(page.text)


def test_a_pipeline_goes_on(path):
    """With what each stage has returned, one whose later stage had failed too."""
    FAILING.update((2, -3))
    with Fan(4) as fan:
        pipeline = fan.pipeline(fetch, stage(count, max_concurrent=1))
        first = pipeline.run(range(5), journal=path)
        assert [outcome.status for outcome in first] == ["succeeded", "succeeded", "failed", "failed", "succeeded"]
        FAILING.clear()
        CALLS.clear()
        assert pipeline.run(range(5), journal=path).values() == [0, 1, 2, 3, 4]
        assert sorted(CALLS) == [("count", 2), ("count", 3), ("fetch", 2)]
        CALLS.clear()
        pipeline.run(range(2), journal=path, version=2)
        assert sorted(CALLS) == [("count", 0), ("count", 1), ("fetch", 0), ("fetch", 1)]
        CALLS.clear()
        streamed = pipeline.stream(itertools.count(), ordered=True, journal=path)
        assert [outcome.value for outcome in itertools.islice(streamed, 6)] == [0, 1, 2, 3, 4, 5]
        streamed.close()
    assert not {(name, number) for number in range(5) for name in ("fetch", "count")} & set(CALLS)


async def test_a_pipeline_for_coroutines(path):
    """Coroutine functions too."""

    async def half(number):
        CALLS.append(number)
        return number / 2

    async with Fan(2) as fan:
        pipeline = fan.pipeline(half, half)
        assert (await pipeline.arun([4, 8], journal=path)).values() == [1.0, 2.0]
        CALLS.clear()
        found = [outcome.value async for outcome in pipeline.astream([8, 4], ordered=True, journal=path)]
    assert found == [2.0, 1.0]
    assert not CALLS


def test_a_graph_goes_on(path):
    """Each element of a fan-out by itself; and a task is called again if what it waits for has changed."""

    def numbers(most):
        CALLS.append("numbers")
        return list(range(most))

    def page(number) -> Page:
        return fetch(number)

    def total(page, extra=0):
        CALLS.append("total")
        return sum(len(one.text) for one in page) + extra

    FAILING.add(2)
    with Fan(4) as fan:
        graph = fan.graph(numbers)
        graph.add(page, each={"number": "numbers"})
        graph.add(total)
        assert not graph.run(most=4, journal=path).ok
        assert "total" not in CALLS
        FAILING.clear()
        CALLS.clear()
        assert graph.run(most=4, journal=path)["total"].value == 6
        assert sorted(map(str, CALLS)) == ["('fetch', 2)", "total"]
        CALLS.clear()
        assert graph.run(most=4, journal=path)["total"].value == 6
        assert not CALLS
        assert graph.run(most=5, journal=path)["total"].value == 10
        assert sorted(map(str, CALLS)) == ["('fetch', 4)", "numbers", "total"]
        CALLS.clear()
        assert graph.run(most=5, extra=1, journal=path)["total"].value == 11
    assert CALLS == ["total"]


async def test_a_graph_for_coroutines(path):
    """Coroutine functions too."""

    async def one():
        CALLS.append("one")
        return 1

    async def two(one):
        CALLS.append("two")
        return one + 1

    async with Fan(2) as fan:
        graph = fan.graph(one, two)
        assert (await graph.arun(journal=path))["two"].value == 2
        CALLS.clear()
        assert (await graph.arun(journal=path))["two"].value == 2
    assert not CALLS


def test_retries_and_repeated_runs(path):
    """An attempt that fails is made again, and what it gives in the end is kept."""
    failures = [ConnectionError("once")]

    def fragile(item):
        CALLS.append(item)
        if failures:
            raise failures.pop()
        return item

    with Fan(1, retry=2) as fan:
        pipeline = fan.pipeline(fragile)
        assert pipeline.run([1, 1], journal=path).values() == [1, 1]
        assert pipeline.run([1], journal=path).values() == [1]
    assert CALLS == [1, 1]


def test_what_cannot_be(path, tmp_path):
    """The file, an annotation, an input and a result."""

    def nothing() -> type(open):
        return None

    def thing(_):
        return object()

    with Fan(1) as fan:
        pipeline = fan.pipeline(fetch)
        with pytest.raises(JournalError, match="its folder is not there"):
            pipeline.run([1], journal=tmp_path / "none" / "run.db")
        with pytest.raises(JournalError, match="its folder is not there"):
            next(pipeline.stream([1], journal=tmp_path / "none" / "run.db"))
        with pytest.raises(TypeError, match=r"there is none: give journal='run.db' too"):
            pipeline.run([1], version=1)
        with pytest.raises(TypeError, match="cannot be read back from JSON"):
            fan.graph(nothing).run(journal=path)
        (outcome,) = pipeline.run([open], journal=path)
        assert "a journal knows what fetch has to do by what is in its inputs" in str(outcome.error)
        (outcome,) = fan.pipeline(thing).run([1], journal=path)
        assert isinstance(outcome.error, NotStored)
    assert not CALLS
