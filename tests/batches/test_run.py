"""`run`: every input gets its outcome, whatever ends the batch."""

import asyncio
import sys
import threading
import traceback
import types
from dataclasses import dataclass

import pytest

from support.controlled import PATIENCE, until_cancelled
from threadfan import CallCancelled, Fan, FanClosed, RateLimit, Report, TaskCancelled

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


def odd_fails(number):
    """Give back an even number, fail for an odd one."""
    if number % 2:
        raise ValueError(number)
    return number


def statuses(report):
    """The statuses in input order."""
    return [outcome.status for outcome in report]


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda items: (item for item in items), dict.fromkeys, set])
def test_outcomes_stand_in_input_order(kind):
    """Whatever kind of iterable the inputs are, each outcome stands at its input's place."""
    with Fan(4) as fan:
        report = fan.run(str, kind(range(200)))
    assert report.unwrap() == [str(number) for number in range(200)]
    assert [outcome.index for outcome in report] == [outcome.item for outcome in report] == list(range(200))


def test_failures_are_collected():
    """One failure does not disturb the other calls."""
    with Fan(2) as fan:
        report = fan.run(odd_fails, range(4))
    assert statuses(report) == ["succeeded", "failed", "succeeded", "failed"]
    assert [outcome.error.args for outcome in report.failed] == [(1,), (3,)]


def test_several_iterables_are_taken_side_by_side():
    """Each call gets one item of each iterable, and its outcome's item is the tuple of them."""
    with Fan(2) as fan:
        report = fan.run(pow, [2, 3], iter([3, 2]))
    assert [(outcome.item, outcome.value) for outcome in report] == [((2, 3), 8), ((3, 2), 9)]


def test_no_inputs_make_an_empty_report():
    """Nothing to do is no error."""
    with Fan(2) as fan:
        assert len(fan.run(str, [])) == len(fan.run(str, iter([]))) == 0


@pytest.mark.parametrize("kind", [list, iter], ids=["a list", "a generator"])
@pytest.mark.parametrize("options", [{}, {"retry": 1}], ids=["plain", "with retries"])
def test_a_star_unpacks_inputs(kind, options):
    """Each input is a tuple of arguments, and its outcome's item: failures of several iterables can be run again."""
    with Fan(2, **options) as fan:
        report = fan.run(divmod, kind([(7, 2), (1, 0), [9, 4]]), star=True)
        assert report.values(None) == [(3, 1), None, (2, 1)]
        assert [outcome.item for outcome in report] == [(7, 2), (1, 0), [9, 4]]
        failed = fan.run(divmod, [4, 1], [0, 0]).failed
        assert len(fan.run(divmod, kind([outcome.item for outcome in failed]), star=True).failed) == 2
        found = fan.stream(divmod, kind([(7, 2), (9, 4)]), ordered=True, star=True)
        assert [outcome.unwrap() for outcome in found] == [(3, 1), (2, 1)]


def test_an_estimate_sees_the_arguments_of_a_star():
    """What a call will use is asked with the call's arguments, as for several iterables."""
    seen = []

    def estimate(*given):
        seen.append(given)
        return 1, 1

    with Fan(1, rate=RateLimit(input_tokens_per_minute=60_000_000, estimate=estimate)) as fan:
        fan.run(divmod, [(7, 2)], star=True)
        fan.run(divmod, [9], [4])
        list(fan.starmap(divmod, [(8, 3)]))
    assert seen == [(7, 2), (9, 4), (8, 3)]


def test_lengths_must_agree():
    """Lengths that are known are compared before anything runs, and named."""
    ran = []
    with Fan(2) as fan, pytest.raises(ValueError, match="equal lengths, not 3 and 2"):
        fan.run(lambda *pair: ran.append(pair), [1, 2, 3], [1, 2])
    assert ran == []


def test_lengths_that_disagree_late_cost_nothing_done():
    """Where lengths show only at the end, the error carries the outcomes of what ran."""
    with Fan(2) as fan, pytest.raises(ValueError, match=r"shorter|longer") as caught:
        fan.run(max, iter([1, 2, 3]), [9, 9])
    assert len(caught.value.report) == 2


def test_a_generator_is_worked_on_as_it_comes():
    """The first input runs before the second exists."""
    done = threading.Event()

    def inputs():
        yield done.set
        assert done.wait(PATIENCE)
        yield done.is_set

    with Fan(1) as fan:
        assert fan.run(lambda fn: fn(), inputs()).unwrap() == [None, True]


def test_an_iterable_that_fails_midway_costs_nothing_done():
    """Its exception is raised with the report; what runs finishes, what is queued is cancelled."""
    running, go = threading.Event(), threading.Event()

    def tool(number):
        running.set()
        assert go.wait(PATIENCE)
        return number

    def inputs():
        yield 0
        assert running.wait(PATIENCE)
        yield 1
        threading.Timer(0, go.set).start()
        raise KeyError("source")

    with Fan(1) as fan, pytest.raises(KeyError, match="source") as caught:
        fan.run(tool, inputs())
    report = caught.value.report
    assert report[0].value == 0
    assert report[1].status in {"cancelled", "succeeded"}  # the thread may take it before the end is known
    assert len(report) == 2


def test_fail_fast_raises_the_original_with_the_report():
    """The first failure ends the batch: done is kept, running and queued are cancelled."""
    running = threading.Barrier(2)

    def tool(number):
        if number == 0:
            return "done"
        if number <= 2:
            running.wait(PATIENCE)
        if number == 1:
            raise LookupError("first failure")
        return until_cancelled()

    with Fan(2) as fan, pytest.raises(LookupError, match="first failure") as caught:
        fan.run(tool, range(5), fail_fast=True)
    report = caught.value.report
    assert statuses(report) == ["succeeded", "failed", "cancelled", "cancelled", "cancelled"]
    failure = report[1].error  # which is like the one raised, that has the report, and is not it
    assert (type(failure), failure.args) == (LookupError, ("first failure",))
    assert traceback.extract_tb(failure.__traceback__)[-1].name == "tool"
    assert report[4].attempts == 0  # the thread of the failure may have taken one more
    assert all(isinstance(outcome.error, TaskCancelled) for outcome in report[2:])


def test_fail_fast_ends_an_endless_input():
    """A failure stops the taking of inputs."""
    with Fan(2) as fan, pytest.raises(ValueError, match="1") as caught:
        fan.run(odd_fails, iter(lambda: 1, 0), fail_fast=True)
    assert caught.value.report.stats.failed >= 1


def test_fail_fast_without_a_failure_changes_nothing():
    """A batch that goes well is reported as ever."""
    with Fan(2) as fan:
        assert fan.run(str, [1, 2], fail_fast=True).unwrap() == ["1", "2"]


def test_the_deadline_keeps_what_is_finished(clock):
    """What is unfinished at the batch's deadline is cancelled, what is finished is kept, and nothing is raised."""

    def tool(number):
        if number:
            clock.advance(10)
            until_cancelled()
        return number

    with Fan(1) as fan:
        report = fan.run(tool, range(4), deadline=5)
    assert statuses(report) == ["succeeded", "cancelled", "cancelled", "cancelled"]
    assert [outcome.attempts for outcome in report] == [1, 1, 0, 0]
    assert "deadline of 5 s" in str(report[1].error)


def test_the_timeout_bounds_each_call(clock):
    """Every call has the whole timeout from its own start."""

    def tool(number):
        clock.advance(3)
        if number == 1:
            clock.advance(3)
            until_cancelled()
        return number

    with Fan(1, timeout=5) as fan:
        report = fan.run(tool, range(3))
    assert statuses(report) == ["succeeded", "timed_out", "succeeded"]
    assert report[0].duration == 3
    assert report[1].duration == 6


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration, asyncio.CancelledError])
def test_no_exception_harms_the_pool(error):
    """A call that raises what usually ends a program ends itself alone."""

    def tool(number):
        if number == 1:
            raise error
        return number

    with Fan(1) as fan:
        report = fan.run(tool, range(3))
    assert statuses(report) == ["succeeded", "failed", "succeeded"]
    assert isinstance(report[1].error, error)


def test_shutting_down_raises_with_the_report():
    """`cancel_futures=True` ends a batch with `FanClosed`, and what ran is in its report."""
    running, go, fan = threading.Event(), threading.Event(), Fan(1)

    def tool(number):
        running.set()
        assert go.wait(PATIENCE)
        return number

    def close():
        assert running.wait(PATIENCE)
        fan.shutdown(wait=False, cancel_futures=True)
        go.set()

    closer = threading.Thread(target=close)
    closer.start()
    with pytest.raises(FanClosed) as caught:
        fan.run(tool, range(3))
    closer.join()
    fan.shutdown()
    assert statuses(caught.value.report) == ["succeeded", "cancelled", "cancelled"]


def test_run_works_under_a_running_event_loop(monkeypatch):
    """Notebooks call it where a loop runs already; anywhere else that is warned of."""
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))

    async def cell():
        with Fan(2) as fan:
            return fan.run(str, [1, 2])

    report = asyncio.run(cell())
    assert isinstance(report, Report)
    assert report.unwrap() == ["1", "2"]


def test_failures_can_be_run_again():
    """The items of what failed are the inputs of the next batch."""
    healed = set()

    def flaky(number):
        if number % 2 and number not in healed:
            healed.add(number)
            raise OSError(number)
        return number

    with Fan(2) as fan:
        first = fan.run(flaky, range(6))
        again = fan.run(flaky, [outcome.item for outcome in first.failed])
    assert first.values(None) == [0, None, 2, None, 4, None]
    assert again.unwrap() == [1, 3, 5]


def test_an_exception_that_cannot_be_written_to_is_raised_as_it_is():
    """An error of a frozen class ends the batch as any other."""

    @dataclass(frozen=True)
    class Refused(Exception):
        code: int

    def tool(code):
        raise Refused(code)

    with Fan(1) as fan:
        (outcome,) = fan.run(tool, [403])
        assert outcome.error == Refused(403)
        with pytest.raises(Refused):
            fan.run(tool, [403], fail_fast=True)


def test_a_list_that_loads_lazily_counts_as_an_iterable():
    """A subclass of a known collection may run code when it is iterated: its error costs nothing done."""

    class Pages(list):
        def __iter__(self):
            yield "page 1"
            raise ConnectionError

    with Fan(1) as fan, pytest.raises(ConnectionError) as caught:
        fan.run(str, Pages())
    assert [outcome.item for outcome in caught.value.report] == ["page 1"]


def test_a_call_that_raises_the_cancel_by_itself_is_cancelled():
    """`CallCancelled` out of one call does not touch the others."""

    def tool(number):
        if number == 1:
            raise CallCancelled
        return number

    with Fan(1) as fan:
        assert statuses(fan.run(tool, range(3))) == ["succeeded", "cancelled", "succeeded"]
