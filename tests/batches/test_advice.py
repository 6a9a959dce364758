"""What a report says of the time that its calls waited, and the one line of advice."""

import pickle
import threading
from queue import SimpleQueue

import pytest

from threadfan import Fan, LimitExhausted, RateLimit, Report
from threadfan._core.base.attempt import Attempt
from threadfan._core.base.outcome import FAILED, SUCCEEDED


def report_of(*histories, wall=10.0, slots=8, **figures):
    """A report of calls that had these attempts, each as (start, duration, further figures)."""
    raws, notes = [], {}
    for index, history in enumerate(histories):
        *_, (last, duration, _) = history
        raws.append((index, None, 0.0, SUCCEEDED, None, last, last + duration, "pool_0"))
        notes[index] = [
            Attempt(FAILED, ValueError("bad"), started=start, duration=took, **more) for start, took, more in history
        ]
    return Report(raws, attempts=notes, wall=wall, slots=slots, **figures)


def calls(count, duration, **more):
    """So many calls of one attempt."""
    return [[(0.0, duration, more)]] * count


@pytest.mark.parametrize(
    ("slots", "limited", "advice"),
    [
        (8, 6.2, "62% of the time went to the rate limit: raise it or lower max_workers to 3"),
        (3, 6.2, "62% of the time went to the rate limit: raise it"),
        (8, 5.0, "50% of the time went to the rate limit: raise it or lower max_workers to 3"),
        (8, 11.0, "100% of the time went to the rate limit: raise it or lower max_workers to 3"),
        (8, 4.9, None),
    ],
)
def test_the_limit(slots, limited, advice):
    """From half of the time on it is what decides; as many workers as were busy, and a quarter more, are enough."""
    report = report_of(*calls(10, 2.0, waited_limit=3.0), slots=slots, limited=limited)
    assert report.stats.advice == advice
    assert report.stats.waited_limit == 30.0
    assert (f"\n  {advice}" in repr(report)) is (advice is not None)


def test_back_off():
    """More than half of the calls' time was spent after failed attempts: their errors are what to look at."""
    report = report_of([(0.0, 1.0, {}), (4.0, 1.0, {"waited_backoff": 3.0})])
    assert report.stats.advice == (
        "60% of the calls' time went to waiting after failed attempts (1 retries): look at their errors in "
        "outcome.history, most often ValueError"
    )
    assert repr(report).endswith(report.stats.advice)
    assert (report.stats.waited_backoff, report.stats.retries, report[0].waited_backoff) == (3.0, 1, 3.0)


def test_nothing_to_say():
    """Calls that took the time themselves, little back-off, and no calls at all."""
    assert report_of(*calls(10, 2.0)).stats.advice is None
    assert report_of([(0.0, 4.0, {}), (5.0, 4.0, {"waited_backoff": 1.0})]).stats.advice is None
    assert Report([]).stats.advice is None
    assert repr(Report([])) == "<Report of 0 calls: nothing to do; 0.000 s>"


@pytest.mark.parametrize(("others", "told"), [(40, "2 slow calls"), (2, "ran alone")])
def test_no_call_of_milliseconds_is_slow(others, told):
    """Nobody gives a timeout of so little, however much less the others take, or if one of them is left alone."""

    def advice(unit):
        slow = [[(0.0, 30 * unit, {})], [(0.0, 60 * unit, {})]]
        return report_of(*calls(others, unit), *slow, wall=60 * unit, slots=others + 2).stats.advice

    assert told in advice(0.01)
    assert advice(0.0015) is None


def test_the_limit_comes_first():
    """One line: the limit holds all calls up, a back-off one of them."""
    report = report_of([(0.0, 1.0, {}), (4.0, 1.0, {"waited_backoff": 3.0})], limited=9.0)
    assert report.stats.advice.startswith("90% of the time went to the rate limit")


def test_time_that_two_attempts_share_counts_once():
    """Of the outcome's duration and of all that is summed up from it."""
    report = report_of([(0.0, 3.0, {}), (1.0, 2.0, {}), (5.0, 1.0, {})])
    assert report[0].duration == 4.0
    assert (report.stats.duration_sum, report.stats.duration_max) == (4.0, 4.0)


def test_figures_survive_pickling():
    """With what they are made from."""
    report = report_of(*calls(10, 2.0, waited_limit=3.0), limited=6.2, pauses=2)
    again = pickle.loads(pickle.dumps(report))  # noqa: S301 -- our own
    assert again.stats.to_dict() == report.stats.to_dict()
    assert (again.stats.advice, again.stats.pauses) == (report.stats.advice, 2)


@pytest.mark.parametrize(
    ("error", "pauses", "advised"),
    [(KeyError("KEY"), 0, False), (KeyError("KEY"), 1, True), (LimitExhausted(), 0, True)],
)
def test_no_advice_on_a_limit_where_all_calls_fail(error, pauses, advised):
    """A higher limit does not bring a missing key; what was refused, or not made for want of permits, is its affair."""
    raws = [(index, None, 0.0, FAILED, error, 6.0, 6.1, "pool_0") for index in range(8)]
    advice = Report(raws, wall=10.0, slots=8, limited=7.0, pauses=pauses).stats.advice
    assert (advice is not None and "70% of the time went to the rate limit" in advice) is advised


def test_a_batch_that_its_limit_holds_up(clock):
    """Three calls of no time at one a minute: the limit is what decides."""
    done = SimpleQueue()
    with Fan(4, rate=RateLimit(1)) as fan:
        thread = threading.Thread(target=lambda: done.put(fan.run(abs, [-1, -2, -3])))
        thread.start()
        while done.empty():
            clock.advance(1)
            threading.Event().wait(0.001)
        report = done.get()
        thread.join()
    assert report.unwrap() == [1, 2, 3]
    assert report.stats.advice.endswith("% of the time went to the rate limit: raise it or lower max_workers to 1")
    assert report.stats.waited_limit == sum(outcome.waited_limit for outcome in report) > report.stats.limited
    assert report[0].waited_limit == 0.0


def test_calls_that_were_not_made_were_not_refused():
    """Of ten one was refused, and eight were given up with it; a retry there was."""
    refusal = type("Refused", (Exception,), {"status_code": 429})("too many")
    given_up = LimitExhausted("this call was not made")
    given_up.__cause__ = refusal
    ends = [(SUCCEEDED, None), (FAILED, refusal), *[(FAILED, given_up)] * 8]
    raws = [(place, None, 0.0, *end, 0.0, 1.0, "pool_0") for place, end in enumerate(ends)]
    report = Report(raws, wall=1.0, conditions={"limits": 1, "retried": True})
    assert report.stats.advice == (
        "10% of the calls were refused as too many: give the rate the numbers that the server keeps to"
    )
