"""A batch that stops on a condition: what was done is kept, and the report says why it stopped."""

import asyncio
import pickle

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Fan
from threadfan._core.base.outcome import FAILED, SUCCEEDED
from threadfan._core.batches.halting import Halt
from threadfan._core.calls.collector import Collector


def fail(number):
    """Fails."""
    raise ValueError(number)


def statuses(report):
    """How many calls ended in which way."""
    return {status: number for status, number in report.stats.counts.items() if number}


@pytest.mark.parametrize("way", ["run", "run, fed", "arun", "journal"])
def test_a_number_of_errors(way, tmp_path):
    """``max_errors=5`` is ``halt="soon,fail=5"`` by a name of its own, and may stand beside another condition."""
    made = []

    def call(number):
        made.append(number)
        fail(number)

    with Fan(1) as fan:
        report = {
            "run": lambda: fan.run(call, range(100), max_errors=5),
            "run, fed": lambda: fan.run(call, iter(range(100)), max_errors=5, halt="now,success=1"),
            "arun": lambda: asyncio.run(fan.arun(call, range(100), max_errors=5, halt="soon,fail=7")),
            "journal": lambda: fan.run(call, range(100), max_errors=5, journal=tmp_path / "run.db"),
        }[way]()
    assert made == [0, 1, 2, 3, 4]
    assert report.stopped == "5 calls had failed (max_errors=5)"
    assert statuses(report) == {"failed": 5, "cancelled": 95}


def test_of_two_conditions_the_first_that_is_met_counts():
    """A value stops it before there are too many errors."""
    made = []
    with Fan(1) as fan:

        def call(number):
            made.append(number)
            if number == 4:
                until(lambda: fan.snapshot()["queued"] == 0)  # the batch has been stopped
            return number if number == 3 else fail(number)

        report = fan.run(call, range(99), halt="soon,success=1", max_errors=5)
    assert report.stopped == "1 call had succeeded (halt='soon,success=1')"
    assert made in ([0, 1, 2, 3], [0, 1, 2, 3, 4])  # the worker had taken the last one or not
    assert report.stats.failed == len(made) - 1


@pytest.mark.parametrize("policies", [{}, {"retry": 1}])
@pytest.mark.parametrize("way", ["run", "run, fed", "arun"])
def test_no_call_starts_after_the_last_failure_that_is_allowed(way, policies):
    """One slot: exactly five calls are made, whatever the rest."""
    made = []

    def call(number):
        made.append(number)
        fail(number)

    with Fan(1, **policies) as fan:
        report = {
            "run": lambda: fan.run(call, range(100), halt="soon,fail=5"),
            "run, fed": lambda: fan.run(call, iter(range(100)), halt="soon,fail=5"),
            "arun": lambda: asyncio.run(fan.arun(call, range(100), halt="soon,fail=5")),
        }[way]()
    assert made == [0, 1, 2, 3, 4]
    assert (report.stats.failed, report.stats.succeeded) == (5, 0)
    assert report.stopped == "5 calls had failed (halt='soon,fail=5')"
    assert "stopped early: 5 calls had failed (halt='soon,fail=5')" in repr(report)


def test_soon_lets_calls_end_and_now_ends_them():
    """What runs when the condition is met has its value with ``soon``, and is cancelled with ``now``."""
    for how, ends in (("soon", "succeeded"), ("now", "cancelled")):
        with Fan(2) as fan, Gate() as gate:

            def call(number, gate=gate):
                if number == 0:
                    return gate(number)
                until(lambda: gate.started)
                return fail(number)

            running = aside(fan.run, call, range(4), halt=f"{how},fail=1")
            if how == "soon":
                until(lambda: gate.started)
                until(lambda: fan.snapshot()["queued"] == 0)  # the batch has been stopped
                gate.open()
            report = running.result(PATIENCE)
            gate.open()
        assert [outcome.status for outcome in report] == [ends, "failed", "cancelled", "cancelled"]


def test_one_success_is_enough():
    """The first value stops the rest."""
    with Fan(4) as fan:
        report = fan.run(lambda number: number if number == 3 else fail(number), range(1000), halt="now,success=1")
    assert report[3].value == 3
    assert report.stopped == "1 call had succeeded (halt='now,success=1')"
    assert len(report) == 1000


def test_so_many_that_are_done():
    """However they ended."""
    made = []
    with Fan(1) as fan:

        def call(number):
            made.append(number)
            if number == 10:
                until(lambda: fan.snapshot()["queued"] == 0)  # the batch is stopped while this one runs
            return number if number % 2 else fail(number)

        found = statuses(fan.run(call, range(100), halt="soon,done=10"))
    assert len(made) in (10, 11)  # the worker had taken the last one or not; if so, it came to its end
    assert found == {"succeeded": 5, "failed": len(made) - 5, "cancelled": 100 - len(made)}


def collected(failed, succeeded):
    """What is known of so many calls."""
    collector = Collector()
    ends = [FAILED] * failed + [SUCCEEDED] * succeeded
    collector.results.update((place, (place, None, 0.0, end)) for place, end in enumerate(ends))
    collector.failures["failed"] = failed
    return collector


def test_a_failure_that_is_not_counted_yet_is_no_success():
    """A thread stores the outcome of a call, and counts it as failed a moment later."""
    collector = collected(3, 0)
    collector.failures["failed"] = 2
    assert Halt("now,success=1").reached(collector) is None


@pytest.mark.parametrize(
    ("condition", "failed", "succeeded", "reason"),
    [
        ("soon,fail=3", 2, 50, None),
        ("soon,fail=3", 3, 50, "3 calls had failed (halt='soon,fail=3')"),
        ("soon,fail=10%", 2, 0, None),  # too few to say
        ("soon,fail=10%", 3, 30, None),
        ("soon,fail=10%", 3, 27, "3 of 30 calls had failed (halt='soon,fail=10%')"),
        ("now,success=50%", 4, 3, None),
        ("now,success=50%", 3, 3, "3 of 6 calls had succeeded (halt='now,success=50%')"),
        ("now,done=4", 2, 1, None),
        ("now,done=4", 2, 2, "4 calls had ended (halt='now,done=4')"),
    ],
)
def test_conditions(condition, failed, succeeded, reason):
    """As GNU parallel has them."""
    assert Halt(condition).reached(collected(failed, succeeded)) == reason


WRONG = ["", "fail=5", "soon", "soon,fail", "later,fail=1", "soon,fail=0", "now,fail=101%", "soon, fail=5"]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_condition(wrong):
    """It is named, and the error says what is right, before anything is called."""
    with Fan(1) as fan, pytest.raises(ValueError, match=r"halt must be 'now' or 'soon', a comma, and fail=N.*not"):
        fan.run(fail, [1], halt=wrong)


def test_a_condition_is_a_text():
    """A number alone is none."""
    with Fan(1) as fan, pytest.raises(TypeError, match="halt must be a text such as 'soon,fail=5', not 5"):
        fan.run(fail, [1], halt=5)


def test_a_batch_that_comes_to_its_end():
    """Nothing has stopped it; one that met its deadline or failed fast was stopped by that."""
    with Fan(1) as fan:
        assert fan.run(abs, range(5), halt="soon,fail=1").stopped is None
        assert fan.run(abs, range(5)).stopped is None
        with Gate() as gate:
            late = fan.run(gate, [1], deadline=0.01)
            gate.open()
        with pytest.raises(ValueError, match="0") as caught:
            fan.run(fail, range(3), fail_fast=True)
    assert late.stopped == "the batch's deadline of 0.01 s had passed"
    assert caught.value.report.stopped == "another call of the batch had failed (fail_fast)"
    assert pickle.loads(pickle.dumps(late)).stopped == late.stopped  # noqa: S301
