"""Graphs that stop on a condition, and how far they are: tasks count, and the elements of those that are fanned out."""

import asyncio
import gc
import weakref

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Budget, Fan, Usage, current_scope


def fail(number):
    """Fails."""
    raise ValueError(number)


def ran(graph, way, path, **options):
    """The report of a graph."""
    if way == "journal":
        options["journal"] = path / "run.db"
    if way == "arun":
        return asyncio.run(graph.arun(**options))
    return graph.run(**options)


WAYS = ["run", "arun", "journal"]


def numbers():
    """What is gone through."""
    return list(range(100))


@pytest.mark.parametrize("policies", [{}, {"retry": 1}])
@pytest.mark.parametrize("way", WAYS)
def test_no_call_starts_after_so_many_errors(way, policies, tmp_path):
    """With one slot exactly five elements fail, and what was not called says why."""
    made = []

    def call(number):
        made.append(number)
        fail(number)

    with Fan(1, **policies) as fan:
        graph = fan.graph(numbers)
        graph.add(call, each={"number": numbers})
        report = ran(graph, way, tmp_path, max_errors=5, halt="soon,success=9")
    assert made == [0, 1, 2, 3, 4]
    assert report.stopped == "5 calls had failed (max_errors=5)"
    assert report["numbers"].ok
    assert [outcome.status for outcome in report["call"]] == ["failed"] * 5 + ["cancelled"] * 95
    assert {str(outcome.error) for outcome in report["call"][5:]} == {report.stopped}


@pytest.mark.parametrize("policies", [{}, {"retry": 1}])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("condition", "ok"), [("soon,success=11", 11), ("soon,done=21", 11), ("now,fail=30%", 8)])
def test_calls_that_have_ended_count(way, policies, condition, ok, tmp_path):
    """Those with a value too; what was skipped was no call."""

    def odd(number):
        return number if number % 2 else fail(number)

    def never():
        return 1

    with Fan(1, **policies) as fan:
        graph = fan.graph(numbers)
        graph.add(never, when=lambda: False)
        graph.add(odd, each={"number": numbers}) if "%" not in condition else graph.add(
            lambda number: number if number < 7 else fail(number), name="odd", each={"number": numbers}
        )
        report = ran(graph, way if "%" not in condition else "run", tmp_path, halt=condition)
    said = {"11": "11 calls had succeeded", "21": "21 calls had ended", "30%": "4 of 12 calls had failed"}
    assert report.stopped == f"{said[condition.partition('=')[2]]} (halt={condition!r})"
    assert sum(outcome.ok for outcome in report) == ok


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tells", ["value", "scope"])
def test_a_budget(way, tells, tmp_path):
    """Four calls of 300 tokens are made of 1,000, of whatever tasks."""

    def one():
        if tells == "scope":
            current_scope().add_usage(Usage(300))
        return {"usage": {"input_tokens": 300, "output_tokens": 0}}

    def two(one):
        return one

    with Fan(1) as fan:
        graph = fan.graph()
        for place in range(9):
            graph.add(one, name=f"one{place}")
        graph.add(two, depends_on={"one": "one8"})
        budget = Budget(1_000)
        report = ran(graph, way, tmp_path, budget=budget)
        assert report.stopped == "the budget of 1,000 tokens was used up: 1,200 were spent"
        assert [outcome.status for outcome in report] == ["succeeded"] * 4 + ["cancelled"] * 6
        assert report.usage == Usage(1_200, requests=4)
        report = ran(fan.graph(one, name="other"), way, tmp_path, budget=budget)
    assert (report.stopped, report["one"].status) == (
        "the budget of 1,000 tokens was used up: 1,200 were spent",
        "cancelled",
    )


def test_one_that_has_enough():
    """Nothing has stopped it, if the last call met the condition; other ends have reasons of their own."""
    with Fan(1) as fan:
        graph = fan.graph()
        graph.add(lambda: fail(1), name="last")
        assert graph.run(max_errors=1).stopped is None
        with pytest.raises(ValueError, match="1"):
            graph.run(max_errors=2, fail_fast=True)


@pytest.mark.parametrize(("how", "ends"), [("soon", "succeeded"), ("now", "cancelled")])
def test_soon_lets_calls_end_and_now_ends_them(how, ends):
    """What runs has its value with ``soon``, and what depends on it is not called."""
    with Fan(2) as fan, Gate() as gate:
        graph = fan.graph()
        graph.add(lambda: gate(1), name="long")
        graph.add(lambda: fail(gate.wait_for(1)), name="fails")
        graph.add(lambda long: long, name="last")
        running = aside(graph.run, halt=f"{how},fail=1")
        gate.wait_for(1)
        if how == "soon":
            until(lambda: fan.snapshot()["queued"] == 0)  # it has been stopped
            gate.open()
        report = running.result(PATIENCE)
    assert [report[name].status for name in ("long", "fails", "last")] == [ends, "failed", "cancelled"]


def test_inputs_of_the_same_names():
    """They are given in a mapping, and the error says so."""
    with Fan(1) as fan:
        graph = fan.graph()
        graph.add(lambda budget, progress: (budget, progress), name="both")
        with pytest.raises(TypeError, match=r"'progress' is missing.* give the input in a mapping, graph.run\(\{'prog"):
            graph.run(progress=True)
        assert graph.run({"budget": 1, "progress": 2}).unwrap() == [(1, 2)]
        with pytest.raises(TypeError, match="budget must be a Budget"):
            graph.run(budget=5)
        with pytest.raises(TypeError, match="progress must be True, False, or a function"):
            graph.run(progress=5)


@pytest.mark.parametrize("way", ["run", "arun"])
def test_progress(way):
    """Tasks and elements are counted as they end; how many there are is known when the last list is there."""
    seen = []
    with Fan(1) as fan, Gate() as first, Gate() as second:
        graph = fan.graph()
        graph.add(lambda: first() or [1, 2, 3, 4], name="numbers")
        graph.add(lambda number: second(number) if number == 3 else number or fail(number), name="each", each="numbers")
        graph.add(lambda: 1, name="other")
        running = aside(ran, graph, way, None, progress=seen.append)
        until(lambda: seen and (seen[-1].done, seen[-1].total, seen[-1].running) == (0, None, 1))
        first.open()
        until(lambda: (seen[-1].done, seen[-1].total, seen[-1].running) in ((3, 6, 1), (4, 6, 1)))
        second.open()
        report = running.result(PATIENCE)
    assert (len(report), seen[-1].done, seen[-1].total, seen[-1].failed, seen[-1].running) == (6, 6, 6, 0, 0)
    assert seen[-1].name == "graph"


def test_progress_of_one_that_was_stopped():
    """What was not called has an outcome, and none of them a value."""
    seen = []
    with Fan(1) as fan:
        graph = fan.graph(numbers)
        graph.add(fail, each={"number": numbers})
        report = graph.run(max_errors=3, progress=seen.append)
    assert (len(report), seen[-1].done, seen[-1].total, seen[-1].failed) == (101, 101, 101, 100)


def test_what_nobody_holds_is_gone():
    """A run with conditions leaves nothing that leads to its values."""

    class Item:
        """A value."""

    item = Item()
    gone, budget = weakref.ref(item), Budget(1_000)
    gc.disable()
    try:
        with Fan(1) as fan:
            graph = fan.graph()
            graph.add(lambda one: one, name="two")
            report = graph.run(one=item, halt="now,success=1%", max_errors=9, budget=budget)
            del item, report
        until(lambda: gone() is None)
    finally:
        gc.enable()
