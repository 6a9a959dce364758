"""The figures of a report, by exact numbers."""

from types import SimpleNamespace

import pytest

from threadfan import Report
from threadfan._core.base.outcome import CANCELLED, FAILED, SKIPPED, SUCCEEDED, TIMED_OUT
from threadfan._core.batches.stats import percentile


def raw(index, status=SUCCEEDED, payload=None, duration=1.0):
    """A call that ran for so many seconds; None: it never started."""
    start = None if duration is None else 0.0
    return (index, None, 0.0, status, payload, start, duration or 0.0, "pool_0")


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [
        (1, 50, 1),
        (1, 99, 1),
        (2, 50, 1),
        (3, 50, 2),
        (10, 90, 9),
        (10, 99, 10),
        (100, 50, 50),
        (100, 90, 90),
        (100, 99, 99),
    ],
)
def test_percentiles_are_nearest_rank(count, percent, expected):
    """The percentile of 1…n is the smallest number with that share at or below it."""
    assert percentile(list(range(1, count + 1)), percent) == expected


def test_a_percentile_of_nothing_is_zero():
    """A report without started calls has durations of zero."""
    assert percentile([], 50) == 0.0
    assert Report([raw(0, CANCELLED, None, duration=None)]).stats.duration_max == 0.0


def test_durations():
    """Percentiles, maximum and sum are over the calls that started."""
    stats = Report(
        [raw(index, duration=float(101 - index)) for index in range(1, 101)] + [raw(100, duration=None)]
    ).stats
    assert (stats.duration_p50, stats.duration_p90, stats.duration_p99, stats.duration_max) == (50, 90, 99, 100)
    assert stats.duration_sum == 5050


def test_counts():
    """Every status has its count, and they add up."""
    statuses = [SUCCEEDED] * 5 + [FAILED] * 4 + [TIMED_OUT] * 3 + [CANCELLED] * 2 + [SKIPPED]
    stats = Report([raw(index, status) for index, status in enumerate(statuses)]).stats
    assert stats.counts == {"succeeded": 5, "failed": 4, "timed_out": 3, "cancelled": 2, "skipped": 1}
    assert (stats.total, stats.success_rate) == (15, pytest.approx(1 / 3))


def test_concurrency_and_utilisation():
    """Eight seconds of calls in two seconds of wall are four at once, half of eight slots."""
    stats = Report([raw(index, duration=2.0) for index in range(4)], wall=2.0, slots=8).stats
    assert (stats.wall, stats.concurrency, stats.slots, stats.utilisation) == (2.0, 4.0, 8, 0.5)


def test_an_empty_report_has_figures():
    """Nothing to do divides nothing by nothing."""
    stats = Report([]).stats
    assert (stats.total, stats.success_rate, stats.concurrency, stats.utilisation) == (0, 1.0, 0.0, 0.0)


def test_tokens_are_added_up():
    """The usage of Messages API responses is counted where values have one, in whatever form of number."""
    usage = SimpleNamespace(input_tokens=10, output_tokens=5)
    values = [SimpleNamespace(usage=usage), SimpleNamespace(usage=None), "text", SimpleNamespace(usage=usage)]
    stats = Report([raw(index, payload=value) for index, value in enumerate(values)]).stats
    assert (stats.input_tokens, stats.output_tokens) == (20, 10)


def test_stats_as_text_and_as_data():
    """Every figure stands in both."""
    stats = Report([raw(0)], wall=2.0).stats
    data = stats.to_dict()
    assert data["duration_p50"] == 1.0
    assert {"total", "wall", "success_rate", "concurrency", "utilisation", "retries", "input_tokens"} <= set(data)
    assert all(f"{name}=" in repr(stats) for name in data)
