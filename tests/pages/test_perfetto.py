"""Traces, opened and queried by Perfetto's own trace processor, through its Python package."""

import os
import shutil
from contextlib import contextmanager

import pytest

from support.controlled import Gate
from support.reports import raw, report
from threadfan import Fan, Hedge, RateLimit, Report, stage
from threadfan._core.base.attempt import Attempt
from threadfan._core.base.outcome import FAILED, SUCCEEDED
from threadfan._core.pages.trace import WAITED_FOR, concurrency

PROGRAM = os.environ.get("THREADFAN_TRACE_PROCESSOR") or next(
    filter(None, map(shutil.which, ("trace_processor_shell", "trace_processor"))), None
)
if PROGRAM is None:
    pytest.skip(
        "Perfetto's trace_processor_shell is not on PATH, nor named by THREADFAN_TRACE_PROCESSOR",
        allow_module_level=True,
    )
processor = pytest.importorskip("perfetto.trace_processor", reason="the package perfetto is not installed")

CALLS = """
    select thread.name as slot, thread.tid, process.name as process, slice.name, ts, dur, depth, category,
        slice.arg_set_id
    from slice join thread_track on track_id = thread_track.id join thread using (utid) join process using (upid)
    order by ts, tid, dur
"""
WAITS = """
    select slice.name, ts, dur, depth, category, process.name as process,
        extract_arg(slice.arg_set_id, 'args.call') as call
    from slice join process_track on track_id = process_track.id join process using (upid) order by ts, call, slice.name
"""
COUNTS = """
    select track.name, ts, value from counter join process_counter_track as track on track_id = track.id order by ts
"""
ARGUMENTS = "select arg_set_id, key, coalesce(string_value, real_value, int_value) as value from args"


@pytest.fixture
def opened(tmp_path):
    """Writes a report's trace and opens it: nothing of it may have been lost, refused or moved."""

    @contextmanager
    def openings(made, **arguments):
        path = tmp_path / "run.json"
        made.to_trace(path, **arguments)
        config = processor.TraceProcessorConfig(bin_path=PROGRAM)
        with processor.TraceProcessor(trace=str(path), config=config) as trace:
            ask = asking(trace)
            bad = ask("select name, value from stats where severity in ('error', 'data_loss') and value > 0")
            assert bad == []
            spans = made._story().spans()
            ((calls,),) = ask("select count(*) as n from slice join thread_track on track_id = thread_track.id")
            assert calls == len(spans)
            yield ask

    return openings


def asking(trace):
    """A function from a query to its rows, as tuples."""

    def ask(query):
        rows = trace.query(query)
        return [tuple(getattr(row, name) for name in rows.column_names) for row in rows]

    return ask


def nanoseconds(seconds):
    """As Perfetto counts them."""
    return round(1e9 * seconds)


def drawn(made, label=str):
    """What the trace must have: each attempt in the row of its slot, with its times, on no other."""
    spans, outcomes = made._story().spans(), list(made)
    return sorted(
        (
            f"slot {span.lane + 1}",
            label(outcomes[span.place].index),
            nanoseconds(span.start),
            nanoseconds(span.end) - nanoseconds(span.start),
            0,
            span.status,
        )
        for span in spans
    )


def shown(ask):
    """The same of what was opened."""
    return sorted((slot, name, ts, dur, depth, kind) for slot, _, _, name, ts, dur, depth, kind, _ in ask(CALLS))


def arguments(ask, name):
    """What an argument of the attempts is, in the order of their starts."""
    found = {(of, key): value for of, key, value in ask(ARGUMENTS)}
    return [found.get((row[-1], f"args.{name}")) for row in ask(CALLS)]


def test_calls_waits_and_counters(opened):
    """Each attempt is in the row of its slot, with its error; waits have rows of their own; how many ran is counted."""
    with opened(report(), title="A run", label=lambda outcome: outcome.item) as ask:
        assert [row[:8] for row in ask(CALLS)] == [
            ("slot 1", 1, "A run", "item 0", 0, 1_000_000_000, 0, "succeeded"),
            ("slot 2", 2, "A run", "item 1", 0, 2_000_000_000, 0, "failed"),
            ("slot 1", 1, "A run", "item 2", 1_000_000_000, 500_000_000, 0, "failed"),
            ("slot 1", 1, "A run", "item 3", 2_000_000_000, 3_000_000_000, 0, "timed_out"),
            ("slot 2", 2, "A run", "item 2", 3_500_000_000, 500_000_000, 0, "succeeded"),
        ]
        assert arguments(ask, "error") == [
            None, "ValueError: bad input 1", "ConnectionError: reset", "TimeoutError: too slow", None,
        ]  # fmt: skip
        assert arguments(ask, "attempt") == [1, 1, 1, 1, 2]
        assert arguments(ask, "waited after a failed attempt") == [None, None, None, None, 1.5]
        assert ask(WAITS) == [
            ("for a slot", 0, 1_000_000_000, 0, "wait", "waiting", "item 2"),
            ("for a slot", 0, 2_000_000_000, 0, "wait", "waiting", "item 3"),
            ("after a failed attempt", 1_500_000_000, 1_500_000_000, 0, "wait", "waiting", "item 2"),
            ("for a rate limit", 3_000_000_000, 500_000_000, 0, "wait", "waiting", "item 2"),
        ]
        for name, expected in {
            "running": concurrency([(span.start, span.end) for span in report()._story().spans()]),
            "waiting for a slot": [(0, 2), (1, 1), (2, 0)],
            "waiting for a rate limit": [(3, 1), (3.5, 0)],
            "waiting after a failed attempt": [(1.5, 1), (3, 0)],
        }.items():
            found = [(ts, value) for counter, ts, value in ask(COUNTS) if counter == f"{name} calls"]
            assert found == [(nanoseconds(moment), count) for moment, count in expected]


def test_retries_hedges_limits_and_nested_calls(opened):
    """A real run of everything that makes attempts and waits; a call that waits for calls of its own is one slice."""
    gate, begun = Gate(), []

    def call(item):
        begun.append(item)
        if item % 3 == 0 and begun.count(item) == 1:
            raise ConnectionError("once")
        if item == 4 and begun.count(item) == 1:
            return gate(item)  # which is closed until the other attempt has succeeded
        if item == 5:
            return fan.run(abs, [-4, -1]).unwrap()
        return item

    with Fan(3, retry=2, hedge=Hedge(after=0.05, budget=1.0), rate=RateLimit(6000, burst=2)) as fan, gate:
        made = fan.run(call, range(12))
    assert made.unwrap()[4:6] == [4, [4, 1]]
    with opened(made) as ask:
        assert shown(ask) == drawn(made)
        assert {name for name, *_ in ask(WAITS)} == set(WAITED_FOR)
        again = [row[3] for row, attempt in zip(ask(CALLS), arguments(ask, "attempt"), strict=True) if attempt == 2]
        assert {"0", "3", "4", "6", "9"} <= set(again)


def test_pipelines(opened):
    """Each attempt says in which stage it was."""
    with Fan(3) as fan:
        made = fan.pipeline(stage(abs, name="first"), stage(str, name="second")).run(range(-20, 0))
    with opened(made) as ask:
        assert shown(ask) == drawn(made)
        assert sorted(arguments(ask, "stage")) == 20 * ["first"] + 20 * ["second"]


def test_fifty_thousand_calls(opened):
    """None of them is missing, and none overlaps another in its slot; what waits is counted."""
    with Fan(8) as fan:
        made = fan.run(abs, range(50_000))
    with opened(made) as ask:
        assert shown(ask) == drawn(made)
        assert ask(WAITS) == []
        assert "waiting for a slot calls" in {name for name, _, _ in ask(COUNTS)}


def test_calls_of_no_length(opened):
    """By a clock of few ticks thousands of calls begin and end at one moment: none stands on another."""
    made = Report([raw(n, SUCCEEDED, None, 1.0, 1.0) for n in range(1200)], wall=2.0)
    with opened(made) as ask:
        assert [row[3:7] for row in ask(CALLS)] == [(str(n), 1_000_000_000 + n, 1, 0) for n in range(1200)]


HOSTILE = [
    """<script>alert("it's")</script>\\u0041\\""", "\U0001f600 😀 漢字 \u202egnirts\u2028", "line\nline\ttab\x1b[31m",
    "100%d %s {} $(x)", "x" * 10_000, "');drop table slice;--",
]  # fmt: skip


def test_hostile_names(opened):
    """A name stands there as it is, whatever is in it; half a pair of surrogates, which is no character, does not."""
    made = Report([raw(n, SUCCEEDED, None, n, n + 1) for n in range(len(HOSTILE))], wall=9.0)
    with opened(made, title="".join(HOSTILE), label=lambda outcome: HOSTILE[outcome.index]) as ask:
        assert [row[3] for row in ask(CALLS)] == HOSTILE
        assert {row[2] for row in ask(CALLS)} == {"".join(HOSTILE)}
    broken = ["\ud83d", "\0end", "", "\ud83d\ude00"]
    with opened(made, title="", label=lambda outcome: broken[outcome.index % 4]) as ask:
        assert {row[2] for row in ask(CALLS)} == {"Report"}
        assert len(ask(CALLS)) == len(HOSTILE)


def test_a_wait_in_a_call(opened):
    """What a function has waited for limits while it ran does not lie before its call, where nothing is shown."""
    attempts = [
        Attempt(FAILED, OSError(), started=0.5, duration=2.0, waited_slot=0.25, waited_limit=1.75),
        Attempt(SUCCEEDED, None, started=3.0, duration=1.0, waited_backoff=0.5, waited_limit=1.0),
    ]
    made = Report([raw(0, SUCCEEDED, 1, 3.0, 4.0)], wall=4.0, attempts={0: attempts})
    with opened(made) as ask:
        assert [row[:3] for row in ask(WAITS)] == [
            ("for a rate limit", 0, 250_000_000), ("for a slot", 250_000_000, 250_000_000),
            ("after a failed attempt", 2_500_000_000, 500_000_000),
        ]  # fmt: skip
        assert arguments(ask, "waited for a rate limit") == [1.75, 1.0]


def test_nothing(opened):
    """A report without calls is a trace as well."""
    with opened(Report([], wall=0.0)) as ask:
        assert ask("select pid, name from process where pid > 0 order by pid") == [(1, "Report"), (2, "waiting")]
