"""The figures of a pipeline's stages."""

import json
import pickle

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Fan, sleep
from threadfan._core.pipeline.outcome import PipelineOutcome, StageAttempt
from threadfan._core.pipeline.report import PipelineReport, Stages
from threadfan._core.pipeline.stage_stats import most_at_once
from threadfan._core.pipeline.stages import stage
from threadfan.testing import ManualClock


def research(item):
    """Four seconds on the manual clock; item 2 fails."""
    sleep(4)
    if item == 2:
        raise ValueError("nothing is known of it")
    return item


def analyse(item):
    """Two seconds."""
    sleep(2)
    return f"analysis of {item}"


@pytest.fixture
def report():
    """Three items on two slots, the second stage one at a time."""
    with ManualClock() as clock, Fan(2) as fan:
        report = aside(fan.pipeline(research, stage(analyse, max_concurrent=1, name="analysis")).run, [1, 2, 3])
        clock.wait_for_sleepers(2, until=4)
        clock.advance(4)
        clock.wait_for_sleepers(until=6)  # the analysis of 1
        clock.wait_for_sleepers(2, until=8)  # and the research of 3
        clock.advance(2)
        until(lambda: fan.snapshot()["running"] == 1)
        clock.advance(2)
        clock.wait_for_sleepers(until=10)  # the analysis of 3
        clock.advance(2)
        yield report.result(PATIENCE)


def test_each_stage_has_its_figures(report):
    """Who started, passed and failed there, how long it took, and what was waited in front of it."""
    first, second = report.stages.values()
    assert list(report.stages) == ["research", "analysis"]
    assert (first.started, first.succeeded, first.failed, first.not_started) == (3, 2, 1, 0)
    assert (second.started, second.succeeded, second.failed, second.not_started) == (2, 2, 0, 1)
    assert (first.duration_p50, first.duration_p90, first.duration_max, first.busy) == (4, 4, 4, 12)
    assert (second.duration_p50, second.duration_p90, second.duration_max, second.busy) == (2, 2, 2, 4)
    assert (first.waited_slot, second.waited_slot) == (4, 0)
    assert (first.most_at_once, second.most_at_once) == (2, 1)
    assert (first.max_concurrent, first.places, second.max_concurrent, second.places) == (None, 2, 1, 1)
    assert (first.load, second.load) == (12 / 20, 4 / 10)


def test_outcomes_add_up_over_the_stages(report):
    """The time that was worked on an item, and each attempt with its stage."""
    assert [outcome.duration for outcome in report] == [6, 4, 6]
    assert [outcome.waited_slot for outcome in report] == [0, 0, 4]
    assert [outcome.stage for outcome in report] == [None, "research", None]
    assert [[(one.stage, one.started) for one in outcome.history] for outcome in report] == [
        [("research", 0), ("analysis", 4)],
        [("research", 0)],
        [("research", 4), ("analysis", 8)],
    ]
    assert report.stats.duration_sum == 16
    assert report.stats.retries == 0
    assert report.stats.wall == 10


def test_what_is_shown(report):
    """Failures say in which stage; the stages are a table."""
    assert repr(report).splitlines() == [
        "<Report of 3 calls: 2 succeeded, 1 failed; 10.000 s>",
        "  1: failed in 'research', ValueError: nothing is known of it",
        "  slowest: 0 (6.000 s), 2 (6.000 s), 1 (4.000 s, failed); median 6.000 s",
        "  all slots were in use, and so was max_concurrent=1 of 'analysis': raise both",
    ]
    assert repr(report[1]) == "<Outcome 1: failed in 'research', ValueError, 4.000 s>"
    assert repr(report[0]) == "<Outcome 0: succeeded, 6.000 s>"
    assert repr(report[0].history[1]) == "<Attempt at 4.000 s: succeeded, 2.000 s, in 'analysis'>"
    head, first, second, advice = repr(report.stages).splitlines()
    assert head.split() == [
        "stage",
        "started",
        "succeeded",
        "failed",
        "p50",
        "p90",
        "max",
        "busy",
        "waited",
        "at",
        "once",
        "load",
    ]
    assert first.split() == ["research", "3", "2", "1", "4.000", "4.000", "4.000", "12.000", "4.000", "2/2", "60%"]
    assert second.split() == ["analysis", "2", "2", "0", "2.000", "2.000", "2.000", "4.000", "0.000", "1/1", "40%"]
    assert advice == report.stages.bottleneck


def test_a_report_pickles(report):
    """With its stages and histories, and so do its parts."""
    again = pickle.loads(pickle.dumps(report))  # noqa: S301
    assert isinstance(again, PipelineReport)
    assert repr(again) == repr(report)
    assert repr(again.stages) == repr(report.stages)
    assert again[1].stage == "research"
    assert again[0].history[1].stage == "analysis"
    assert pickle.loads(pickle.dumps(report.stages))["analysis"].busy == 4  # noqa: S301
    assert pickle.loads(pickle.dumps(report[1])).stage == "research"  # noqa: S301


def test_as_plain_data(report):
    """Ready for JSON: the stages' figures, and where each item ended."""
    plain = json.loads(json.dumps(report.to_dict()))
    assert [outcome["stage"] for outcome in plain["outcomes"]] == [None, "research", None]
    assert plain["stages"]["analysis"]["busy"] == 4
    assert plain["stages"]["research"]["failed"] == 1
    assert plain["stats"]["failed"] == 1


def went_through(*attempts):
    """The outcome of an item, from the name, start and end of its call in each stage, and what it waited for."""
    history = []
    for name, start, end, limited in attempts:
        attempt = StageAttempt("succeeded", None, started=start, duration=end - start, waited_limit=limited)
        attempt.stage = name
        history.append(attempt)
    raw = (0, None, 0.0, "succeeded", None, attempts[0][1], attempts[-1][2], "thread")
    return PipelineOutcome(raw, None, history, None)


@pytest.mark.parametrize(
    ("limit", "outcomes", "wall", "advice"),
    [
        (
            1,
            [went_through(("a", 0, 1, 0), ("b", 1, 5, 0)), went_through(("a", 0, 1, 0), ("b", 5, 9, 0))],
            10,
            "'b' held the others up: its max_concurrent=1 was used to 80%: raise it",
        ),
        (
            None,
            [went_through(("a", 0, 4, 0), ("b", 4, 5, 0)), went_through(("a", 0, 4, 0), ("b", 4, 5, 0))],
            5,
            "'a' held the others up, with 80% of the work, and more slots would not help: make it faster",
        ),
        (
            None,
            [went_through(("a", 0, 1, 0), ("b", 30, 31, 29))],
            31,
            "'b' held the others up: its calls waited 29 s in all for its rate limit",
        ),
        (None, [went_through(("a", 0, 1, 0), ("b", 1, 2, 0))], 2, None),
    ],
    ids=["a limit", "a stage", "a rate limit", "nothing"],
)
def test_the_bottleneck_is_named(limit, outcomes, wall, advice):
    """What held the items up, and what to do about it."""
    assert Stages([("a", None), ("b", limit)], outcomes, wall, 2).bottleneck == advice


def test_one_stage_is_no_bottleneck(clock):
    """There is nothing to compare it with; and nothing to say of no items."""
    with Fan(1) as fan:
        assert fan.pipeline(str).run([1]).stages.bottleneck is None
        report = fan.pipeline(str, str).run([])
        assert report.stages["str"].to_dict()["started"] == 0
        assert repr(report) == "<Report of 0 calls: nothing to do; 0.000 s>"


def test_a_call_that_is_cancelled_while_it_waits_has_not_started_there():
    """It is in front of the stage, and not among those that failed in it."""
    with ManualClock() as clock, Gate() as gate, Fan(2) as fan:
        report = aside(fan.pipeline(stage(str, name="first"), stage(gate, max_concurrent=1)).run, [1, 2], deadline=5)
        gate.wait_for(1)
        until(lambda: (fan.snapshot()["done"], fan.snapshot()["queued"]) == (2, 1))
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        report = report.result(PATIENCE)
        gate.open()
    assert sorted((one.status, one.stage, one.attempts) for one in report) == [
        ("cancelled", "Gate", 1),
        ("cancelled", "Gate", 2),
    ]  # whichever was there first
    assert (report.stages["Gate"].failed, report.stages["Gate"].not_started) == (1, 1)


@pytest.mark.parametrize(
    ("spans", "most"),
    [([], 0), ([(1, 1)], 1), ([(0, 1), (1, 2)], 1), ([(0, 2), (1, 3), (1, 2), (2, 3)], 3)],
)
def test_how_many_overlap(spans, most):
    """One that ends as another begins does not overlap it."""
    assert most_at_once(spans) == most
