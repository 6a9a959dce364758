"""What is said of calls: one event for each that has no value, finished ones at debug level only."""

import logging
from contextlib import suppress

import pytest

from support.controlled import until_cancelled
from threadfan import CallCancelled, Fan

structlog = pytest.importorskip("structlog")
pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")
FIELDS = {"event", "level", "fan", "function", "index", "attempt", "duration", "waited_slot", "worker"}
PRIVATE = "a private prompt"


def echo(item):
    """Give back the item."""
    return item


def explode(item):
    """Fail, with the item in the error."""
    raise ValueError(item)


def ways(fan, fn):
    """The kinds of calls, as functions that make one and wait for it."""
    return {
        "run": lambda: fan.run(fn, [PRIVATE]),
        "stream": lambda: list(fan.stream(fn, [PRIVATE])),
        "map": lambda: next(iter(fan.map(fn, [PRIVATE]))),
        "gather": lambda: fan.gather(lambda: fn(PRIVATE)),
        "submit": lambda: fan.submit(fn, PRIVATE).result(),
    }


WAYS = sorted(ways(None, None))


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_call_is_one_warning(events, way):
    """However a call was handed in, its failure is told once, with all its fields."""
    with Fan(2, name="research") as fan, suppress(ValueError):
        ways(fan, explode)[way]()
    (event,) = events.named("call_failed")
    assert set(event) - {"index"} == FIELDS - {"index"} | {"error_type"}
    assert (event["level"], event["fan"], event["attempt"]) == ("warning", "research", 1)
    assert event["error_type"] == "ValueError"
    assert event["worker"].startswith("ThreadPoolExecutor-")
    assert event.get("index") == (None if way == "submit" else 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_finished_call_is_told_at_debug_level_only(events, way):
    """Success is told to those who debug."""
    with Fan(2) as fan:
        ways(fan, echo)[way]()
    (event,) = events.named("call_finished")
    assert set(event) - {"index"} == FIELDS - {"index"}
    assert event["level"] == "debug"


@pytest.mark.parametrize("way", WAYS)
def test_at_info_level_a_finished_call_is_not_told(events, way):
    """A program that filters debug events out is spared them, and still learns of failures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    with Fan(2) as fan:
        ways(fan, echo)[way]()
        fan.submit(explode, PRIVATE).exception()
    assert events.named("call_finished") == []
    assert len(events.named("call_failed")) == 1


@pytest.mark.parametrize("fn", [echo, explode])
@pytest.mark.parametrize("way", WAYS)
def test_arguments_and_results_are_never_told(events, fn, way):
    """No event carries the item, the value or the error's text: they hold prompts and keys."""
    with Fan(2) as fan, suppress(ValueError):
        ways(fan, fn)[way]()
    assert events
    assert PRIVATE not in repr(events)


def test_a_call_out_of_time_is_told_and_so_is_its_thread(events):
    """The timeout is one warning, the thread that is stuck in the call another."""
    with Fan(1, timeout=0.02) as fan:
        fan.run(until_cancelled, [PRIVATE])
    (late,) = events.named("call_timed_out")
    (stuck,) = events.named("call_abandoned")
    assert (late["function"], late["index"], late["error_type"]) == ("until_cancelled", 0, "TaskTimeout")
    assert late["duration"] >= 20
    assert (stuck["function"], stuck["index"], stuck["worker"]) == ("until_cancelled", 0, late["worker"])
    assert PRIVATE not in repr(events)


def test_a_cancelled_call_is_told(events):
    """A call that was cancelled while it ran is one warning."""

    def tool(_):
        raise CallCancelled

    with Fan(1) as fan:
        fan.run(tool, [PRIVATE])
    (event,) = events.named("call_cancelled")
    assert (event["level"], event["error_type"]) == ("warning", "TaskCancelled")


def test_times_are_milliseconds(events):
    """Duration and queue time agree with the outcome's seconds."""
    with Fan(1) as fan:
        (outcome,) = fan.run(explode, [PRIVATE])
    (event,) = events.named("call_failed")
    assert event["duration"] == pytest.approx(outcome.duration * 1000, abs=0.001)
    assert event["waited_slot"] == pytest.approx(outcome.waited_slot * 1000, abs=0.001)


def test_a_processor_that_fails_costs_no_outcome(events, caplog):
    """What the user's logging does wrong is logged, and the call's outcome stands."""

    def broken(*_):
        raise OSError("disk full")

    structlog.configure(processors=[broken])
    with Fan(1) as fan:
        report = fan.run(explode, [PRIVATE])
        assert fan.submit(echo, 5).result() == 5
    assert report[0].status == "failed"
    assert "a log handler or structlog processor failed" in caplog.text
