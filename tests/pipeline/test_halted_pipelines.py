"""Pipelines that stop on a condition: no call starts then, in any stage, and report or stream says why."""

import asyncio
import gc
import weakref

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Budget, Fan, FanClosed, Hedge, Usage, current_scope, stage


def fail(number):
    """Fails."""
    raise ValueError(number)


def passes(number):
    """Goes on."""
    return number


async def items(number):
    """They come in the event loop."""
    for item in range(number):
        yield item


def ran(pipeline, way, number, path, **options):
    """The outcomes of a pipeline, and why it was stopped."""
    if way == "journal":
        options["journal"] = path / "run.db"
    if way in ("run", "journal", "fed"):
        report = pipeline.run(iter(range(number)) if way == "fed" else range(number), **options)
        return list(report), report.stopped
    if way in ("stream", "ordered", "fed stream"):
        given = iter(range(number)) if way == "fed stream" else range(number)
        stream = pipeline.stream(given, ordered=way == "ordered", **options)
        return list(stream), stream.stopped
    return asyncio.run(awaited(pipeline, way, items(number) if way.startswith("mixed") else range(number), options))


async def awaited(pipeline, way, given, options):
    """The same in an event loop."""
    if way.endswith("arun"):
        report = await pipeline.arun(given, **options)
        return list(report), report.stopped
    stream = pipeline.astream(given, **options)
    return [outcome async for outcome in stream], stream.stopped


WAYS = [
    "run", "fed", "journal", "arun", "mixed arun", "stream", "ordered", "fed stream", "astream", "mixed astream"
]  # fmt: skip


@pytest.mark.parametrize("policies", [{}, {"retry": 1}])
@pytest.mark.parametrize("way", WAYS)
def test_no_call_starts_after_so_many_errors(way, policies, tmp_path):
    """With one slot exactly five items fail; each that was taken has an outcome, whose error says why."""
    made = []

    def last(number):
        made.append(number)
        fail(number)

    with Fan(1, **policies) as fan:
        outcomes, stopped = ran(fan.pipeline(passes, last), way, 300, tmp_path, max_errors=5, halt="soon,success=1")
    assert made == [0, 1, 2, 3, 4]
    outcomes.sort(key=lambda one: one.index)
    assert [outcome.index for outcome in outcomes] == list(range(len(outcomes)))
    assert [outcome.status for outcome in outcomes] == ["failed"] * 5 + ["cancelled"] * (len(outcomes) - 5)
    assert stopped == "5 items had failed (max_errors=5)"
    assert {str(one.error) for one in outcomes[5:]} <= {stopped}
    assert {one.stage for one in outcomes[5:]} <= {"passes", last.__name__}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("condition", "ok"), [("soon,success=40", 40), ("soon,done=90", 45)])
def test_items_that_are_through_count(way, condition, ok, tmp_path):
    """Handed out or not."""

    def odd(number):
        return number if number % 2 else fail(number)

    with Fan(1) as fan:
        outcomes, stopped = ran(fan.pipeline(passes, odd), way, 1_000, tmp_path, halt=condition)
    number = condition.partition("=")[2]
    assert stopped == f"{number} items had {'succeeded' if ok == 40 else 'ended'} (halt={condition!r})"
    assert sum(outcome.ok for outcome in outcomes) == ok


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tells", ["value", "scope"])
def test_a_budget_counts_the_calls_of_all_stages(way, tells, tmp_path):
    """Four of 300 tokens are made of 1,000: two items come through two stages."""

    def call(number):
        if tells == "scope":
            current_scope().add_usage(Usage(300))
        return {"usage": {"input_tokens": 300, "output_tokens": 0}}

    budget = Budget(1_000)
    with Fan(1) as fan:
        pipeline = fan.pipeline(call, call)
        outcomes, stopped = ran(pipeline, way, 300, tmp_path, budget=budget)
        assert stopped == "the budget of 1,000 tokens was used up: 1,200 were spent"
        assert sum((outcome.usage for outcome in outcomes if outcome.usage), Usage(requests=0)) == Usage(
            1_200, requests=4
        )
        assert budget.spent_tokens == 1_200
        outcomes, stopped = ran(fan.pipeline(fail), way, 300, tmp_path, budget=budget)  # nothing is left
    assert stopped == "the budget of 1,000 tokens was used up: 1,200 were spent"
    assert {outcome.status for outcome in outcomes} <= {"cancelled"}


def test_attempts_of_all_kinds_are_paid_for():
    """Those of a retry, and the second ones of hedging."""
    made = []

    def twice(number):
        current_scope().add_usage(Usage(100))
        made.append(number)
        if made.count(number) == 1:
            raise ConnectionError
        return number

    budget = Budget(600)
    with Fan(1) as fan:
        report = fan.pipeline(stage(twice, retry={ConnectionError: 1})).run(range(100), budget=budget)
        assert (report.stopped, budget.spent_tokens) == (
            "the budget of 600 tokens was used up: 600 were spent", 600
        )  # fmt: skip
    with Fan(2) as fan, Gate() as gate:

        def hedged(number):
            current_scope().add_usage(Usage(100))
            made.append("hedged")
            return gate(number) if made.count("hedged") == 1 else number

        budget = Budget(200)
        pipeline = fan.pipeline(stage(hedged, hedge=Hedge(after=0.001, budget=1)))
        report = pipeline.run(range(1), budget=budget)
        gate.open()
    assert (report.ok, budget.spent_tokens) == (True, 200)


@pytest.mark.parametrize(("how", "ends"), [("soon", "succeeded"), ("now", "cancelled")])
@pytest.mark.parametrize("streams", [True, False])
def test_soon_lets_calls_end_and_now_ends_them(how, ends, streams):
    """A call of the last stage that runs has its value with ``soon``; whether or not anybody reads."""
    with Fan(2) as fan, Gate() as gate:

        def last(number):
            if number == 0:
                return gate(number)
            gate.wait_for(1)
            return fail(number)

        pipeline = fan.pipeline(passes, last)
        if streams:
            stream = pipeline.stream(range(5), halt=f"{how},fail=1", ordered=how == "soon")
            reading = aside(list, stream)
            until(lambda: stream.stopped)
        else:
            reading = aside(pipeline.run, range(5), halt=f"{how},fail=1")
            gate.wait_for(1)
            until(lambda: fan.snapshot()["queued"] == 0)
        if how == "soon":
            gate.open()
        outcomes = sorted(reading.result(PATIENCE), key=lambda one: one.index)
        gate.open()
    first, *others = (outcome.status for outcome in outcomes)
    assert first == ends
    assert others.count("failed") == 1  # whichever of them came to the last stage first
    assert set(others) <= {"failed", "cancelled"}


def test_one_that_has_enough():
    """Nothing has stopped it, even if the last item met the condition; nor is a fan that is closed a condition."""
    with Fan(1) as fan:
        pipeline = fan.pipeline(passes, fail)
        assert pipeline.run(range(3), max_errors=3).stopped is None
        for given in (range(3), iter(range(3))):
            stream = pipeline.stream(given, max_errors=3)
            assert len(list(stream)) == 3
        stream = fan.pipeline(passes).stream(range(300), max_errors=3, window=2)
        next(stream)
    with pytest.raises(FanClosed):
        list(stream)
    assert stream.stopped is None


def test_a_journal_goes_on_with_what_was_left_out(tmp_path):
    """What each stage has returned is not called, nor paid for, again."""
    made = []

    def call(number):
        made.append(number)
        current_scope().add_usage(Usage(100))
        return number

    with Fan(1) as fan:
        pipeline = fan.pipeline(call, call)
        first = pipeline.run(range(5), journal=tmp_path / "run.db", budget=Budget(500))
        assert (first.ok, len(made)) == (False, 5)
        assert pipeline.run(range(5), journal=tmp_path / "run.db", budget=Budget(600)).ok
    assert len(made) == 10


def test_what_is_wrong_is_refused_at_once():
    """At the call, and not at the first ``next``."""
    with Fan(1) as fan:
        pipeline = fan.pipeline(passes)
        with pytest.raises(ValueError, match="halt must be 'now' or 'soon'"):
            pipeline.stream([1], halt="fail=1")
        with pytest.raises(TypeError, match="budget must be a Budget"):
            pipeline.run([1], budget=5)


@pytest.mark.parametrize("begun", [False, True])
def test_what_nobody_holds_is_gone(begun):
    """A stream with conditions is gone with its last reference, whether or not it was begun."""

    class Item:
        """An input."""

    item = Item()
    gone, budget = weakref.ref(item), Budget(1_000)
    gc.disable()
    try:
        with Fan(1) as fan:
            stream = fan.pipeline(passes).stream([item, item], halt="now,success=50%", max_errors=9, budget=budget)
            if begun:
                next(stream)
                until(lambda: fan.snapshot()["running"] == 0)
            del stream
            report = fan.pipeline(passes).run([item, item], halt="now,success=9", max_errors=9, budget=budget)
            del report, item
        until(lambda: gone() is None)
    finally:
        gc.enable()
