"""What a report tells afterwards: when, how long, why, and once more."""

import csv
import io
import math
import pickle
import sys
from time import time

import pytest

from support.controlled import run_program
from support.reports import report
from threadfan import Fan, Report, Usage, current_scope, task
from threadfan._core.base import outcome as outcomes
from threadfan._core.base.moments import EPOCH


def test_the_time_of_day_of_a_call():
    """Its first attempt's start and its end, in seconds since 1970, and nothing of a start that never was."""
    one, _, twice, _, never = report()
    assert (one.started, one.ended) == (EPOCH + 100.0, EPOCH + 101.0)
    assert (twice.started, twice.ended) == (EPOCH + 101.0, EPOCH + 104.0)
    assert (never.started, never.ended) == (None, EPOCH + 105.0)


def test_the_time_of_day_is_the_clock_on_the_wall():
    """As ``time.time()`` has it while the call runs."""
    before = time()
    with Fan(1) as fan:
        (one,) = fan.run(lambda _: time(), [0])
    assert before - 0.1 < one.started <= one.value + 0.1
    assert one.started <= one.ended < time() + 0.1


@pytest.mark.parametrize("whole", [True, False])
def test_times_survive_the_way_to_a_process_with_another_clock(whole, monkeypatch):
    """Its monotonic clock may have begun at another time; what is shown stays the same, and so do the distances."""
    sent = report() if whole else report()[2]
    data = pickle.dumps(sent)
    for module in (outcomes, sys.modules["threadfan._core.batches.report"]):
        monkeypatch.setattr(module, "EPOCH", EPOCH - 1000.0)
    arrived = pickle.loads(data)  # noqa: S301
    one, other = (sent[2], arrived[2]) if whole else (sent, arrived)
    monkeypatch.undo()
    shown = EPOCH - 1000.0 + other._raw[5]
    assert shown == pytest.approx(one.ended - 0.5)
    assert (other.duration, other.waited_slot) == pytest.approx((one.duration, one.waited_slot))


def test_slowest():
    """Those that ran longest first, whatever became of them; a call that never ran is none of them."""
    made = report()
    assert [outcome.index for outcome in made.slowest()] == [3, 1, 0, 2]
    assert [outcome.index for outcome in made.slowest(2)] == [3, 1]
    with pytest.raises(ValueError, match="count must be greater than 0, not 0"):
        made.slowest(0)


def test_by_error():
    """Texts that differ in numbers and quoted names alone are one cause; the most frequent comes first."""

    def fail(number):
        raise (ValueError(f"no city {number}") if number % 3 else KeyError("other"))

    with Fan(2) as fan:
        found = fan.run(fail, range(7)).by_error()
    assert [(text, [one.index for one in calls]) for text, calls in found.items()] == [
        ("failed, ValueError, such as: no city 1", [1, 2, 4, 5]),
        ("failed, KeyError: 'other'", [0, 3, 6]),
    ]
    with Fan(1) as fan:
        assert fan.run(abs, [1]).by_error() == {}


def test_the_end_of_a_long_error_is_shown():
    """It says why: clients wrap the cause in what they had asked for."""
    said = (
        "HTTPConnectionPool(host='127.0.0.1', port={}): Max retries exceeded with url: /x (Caused by "
        "NewConnectionError('<urllib3.connection.HTTPConnection object at 0x{:x}>: Failed to establish a new "
        "connection: [Errno 111] Connection refused'))"
    )

    def fail(number):
        raise ConnectionError(said.format(number, id(number)))

    with Fan(4) as fan:
        report = fan.run(fail, range(30))
    (cause,) = report.by_error()
    assert cause.startswith(
        "failed, ConnectionError, such as: HTTPConnectionPool(host='127.0.0.1', port=0): Max retries"
    )
    assert cause.endswith("[Errno 111] Connection refused'))")
    assert len(cause) < 160
    assert "Connection refused" in repr(report)


def test_usage_of_all_calls():
    """Their sum; None where no call tells of any."""

    def call(tokens):
        current_scope().add_usage(Usage(tokens, 1))

    with Fan(2) as fan:
        assert fan.run(call, [10, 20]).usage == Usage(30, 2, requests=2)
        assert fan.run(abs, [1]).usage is None


def test_rows_go_into_a_csv_file():
    """One for each call, all with the same columns."""
    rows = report().rows()
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    lines = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [line["status"] for line in lines] == ["succeeded", "failed", "succeeded", "timed_out", "cancelled"]
    assert rows[2] == {
        "index": 2, "name": None, "item": "item 2", "status": "succeeded", "value": "value", "error": None,
        "attempts": 2, "started": EPOCH + 101.0, "ended": EPOCH + 104.0, "duration": 1.0, "waited_slot": 1.0,
        "waited_limit": 0.5, "waited_backoff": 1.5, "worker": "worker_0", "input_tokens": None, "output_tokens": None,
    }  # fmt: skip
    assert (rows[1]["error"], rows[4]["name"], rows[4]["started"]) == ("ValueError: bad input 1", "last", None)


def test_a_data_frame():
    """Of pandas, where it is installed."""
    pytest.importorskip("pandas")
    frame = report().to_frame()
    assert list(frame["duration"]) == [1.0, 2.0, 1.0, 3.0, 0.0]
    assert math.isnan(frame["started"][4])


PROGRAM = """
import sys
sys.modules["pandas"] = sys.modules["polars"] = None
from threadfan import Fan
with Fan(1) as fan:
    try:
        fan.run(abs, [1]).to_frame()
    except ImportError as error:
        print(error)
"""


def test_without_a_library_of_data_frames():
    """The error says what to install, and what needs nothing."""
    assert "pip install pandas.  report.rows() needs nothing" in run_program(PROGRAM)[0]


def test_what_a_notebook_shows():
    """Counts and causes, with texts as text."""
    hostile = report(names={1: "<script>alert(1)</script>"})._repr_html_()
    assert "2 succeeded, 1 failed, 1 timed out, 1 cancelled; 5.000 s" in hostile
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in hostile
    assert "<script" not in hostile
    with Fan(1) as fan:
        assert "nothing to do" in fan.run(abs, [])._repr_html_()


# -- once more ---------------------------------------------------------------------------------------------------------


class Repaired(set):
    """Fails on what is in it, and counts its calls."""

    def __init__(self, *failing):
        super().__init__(failing)
        self.called = []

    def __call__(self, item):
        """Ten times the item."""
        self.called.append(item)
        current_scope().add_usage(Usage(1, 1))
        if item in self:
            raise ValueError(f"not yet: {item}")
        return item * 10


def test_retry_calls_what_has_no_value():
    """Its new outcome stands where the old one stood; no value is paid for twice; the old report stays as it was."""
    work = Repaired(2, 5)
    with Fan(2) as fan:
        first = fan.run(work, range(7))
        work.discard(2)
        second = first.retry(fan)
        assert work.called[7:] in ([2, 5], [5, 2])
        assert second.values(None) == [0, 10, 20, 30, 40, None, 60]
        assert ([one.index for one in second], [one.item for one in second]) == ([*range(7)], [*range(7)])
        assert (first.values(None)[2], second.usage) == (None, Usage(9, 9, requests=9))
        work.clear()
        third = second.retry(fan)
        assert third.values() == [0, 10, 20, 30, 40, 50, 60]
        assert third.retry(fan) is third


def test_retry_of_several_iterables_and_of_tuples():
    """Each input is given as it was the first time."""
    divisors = {"zero": 0}

    def divide(number, name):
        return number // divisors[name]

    with Fan(2) as fan:
        several = fan.run(divide, [6, 8], ["zero", "zero"])
        tuples = fan.run(divide, [(6, "zero"), (9, "zero")], star=True)
        divisors["zero"] = 2
        assert several.retry(fan).values() == [3, 4]
        assert tuples.retry(fan).values() == [3, 4]


def test_retry_of_tasks():
    """Named ones keep their names."""
    work = Repaired(1, 2)
    with Fan(2) as fan:
        first = fan.gather(task(work, 1), task(work, 3), named=task(work, 2))
        work.clear()
        second = first.retry(fan)
    assert (second.values(), second["named"].value) == ([10, 30, 20], 20)


def test_retry_under_policies():
    """Attempts are those of the last time."""
    work = Repaired(1)
    with Fan(2, retry=2) as fan:
        first = fan.with_options(retry=3, timeout=5).run(work, [0, 1])
        work.clear()
        second = first.retry(fan)
    assert [one.attempts for one in second] == [1, 1]
    assert second.values() == [0, 10]


def test_retry_of_what_was_read_from_a_file():
    """A function does not travel; it is asked for."""
    with Fan(1) as fan:
        read = pickle.loads(pickle.dumps(fan.run(Repaired(1), [0, 1])))  # noqa: S301
        with pytest.raises(ValueError, match=r"right is: report.retry\(fan, fn\)"):
            read.retry(fan)
        assert read.retry(fan, abs).values() == [0, 1]


def test_what_ends_a_retry_carries_the_report_of_all_calls():
    """Also what the first run had."""
    work = Repaired(0, 2)

    def stop(item):
        raise KeyboardInterrupt

    with Fan(1) as fan:
        first = fan.run(work, range(3))
        with pytest.raises(KeyboardInterrupt) as caught:
            raise_in_batch(first, fan, stop)
    merged = caught.value.report
    assert isinstance(merged, Report)
    assert (len(merged), merged[1].value) == (3, 10)


def raise_in_batch(first, fan, stop):
    """A Ctrl-C that comes out of the second batch."""

    class Stopped:
        gather = fan.gather

        @staticmethod
        def run(fn, items):
            """Ends early."""
            error = KeyboardInterrupt()
            error.report = fan.run(abs, [1])
            raise error

    first.retry(Stopped, stop)
