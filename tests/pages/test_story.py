"""Lanes and spans: what pages and traces draw."""

import json

from hypothesis import given
from hypothesis import strategies as st

from support.reports import report
from threadfan._core.base.moments import EPOCH
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
    spans = [Span(0, 1, "succeeded", 0, 2, (0, 0, 0)), Span(1, 1, "succeeded", 1, 2, (0, 0, 0))]
    assert concurrency([*spans, Span(2, 1, "failed", 2, 3, (0, 0, 0))]) == [(0, 1), (1, 2), (2, 1), (3, 0)]


def test_a_trace(tmp_path):
    """Calls are complete events in the lane of their slot; waits are pairs of their own; times are microseconds."""
    path = tmp_path / "run.json"
    report().to_trace(path, "A run", label=lambda outcome: outcome.item.upper())
    events = json.loads(path.read_text())["traceEvents"]
    calls = [event for event in events if event["ph"] == "X"]
    assert [(one["name"], one["cat"], one["tid"], one["ts"], one["dur"]) for one in calls] == [
        ("ITEM 0", "succeeded", 0, 0, 1_000_000),
        ("ITEM 1", "failed", 1, 0, 2_000_000),
        ("ITEM 2", "failed", 0, 1_000_000, 500_000),
        ("ITEM 3", "timed_out", 0, 2_000_000, 3_000_000),
        ("ITEM 2", "succeeded", 1, 3_500_000, 500_000),
    ]
    assert [one["args"].get("error") for one in calls] == [
        None, "ValueError: bad input 1", "ConnectionError: reset", "TimeoutError: too slow", None,
    ]  # fmt: skip
    waits = [(one["ph"], one["id"], one["name"], one["ts"]) for one in events if one["ph"] in "be"]
    assert waits[-4:] == [
        ("b", 2, "after a failed attempt", 1_500_000), ("e", 2, "after a failed attempt", 3_000_000),
        ("b", 2, "for a rate limit", 3_000_000), ("e", 2, "for a rate limit", 3_500_000),
    ]  # fmt: skip
    counts = [(one["ts"], one["args"]["calls"]) for one in events if one["ph"] == "C"]
    assert (max(count for _, count in counts), counts[-1]) == (2, (5_000_000, 0))
