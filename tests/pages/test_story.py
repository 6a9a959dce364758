"""Lanes and spans: what pages and traces draw."""

import json

from hypothesis import given
from hypothesis import strategies as st

from support.reports import raw, report
from threadfan import Report
from threadfan._core.base.attempt import Attempt
from threadfan._core.base.moments import EPOCH
from threadfan._core.base.outcome import FAILED, SUCCEEDED
from threadfan._core.pages.story import Span, put_in_lanes
from threadfan._core.pages.trace import concurrency


def test_every_attempt_is_a_span():
    """Seconds count from when the first call was handed in; a call that never ran has none."""
    story = report()._story()
    found = [(span.place, span.attempt, span.status, span.start, span.end, span.waits) for span in story.spans()]
    assert found == [
        (0, 1, "succeeded", 0.0, 1.0, (0.0, 0.0, 0.0)),
        (1, 1, "failed", 0.0, 2.0, (0.0, 0.0, 0.0)),
        (2, 1, "failed", 1.0, 1.5, (1.0, 0.0, 0.0)),
        (3, 1, "timed_out", 2.0, 5.0, (2.0, 0.0, 0.0)),
        (2, 2, "succeeded", 3.5, 4.0, (0.0, 0.5, 1.5)),
    ]
    assert [span.lane for span in story.spans()] == [0, 1, 0, 0, 1]
    assert story.began == EPOCH + 100.0


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15))))
def test_lanes(times):
    """No two spans are in one lane at one time, and there are no more lanes than ran at once."""
    spans = [Span(n, 1, "succeeded", start, start + took, (0, 0, 0)) for n, (start, took) in enumerate(sorted(times))]
    put_in_lanes(spans)
    last = {}
    for span in spans:
        assert last.get(span.lane, 0) <= span.start
        last[span.lane] = span.end
    most = max((sum(one.start <= span.start < one.end for one in spans) for span in spans), default=0)
    assert len(last) <= max(most, 1 if spans else 0) + any(span.start == span.end for span in spans)


def test_concurrency():
    """How many ran, at each moment at which that changed."""
    assert concurrency([(0, 2), (1, 2), (2, 3)]) == [(0, 1), (1, 2), (2, 1), (3, 0)]


def test_a_trace(tmp_path):
    """Calls are complete events in the lane of their slot; waits are pairs of their own; times are microseconds."""
    path = tmp_path / "run.json"
    report().to_trace(path, "A run", label=lambda outcome: outcome.item.upper())
    events = json.loads(path.read_text())["traceEvents"]
    calls = [event for event in events if event["ph"] == "X"]
    assert [(one["name"], one["cat"], one["tid"], one["ts"], one["dur"]) for one in calls] == [
        ("ITEM 0", "succeeded", 1, 0, 1_000_000),
        ("ITEM 1", "failed", 2, 0, 2_000_000),
        ("ITEM 2", "failed", 1, 1_000_000, 500_000),
        ("ITEM 3", "timed_out", 1, 2_000_000, 3_000_000),
        ("ITEM 2", "succeeded", 2, 3_500_000, 500_000),
    ]
    assert [one["args"].get("error") for one in calls] == [
        None, "ValueError: bad input 1", "ConnectionError: reset", "TimeoutError: too slow", None,
    ]  # fmt: skip
    waits = [(one["ph"], int(one["id2"]["local"], 16), one["name"], one["ts"]) for one in events if one["ph"] in "be"]
    assert waits[-4:] == [
        ("b", 2, "after a failed attempt", 1_500_000), ("e", 2, "after a failed attempt", 3_000_000),
        ("b", 2, "for a rate limit", 3_000_000), ("e", 2, "for a rate limit", 3_500_000),
    ]  # fmt: skip
    counts = [(one["ts"], one["args"]["calls"]) for one in events if one["name"] == "running"]
    assert (max(count for _, count in counts), counts[-1]) == (2, (5_000_000, 0))
    waiting = [(one["ts"], one["args"]["calls"]) for one in events if one["name"] == "waiting for a slot"]
    assert waiting == [(0, 2), (1_000_000, 1), (2_000_000, 0)]
    named = [(one["tid"], one["args"]["name"]) for one in events if one["name"] == "thread_name"]
    assert named == [(1, "slot 1"), (2, "slot 2")]


def test_a_trace_has_characters_as_they_are(tmp_path):
    """Escapes of two surrogates are refused by Perfetto, which reads no empty name of a process either."""
    path = tmp_path / "run.json"
    report().to_trace(path, "", label=lambda outcome: "\U0001f600\0" if outcome.index else "\ud83d")
    text = path.read_text("utf-8")
    assert '"\U0001f600\\u0000"' in text
    assert '"?"' in text
    assert [one["args"]["name"] for one in json.loads(text)["traceEvents"] if one["name"] == "process_name"] == [
        "Report", "waiting",
    ]  # fmt: skip


def test_waits_in_a_call_do_not_lie_before_it(tmp_path):
    """What a function waits for a limit while it runs is told of, but drawn neither before its call nor in another."""
    attempts = [
        Attempt(FAILED, OSError(), started=0.5, duration=2.0, waited_slot=0.25, waited_limit=1.75),
        Attempt(SUCCEEDED, None, started=3.0, duration=1.0, waited_backoff=0.5, waited_limit=1.0),
    ]
    path = tmp_path / "run.json"
    Report([raw(0, SUCCEEDED, 1, 3.0, 4.0)], wall=4.0, attempts={0: attempts}).to_trace(path)
    events = json.loads(path.read_text("utf-8"))["traceEvents"]
    assert [(one["ph"], one["name"], one["ts"]) for one in events if one["ph"] in "be"] == [
        ("b", "for a rate limit", 0), ("e", "for a rate limit", 250_000),
        ("b", "for a slot", 250_000), ("e", "for a slot", 500_000),
        ("b", "after a failed attempt", 2_500_000), ("e", "after a failed attempt", 3_000_000),
    ]  # fmt: skip
    waited = [one["args"]["waited for a rate limit"] for one in events if one["ph"] == "X"]
    assert waited == [1.75, 1.0]


def test_many_waits_are_counted_alone(tmp_path):
    """Where thousands of calls have waited at once, a row for each of them would be too many."""
    path = tmp_path / "run.json"
    Report([raw(n, SUCCEEDED, None, 1.0, 2.0) for n in range(1001)], wall=2.0).to_trace(path)
    events = json.loads(path.read_text("utf-8"))["traceEvents"]
    assert [one for one in events if one["ph"] in "be"] == []
    counts = [(one["ts"], one["args"]["calls"]) for one in events if one["name"] == "waiting for a slot"]
    assert counts == [(0, 1001), (1_000_000, 0)]


def test_calls_of_no_length_do_not_stand_on_each_other(tmp_path):
    """By a clock of few ticks thousands of calls begin and end at one moment; no two of a slot overlap."""
    path = tmp_path / "run.json"
    Report([raw(n, SUCCEEDED, None, 1.0, 1.0 + n // 3) for n in range(4)], wall=2.0).to_trace(path)
    calls = [event for event in json.loads(path.read_text("utf-8"))["traceEvents"] if event["ph"] == "X"]
    assert [(one["tid"], one["ts"], one["dur"]) for one in calls] == [
        (1, 1_000_000.0, 0.001), (1, 1_000_000.001, 0.001), (1, 1_000_000.002, 0.001), (1, 1_000_000.003, 999_999.997),
    ]  # fmt: skip
