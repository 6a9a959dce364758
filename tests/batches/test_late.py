"""``late="keep"``: a batch that leaves its slow calls behind at its deadline, and loses none of them."""

import threading

import pytest

from support.controlled import PATIENCE
from threadfan import Fan, TaskTimeout
from threadfan.testing import ManualClock


def test_the_report_comes_at_the_deadline_and_the_rest_follows():
    """What is done is in the report; what is not has a future there, and goes on, whether it runs or is queued."""
    hold, slow, results = threading.Event(), threading.Semaphore(0), []

    def tool(item):
        if item >= 2:
            slow.release()
            assert hold.wait(PATIENCE)
        return item * 10

    with ManualClock() as clock, Fan(2) as fan:
        caller = threading.Thread(target=lambda: results.append(fan.run(tool, range(5), deadline=8, late="keep")))
        caller.start()
        clock.wait_for_sleepers(until=8)
        for _ in range(2):  # each thread has put its first outcome in place before it begins another call
            assert slow.acquire(timeout=PATIENCE)
        clock.advance(8)
        caller.join(PATIENCE)
        (report,) = results
        assert [outcome.status for outcome in report] == ["succeeded"] * 2 + ["timed_out"] * 3
        assert isinstance(report[2].error, TaskTimeout)
        assert [outcome.item for outcome in report] == list(range(5))
        assert list(report.late) == [2, 3, 4]
        assert not report.late[2].done()
        assert not report.late[2].cancel()
        hold.set()
        assert [future.result(PATIENCE) for future in report.late.values()] == [20, 30, 40]
    assert report.values(None) == [0, 10, None, None, None]


def test_a_late_failure_is_the_future_s_exception():
    """An error that comes after the deadline is not lost."""
    hold = threading.Event()

    def tool(_):
        assert hold.wait(PATIENCE)
        raise ValueError("late")

    with Fan(1) as fan:
        report = fan.run(tool, [1], deadline=0.05, late="keep")
        hold.set()
        assert isinstance(report.late[0].exception(PATIENCE), ValueError)


def test_closing_the_fan_waits_for_what_is_late():
    """A late call is neither timed out nor cancelled, so it finishes before ``with`` ends; a callback is told."""
    hold, told = threading.Event(), []
    with Fan(1) as fan:
        report = fan.run(lambda item: hold.wait(PATIENCE) and item, [1, 2], deadline=0.05, late="keep")
        for future in report.late.values():
            future.add_done_callback(lambda future: told.append(future.result()))
        hold.set()
    assert told == [1, 2]


def test_a_batch_in_time_has_nothing_late():
    """``late`` is empty, and the report is as ever."""
    with Fan(2) as fan:
        report = fan.run(abs, [-1, -2], deadline=60, late="keep")
    assert (report.unwrap(), report.late) == ([1, 2], {})


def test_inputs_that_still_come_are_left():
    """At the deadline no more inputs are taken; those that were have an outcome or a future."""
    hold, taken = threading.Event(), []

    def inputs():
        for item in range(1000):
            taken.append(item)
            yield item
            if item >= 2:
                assert entered.wait(PATIENCE)
                clock.advance(8)

    entered = threading.Event()

    def tool(item):
        if item == 2:
            entered.set()
        assert item < 2 or hold.wait(PATIENCE)
        return item

    with ManualClock() as clock, Fan(3) as fan:
        report = fan.run(tool, inputs(), deadline=8, late="keep")
        assert len(report) == len(taken) == 4
        hold.set()
        values = [report.late[place].result(PATIENCE) if place in report.late else report[place].value
                  for place in range(4)]  # fmt: skip
    assert values == [0, 1, 2, 3]


def test_ends_that_race_the_deadline_are_told_once():
    """However a deadline falls into the ends of calls, each is in the report or comes later, with its own value."""
    for number in range(200):
        barrier = threading.Barrier(2)

        def tool(item, barrier=barrier):
            if item == 20:
                barrier.wait(PATIENCE)
            return item

        with ManualClock() as clock, Fan(4) as fan:
            results = []
            caller = threading.Thread(
                target=lambda fan=fan, tool=tool, results=results, number=number: results.append(
                    fan.run(tool, range(40 + number % 3), deadline=8, late="keep")
                )
            )
            caller.start()
            clock.wait_for_sleepers(until=8)
            barrier.wait(PATIENCE)
            clock.advance(8)
            caller.join(PATIENCE)
            (report,) = results
            values = [report.late[place].result(PATIENCE) if place in report.late else report[place].value
                      for place in range(len(report))]  # fmt: skip
        assert values == list(range(40 + number % 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"late": "keep"}, "needs a deadline"), ({"late": True, "deadline": 1}, 'must be "keep" or None, not True')],
)
def test_wrong_options_are_named(options, message):
    """The message says what would be right."""
    with Fan(1) as fan, pytest.raises(ValueError, match=message):
        fan.run(abs, [1], **options)
