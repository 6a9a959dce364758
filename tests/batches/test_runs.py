"""`start`: a batch in the background, to be watched, steered, iterated over and waited for."""

import asyncio
import gc
import os
import re
import sys
import threading
import weakref
from contextlib import suppress
from functools import partial

import pytest

from support.controlled import PATIENCE, Gate, aside, elapse, heed_cancel, run_program, until, within_patience
from threadfan import (
    CancelledError,
    Fan,
    FanClosed,
    RateLimit,
    Report,
    Run,
    TaskTimeout,
    current_scope,
    sleep,
)

GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")

POLICIES = {
    "plain": dict,
    "retry": lambda: {"retry": 1},
    "rate": lambda: {"rate": RateLimit(requests_per_minute=6_000_000, burst=1000)},
    "calls from the start": lambda: {
        "rate": RateLimit(requests_per_minute=6_000_000, burst=1000, estimate=lambda _: (1, 1))
    },
}
"""Options under which inputs go different ways."""
KINDS = {"list": list, "generator": lambda items: (item for item in items)}


@pytest.fixture(params=POLICIES)
def options(request):
    """Of a fan."""
    return POLICIES[request.param]()


@pytest.fixture(params=KINDS)
def kind(request):
    """Makes inputs that are at hand, or not."""
    return KINDS[request.param]


def double(number):
    """A call that succeeds, but for the number 3."""
    if number == 3:
        raise ValueError(number)
    return 2 * number


# -- the end -----------------------------------------------------------------------------------------------------------


def test_it_reports_what_run_does(options, kind):
    """The same outcomes in the same order, however inputs come and whatever calls are under."""
    with Fan(3, **options) as fan:
        run = fan.start(double, kind(range(20)))
        assert isinstance(run, Run)
        report = run.result(PATIENCE)
    assert [outcome.index for outcome in report] == list(range(20))
    assert report.values(None) == [None if number == 3 else 2 * number for number in range(20)]
    assert run.done()
    assert run.report() is report
    assert (run.progress().done, run.progress().failed, run.progress().running) == (20, 1, 0)


def test_several_iterables_and_tuples():
    """As for `run`."""
    with Fan(2) as fan:
        assert fan.start(pow, [2, 3], [5, 2]).result(PATIENCE).values() == [32, 9]
        assert fan.start(pow, iter([2, 3]), [5, 2]).result(PATIENCE).values() == [32, 9]
        assert fan.start(pow, [(2, 5), (3, 2)], star=True).result(PATIENCE).values() == [32, 9]


def test_leaving_the_fan_waits_for_it(kind):
    """All inputs are called, those that had not been read too, and nobody has to hold the run."""
    seen = []
    with Fan(2) as fan:
        fan.start(seen.append, kind(range(50)))
    assert sorted(seen) == list(range(50))


def test_a_fan_that_nobody_holds_finishes_it(kind):
    """The run keeps its fan, and without both the calls go on."""
    seen, gate = [], Gate()
    Fan(1).start(lambda item: seen.append(gate(item)), kind(range(3)))
    gate.wait_for(1)
    gate.open()
    until(lambda: seen == [0, 1, 2])


def test_no_inputs(kind):
    """A run of nothing is over at once."""
    with Fan(1) as fan:
        run = fan.start(double, kind([]))
        assert len(run.result(PATIENCE)) == 0
        assert list(run) == []


def test_waiting_has_an_end(clock):
    """At the timeout the run goes on, on the fan's clock."""
    gate = Gate()
    with Fan(1) as fan, gate:
        run = fan.start(gate, range(2))
        assert not run.wait(0)
        waiting = aside(run.wait, 5)
        clock.wait_for_sleepers(until=clock.monotonic() + 5)
        clock.advance(5)
        assert waiting.result(PATIENCE) is False
        with pytest.raises(TimeoutError, match="the run was not over after 0 s; it goes on"):
            run.result(0)
        gate.open()
        assert run.wait(PATIENCE)
        assert run.result(0).ok


def test_many_may_wait():
    """Threads and calls of the same fan, and each gets the report."""
    gate = Gate()
    with Fan(1) as fan, gate:
        run = fan.start(gate, range(3))
        gate.wait_for(1)
        threads = [aside(run.result) for _ in range(3)]
        calls = [fan.submit(run.result) for _ in range(3)]
        gate.open()
        reports = [one.result(PATIENCE) for one in (*threads, *calls)]
    assert all(report is reports[0] for report in reports)


def test_a_call_that_waits_lends_its_slot():
    """A call may start a run on its own fan, iterate over it and wait for it, with one slot."""

    def outer(number):
        run = fan.start(double, range(number, number + 2))
        return sorted(outcome.value for outcome in run), run.result().values()

    with Fan(1) as fan:
        assert fan.submit(outer, 5).result(PATIENCE) == ([10, 12], [10, 12])
        report = fan.start(outer, [10, 20]).result(PATIENCE)
    assert report.values() == [([20, 22], [20, 22]), ([40, 42], [40, 42])]


@pytest.mark.parametrize("way", ["wait", "iterate"])
def test_a_call_that_waits_is_ended_with_its_scope(way, clock):
    """Its time is up while it waits for a run of another call's: it does not hold its thread."""
    gate, begun, ended = Gate(), threading.Event(), threading.Event()

    def wait(run):
        try:
            begun.set()
            run.wait() if way == "wait" else list(run)
        finally:
            ended.set()

    with Fan(2) as fan, gate:
        run = fan.start(gate, [1])
        gate.wait_for(1)
        elapse(clock, 8, begun)
        future = fan.with_options(timeout=8).submit(wait, run)
        with pytest.raises(TaskTimeout):
            future.result(PATIENCE)
        assert ended.wait(PATIENCE)
        assert not run.done()
        gate.open()


def test_a_run_ends_with_the_call_that_has_started_it(clock):
    """When that call is cancelled, what it has started is."""
    gate, runs, begun = Gate(), [], threading.Event()

    def outer():
        runs.append(fan.start(gate, range(3)))
        heed_cancel(begun)

    with Fan(2) as fan, gate:
        elapse(clock, 8, begun)
        future = fan.with_options(timeout=8).submit(outer)
        with pytest.raises(TaskTimeout):
            future.result(PATIENCE)
        assert runs[0].wait(PATIENCE)
        with pytest.raises(BaseException, match="was cancelled or its time is up") as caught:
            runs[0].result()
    assert [outcome.status for outcome in caught.value.report] == ["cancelled"] * 3


# -- what ends it early ------------------------------------------------------------------------------------------------


def test_fail_fast_raises_at_the_result(options, kind):
    """The first failure cancels the rest; each who asks gets it, with the report."""
    gate = Gate()

    def tool(number):
        if number == 0:
            raise KeyError("zero")
        return gate(number)

    with Fan(1, **options) as fan, gate:
        run = fan.start(tool, kind(range(9)), fail_fast=True)
        for ask in (run.result, run.result, partial(list, run)):
            with pytest.raises(KeyError, match="zero") as caught:
                within_patience(ask)
            assert isinstance(caught.value.report, Report)
            assert caught.value.report[0].status == "failed"
        assert run.report().stopped is not None
    assert gate.started == []


def test_the_deadline_comes_though_nobody_waits(clock, kind):
    """It ends what runs and what waits, and the report says so."""
    gate = Gate()
    with Fan(1) as fan, gate:
        run = fan.start(gate, kind(range(3)), deadline=4)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=4)
        clock.advance(4)
        until(run.done)
        report = run.result()
    assert [outcome.status for outcome in report] == ["cancelled"] * 3
    assert report.stopped == "the batch's deadline of 4 s had passed"


@pytest.mark.parametrize(("halt", "succeeded"), [("soon,fail=1", 0), ("soon,done=2", 2), ("soon,success=1", 1)])
def test_halt_stops_it_though_nobody_waits(halt, succeeded):
    """The condition is looked at as calls end."""

    def tool(number):
        if "fail" in halt:
            raise ValueError(number)
        return number

    with Fan(1) as fan:
        run = fan.start(tool, range(100), halt=halt)
        until(run.done)
        report = run.result()
    assert report.stats.cancelled > 0
    assert report.stats.succeeded >= succeeded
    assert halt in report.stopped


def test_an_exception_of_the_inputs_ends_it():
    """What runs comes to its end, and the exception is raised at the result."""
    gate = Gate()

    def inputs():
        yield 1
        gate.wait_for(1)
        raise LookupError("source")

    with Fan(1) as fan, gate:
        run = fan.start(gate, inputs())
        gate.wait_for(1)
        gate.open()
        with pytest.raises(LookupError, match="source") as caught:
            run.result(PATIENCE)
    assert [outcome.value for outcome in caught.value.report] == [1]


def test_the_inputs_see_the_callers_variables():
    """They are read in another thread, in a copy of the context in which the run was started."""
    from contextvars import ContextVar

    variable = ContextVar("variable")
    variable.set("mine")

    def inputs():
        yield variable.get()
        variable.set("theirs")

    with Fan(1) as fan:
        assert fan.start(str, inputs()).result(PATIENCE).values() == ["mine"]
    assert variable.get() == "mine"


def test_cancelling_futures_ends_it(kind):
    """A fan that is closed with `cancel_futures` ends what has not started, and the run raises `FanClosed`."""
    gate = Gate()
    with gate:
        fan = Fan(1)
        run = fan.start(gate, kind(range(3)))
        gate.wait_for(1)
        fan.shutdown(wait=False, cancel_futures=True)
        gate.open()
        with pytest.raises(FanClosed):
            run.result(PATIENCE)
        fan.shutdown()


def test_what_is_refused_is_refused_at_the_call():
    """Before anything is called."""
    with Fan(1) as fan:
        with pytest.raises(TypeError, match="must be an iterable"):
            fan.start(str, 5)
        with pytest.raises(TypeError, match="late"):
            fan.start(str, [1], late="keep")
        with pytest.raises(ValueError, match="halt must be"):
            fan.start(str, [1], halt="never")
        with pytest.raises(ValueError, match="deadline"):
            fan.start(str, [1], deadline=-1)
        with pytest.raises(TypeError, match="progress must be"):
            fan.start(str, [1], progress=3)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        fan.start(str, [1])
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        fan.start(str, iter([1]))


# -- iterating ---------------------------------------------------------------------------------------------------------


def test_outcomes_come_as_calls_end():
    """And again for whoever asks again, before and after the end."""
    gates = {number: Gate() for number in range(3)}
    with Fan(3) as fan:
        run = fan.start(lambda number: gates[number](number), range(3))
        first, second = iter(run), iter(run)
        found = []
        for number in (2, 0, 1):
            gates[number].open()
            found.append(next(first).index)
            assert run.report()[-1].index == max(found)
        assert found == [2, 0, 1]
        assert [outcome.index for outcome in second] == found
        assert [outcome.index for outcome in first] == []
        assert [outcome.index for outcome in run] == found


def test_several_threads_iterate():
    """Each gets each outcome once."""
    with Fan(4) as fan:
        run = fan.start(double, range(2000))
        readers = [aside(list, run) for _ in range(4)]
        found = [[outcome.index for outcome in reader.result(PATIENCE)] for reader in readers]
    assert all(sorted(one) == list(range(2000)) for one in found)
    assert all(one == found[0] for one in found)


def test_a_report_at_any_time():
    """Of what has ended, in input order; what it says does not change."""
    gate = Gate()
    with Fan(3) as fan, gate:
        run = fan.start(lambda number: number if number % 2 else gate(number), range(6))
        until(lambda: len(run.report()) == 2)
        so_far = run.report()
        gate.open()
        report = run.result(PATIENCE)
    assert [outcome.index for outcome in so_far] == [1, 3]
    assert (so_far.ok, so_far.values(), so_far.stats.succeeded) == (True, [1, 3], 2)
    assert len(report) == 6


def test_tokens_are_in_outcomes_and_reports():
    """Outcomes that are iterated over and those of both reports have what their calls have used."""
    from threadfan import Usage

    def tool(number):
        current_scope().add_usage(Usage(number, 1))

    with Fan(2, retry=1) as fan:
        run = fan.start(tool, range(1, 4))
        assert sorted(outcome.usage.input_tokens for outcome in run) == [1, 2, 3]
        assert run.result().usage.input_tokens == 6
        assert run.progress().usage.input_tokens == 6


# -- pausing -----------------------------------------------------------------------------------------------------------


def test_a_pause_starts_no_call(options, kind):
    """Those that run come to their end; after `resume` all the others start."""
    gate = Gate()
    with Fan(2, **options) as fan, gate:
        run = fan.start(gate, kind(range(10)))
        gate.wait_for(2)
        run.pause()
        run.pause()
        assert run.paused
        gate.open()
        until(lambda: run.progress().done == 2)
        assert sorted(gate.started) == [0, 1]
        assert not run.wait(0)
        assert fan.submit(str, 1).result(PATIENCE) == "1"  # others have the slots
        assert (run.progress().running, run.paused) == (0, True)
        until(lambda: run.progress().waiting_slot == 8)
        run.resume()
        assert run.result(PATIENCE).values() == list(range(10))
    assert not run.paused
    run.pause()
    run.resume()


def test_a_paused_run_is_cancelled(options, kind):
    """It does not have to be gone on with for that."""
    gate = Gate()
    with Fan(1, **options) as fan, gate:
        run = fan.start(gate, kind(range(5)))
        gate.wait_for(1)
        run.pause()
        assert run.cancel()
        assert not run.cancel()
        report = run.result(PATIENCE)
    assert report.stopped == "the run was cancelled"
    assert {outcome.status for outcome in report} == {"cancelled"}


def test_closing_the_fan_cancels_what_is_paused(options):
    """It would wait for ever; and a fan that is closed refuses to pause."""
    gate = Gate()
    with Fan(1, **options) as fan, gate:
        run = fan.start(gate, range(5))
        gate.wait_for(1)
        run.pause()
        gate.open()
    assert run.done()
    assert run.report()[-1].status == "cancelled"
    gate = Gate()
    with gate:
        fan = Fan(1, **options)
        run = fan.start(gate, range(5))
        fan.shutdown(wait=False)
        with pytest.raises(RuntimeError, match="the fan is closed and waits for all calls"):
            run.pause()
        gate.open()
        assert run.result(PATIENCE).ok
        fan.shutdown()


def test_a_pause_holds_retries(clock):
    """A call that has failed is not tried again before `resume`, though its back-off is over."""
    tried = []

    def tool(number):
        tried.append(number)
        if len(tried) == 1:
            raise ConnectionError("once")
        return number

    with Fan(1, retry=2) as fan:
        run = fan.start(tool, [7])
        until(lambda: run.progress().waiting_backoff == 1)
        run.pause()
        clock.wait_for_sleepers()
        clock.advance(1000)
        until(lambda: run.progress().waiting_slot == 1)
        assert tried == [7]
        run.resume()
        assert run.result(PATIENCE).values() == [7]
    assert (tried, run.progress().retries) == ([7, 7], 1)


def test_a_paused_run_lets_others_through_its_limit(clock):
    """It takes no permit while it is paused, and nobody waits for it to take one."""
    limit = RateLimit(requests_per_minute=60)
    with Fan(2, rate=limit) as fan:
        run = fan.start(double, range(10, 20))
        until(lambda: run.progress().done == 1)
        run.pause()
        other = fan.start(double, [1, 2])
        for _ in range(40):
            if other.done():
                break
            clock.advance(0.5)
            other.wait(0)
            until(lambda: fan.snapshot()["running"] == 0)
        until(lambda: other.done() or clock.advance(0.25))
        assert other.result().values() == [2, 4]
        assert run.progress().done == 1
        run.cancel()


def test_inputs_are_read_while_it_is_paused():
    """They wait, and start afterwards in their order."""
    gate, more = Gate(), threading.Event()

    def inputs():
        yield 0
        assert more.wait(PATIENCE)
        yield from range(1, 6)

    with Fan(1) as fan:
        run = fan.start(gate, inputs())
        gate.wait_for(1)
        run.pause()
        more.set()
        gate.open()
        until(lambda: run.progress().waiting_slot == 5)
        assert gate.started == [0]
        run.resume()
        assert run.result(PATIENCE).ok
    assert gate.started == list(range(6))


# -- cancelling one call -----------------------------------------------------------------------------------------------


def test_one_call_is_cancelled(options, kind):
    """One that runs is told by its scope, one that waits never starts, one that is over stays as it is."""
    gate, started = Gate(), threading.Event()

    def tool(number):
        return heed_cancel(started) if number == 0 else gate(number)

    with Fan(2, **options) as fan, gate:
        run = fan.start(tool, kind(range(5)))
        assert started.wait(PATIENCE)
        gate.wait_for(1)
        until(lambda: run.progress().total == 5)
        assert run.cancel(3)
        assert not run.cancel(3)
        assert run.cancel(0)
        gate.open()
        report = run.result(PATIENCE)
        assert not run.cancel(1)
    assert [outcome.status for outcome in report] == ["cancelled", "succeeded", "succeeded", "cancelled", "succeeded"]
    assert sorted(gate.started) == [1, 2, 4]
    with pytest.raises(CancelledError, match="the call was cancelled"):
        report[3].unwrap()
    assert report.stopped is None


def test_a_call_that_backs_off_is_cancelled(clock):
    """It is not tried again, and nothing else is left of the run."""

    def fail(number):
        raise ConnectionError(number)

    with Fan(1, retry=5) as fan:
        run = fan.start(fail, [1])
        until(lambda: run.progress().waiting_backoff == 1)
        assert run.cancel(0)
        report = run.result(PATIENCE)
    assert report[0].status == "cancelled"


@pytest.mark.parametrize("index", [-1, 5, 100])
def test_there_has_to_be_such_an_input(index):
    """Anything else is an error that says how many there are."""
    with Fan(1) as fan:
        run = fan.start(double, range(5))
        with pytest.raises(IndexError, match=f"there is no input {index}: 5 were taken so far"):
            run.cancel(index)
        with pytest.raises(TypeError, match="index must be the place of an input"):
            run.cancel("first")
        run.wait(PATIENCE)


def test_the_last_call_that_is_cancelled_ends_the_run(options):
    """Nobody has to look for that."""
    with Fan(1, **options) as fan:
        run = fan.start(double, [1, 2])
        run.pause()
        for index in range(2):
            run.cancel(index)
        assert run.wait(PATIENCE)
        assert {outcome.status for outcome in run.report()} <= {"cancelled", "succeeded"}


@pytest.mark.parametrize("way", ["run", "stream"])
def test_a_call_that_is_cancelled_in_the_hands_of_a_thread_is_told(options, way):
    """Between being taken and being begun: its reader, who sleeps, is woken by its outcome."""
    gate = Gate()
    with Fan(1, **options) as fan, gate:
        start = {"run": fan.start, "stream": partial(fan.stream, ordered=True, keep=True)}[way]
        run = start(gate, range(2))
        reader, batch = aside(list, run), run._batch
        gate.wait_for(1)
        run.pause()
        gate.open()
        until(lambda: run.progress().running == 0 and batch.reader.wakes)
        with fan._scheduler.lock:
            batch.withdrawn.add(1)  # as if a thread had just taken it
        run.resume()
        assert sorted(outcome.index for outcome in reader.result(PATIENCE)) == [0, 1]
        assert run.report()[1].status == "cancelled"


# -- watching ----------------------------------------------------------------------------------------------------------


def test_what_runs_is_told(clock):
    """Each call with its input, its seconds and the line where its thread stands."""
    gate = Gate()

    def tool(item):
        return gate(item)  # here

    with Fan(2) as fan, gate:
        run = fan.start(tool, ["x", "y", "z"])
        gate.wait_for(2)
        clock.advance(3)
        calls = run.running()
        assert [(call.index, call.item, call.seconds, call.waits, call.calls) for call in calls] == [
            (0, "x", 3.0, False, []),
            (1, "y", 3.0, False, []),
        ]
        assert "tool('x'), 3.0 s" in str(calls[0])
        for call in calls if GIL else ():
            assert re.search(r"(controlled|test_runs)\.py:\d+$", call.place)
            assert f"3.0 s, at {call.place}" in str(call)
        gate.open()
    assert run.running() == []


def test_what_a_call_waits_for_stands_below_it():
    """The whole fan as a tree: a call, the calls that it waits for, and how many of those have not started."""
    gate = Gate()

    def outer(number):
        with_block = fan.run(gate, [10 * number, 10 * number + 1, 10 * number + 2])
        return with_block.values()

    with Fan(2) as fan, gate:
        run = fan.start(outer, [1])
        gate.wait_for(2)
        (call,) = fan.running()
        assert (call.index, call.item, call.waits, call.queued) == (0, 1, True, 1)
        assert [inner.item for inner in call.calls] == [10, 11]
        assert [one.item for one in run.running()] == [1]
        assert len(str(call).splitlines()) == 3
        assert "waits for calls, 1 queued" in str(call)
        gate.open()
        assert run.result(PATIENCE).ok
        assert fan.running() == []


def test_single_calls_and_blocks_are_in_the_tree():
    """`submit` in a `fail_after` block of a call is below that call."""
    from threadfan import fail_after

    gate = Gate()

    def outer():
        with fail_after(PATIENCE):
            return fan.submit(gate, "inner").result()

    with Fan(2) as fan, gate:
        future = fan.submit(outer)
        gate.wait_for(1)
        (call,) = fan.running()
        assert (call.index, call.item) == (None, None)
        assert [inner.name for inner in call.calls] == [call.calls[0].name]
        gate.open()
        future.result(PATIENCE)


def test_what_calls_wait_for(clock):
    """Progress tells waits for a slot, a limit and a back-off apart, and how long limits make it."""
    limit = RateLimit(requests_per_minute=60)
    with Fan(4, rate=limit) as fan:
        run = fan.start(double, range(10, 20))
        until(lambda: run.progress().done == 1)
        until(lambda: run.progress().waiting_limit == 9)
        now = run.progress()
        assert (now.total, now.running, now.waiting_slot, now.waiting_backoff) == (10, 0, 0, 0)
        assert 8 < now.remaining < 10
        run.cancel()


def test_a_run_shows_itself(clock):
    """In one line, whatever state it is in."""
    gate = Gate()
    with Fan(1) as fan, gate:
        run = fan.start(gate, range(3))
        gate.wait_for(1)
        assert repr(run) == "<Run of Gate: 0 of 3 done, 0 failed, 1 running>" or "1 running" in repr(run)
        run.pause()
        assert repr(run).endswith("0 of 3 done, 0 failed, paused>")
        run.resume()
        gate.open()
        run.wait(PATIENCE)
    assert repr(run).endswith("3 of 3 done, 0 failed, over>")


def test_progress_is_shown():
    """As for `run`, from the start to the end, which has been told when one has waited for it."""
    told = []
    with Fan(2) as fan:
        run = fan.start(double, range(5), progress=told.append)
        run.result(PATIENCE)
        assert (told[-1].done, told[-1].failed, told[-1].running) == (5, 1, 0)


# -- blocks ------------------------------------------------------------------------------------------------------------


def test_a_block_waits_for_its_run():
    """At the end all calls have ended; what ended it early is raised."""
    with Fan(2) as fan:
        with fan.start(double, range(10, 20)) as run:
            pass
        assert run.done()
        with pytest.raises(ValueError, match="3"), fan.start(double, range(10), fail_fast=True):
            pass


def test_an_exception_cancels_what_is_left_and_carries_the_report():
    """Of whatever kind."""
    gate = Gate()
    with Fan(1) as fan, gate:
        for error in (KeyError("mine"), KeyboardInterrupt()):
            run = fan.start(lambda number: number if number == 0 else heed_cancel(), range(5))
            with pytest.raises(type(error)) as caught:
                leave_block_with(run, error)
            assert run.done()
            assert caught.value is error
            assert [outcome.status for outcome in error.report] == ["succeeded", *["cancelled"] * 4]


def leave_block_with(run, error):
    """Leave the block of a run with an error, once a call has ended."""
    with run:
        next(iter(run))
        raise error


# -- asyncio -----------------------------------------------------------------------------------------------------------


async def test_a_run_is_awaited(kind):
    """`await run` gives the report, `async for` the outcomes, and both may be done again."""
    async with Fan(2) as fan:
        run = fan.start(double, kind(range(5)))
        outcomes = [outcome.index async for outcome in run]
        report = await run
        assert await run is report
    assert sorted(outcomes) == [0, 1, 2, 3, 4]
    assert report.values(None) == [0, 2, 4, None, 8]


async def test_coroutine_functions_are_called():
    """In the loop, as for `arun`."""

    async def tool(number):
        await asyncio.sleep(0)
        return number

    async with Fan(2) as fan:
        assert (await fan.start(tool, range(5))).values() == [0, 1, 2, 3, 4]


async def test_cancelling_the_awaiter_cancels_the_run():
    """The cancel carries the report; a shield keeps the run from it."""
    gate = Gate()
    async with Fan(2) as fan:
        with gate:
            run = fan.start(gate, range(3))
            shielded = asyncio.ensure_future(run)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(shielded), 0.01)
            assert not run.done()
            shielded.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await shielded
            assert run.done()
            assert {outcome.status for outcome in caught.value.report} == {"cancelled"}


async def test_a_failure_is_raised_where_it_is_awaited():
    """With the report, each time."""
    async with Fan(1) as fan:
        run = fan.start(double, range(3, 9), fail_fast=True)
        for _ in range(2):
            with pytest.raises(ValueError, match="3") as caught:
                await run
            assert caught.value.report[0].status == "failed"
        with pytest.raises(ValueError, match="3"):
            async for _ in run:
                pass


async def test_an_async_block():
    """As a block, without blocking the loop."""
    async with Fan(2) as fan:
        async with fan.start(double, range(4, 9)) as run:
            pass
        assert run.done()
        with pytest.raises(KeyError) as caught:
            await leave_with(fan.start(heed_cancel_of, range(3)), KeyError("mine"))
        assert {outcome.status for outcome in caught.value.report} == {"cancelled"}


async def leave_with(run, error):
    """Leave the block of a run with an error."""
    async with run:
        raise error


def heed_cancel_of(_):
    """A call that runs until it is cancelled."""
    sleep(PATIENCE)


def test_a_coroutine_that_is_dropped_leaves_the_run():
    """A loop that ends while it awaits a run does nothing to that."""
    gate = Gate()
    with Fan(1) as fan, gate:
        run = fan.start(gate, range(2))

        async def main():
            task = asyncio.ensure_future(run)
            await asyncio.sleep(0)
            task.cancel()

        asyncio.run(main())
        assert run.wait(PATIENCE)


# -- streams -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [False, True])
def test_a_stream_that_keeps_outcomes_has_a_report(ordered, kind, options):
    """At any time, in input order; iterating gives the same outcomes as ever."""
    with Fan(2, **options) as fan:
        stream = fan.stream(double, kind(range(6)), ordered=ordered, window=2, keep=True)
        assert len(stream.report()) == 0
        first = next(stream)
        assert first in stream.report()[:] or first.index in [outcome.index for outcome in stream.report()]
        rest = list(stream)
        assert stream.done()
        report = stream.report()
    assert sorted([first.index, *(outcome.index for outcome in rest)]) == list(range(6))
    assert [outcome.index for outcome in report] == list(range(6))
    assert report.values(None) == [0, 2, 4, None, 8, 10]


def test_a_stream_that_keeps_nothing_says_so():
    """And is a generator as ever, with what a handle has besides."""
    with Fan(2) as fan:
        stream = fan.stream(double, range(3))
        with pytest.raises(RuntimeError, match="keep=True"):
            stream.report()
        assert sorted(outcome.value for outcome in stream) == [0, 2, 4]
        assert (stream.progress().done, stream.progress().total) == (3, 3)
        with pytest.raises(TypeError, match="keep must be True or False"):
            fan.stream(double, [1], keep="all")


def _is_cancelled(stream, index):
    """Cancel a call, once its input was taken."""
    with suppress(IndexError):
        return stream.cancel(index)
    return False


def test_a_stream_is_paused_and_cancelled(kind, options):
    """From another thread, while its reader waits; then it hands out what is left and ends."""
    gate = Gate()
    with Fan(1, **options) as fan, gate:
        stream = fan.stream(gate, kind(range(5)), keep=True)
        reader = aside(list, stream)
        gate.wait_for(1)
        stream.pause()
        assert stream.paused
        assert [call.item for call in stream.running()] == [0]
        gate.open()
        until(lambda: stream.progress().done == 1)
        until(lambda: _is_cancelled(stream, 2))
        stream.resume()
        outcomes = reader.result(PATIENCE)
        assert [outcome.status for outcome in stream.report()] == [
            "succeeded", "succeeded", "cancelled", "succeeded", "succeeded"
        ]  # fmt: skip
        assert len(outcomes) == 5
        gate = Gate()
        with gate:
            stream = fan.stream(gate, kind(range(5)), keep=True)
            reader = aside(list, stream)
            gate.wait_for(1)
            assert stream.cancel()
            assert {outcome.status for outcome in reader.result(PATIENCE)} == {"cancelled"}
            assert stream.report().stopped == "the stream was cancelled"
            assert not stream.cancel()


def test_a_stream_as_a_block_is_closed():
    """What is left is cancelled."""
    with Fan(1) as fan:
        with fan.stream(double, range(10), window=1, keep=True) as stream:
            next(stream)
        until(stream.done)
        assert list(stream) == []


async def test_an_async_stream_is_such_a_handle(kind, options):
    """Watched, steered, with a report, and an asynchronous generator as ever."""
    async with Fan(2, **options) as fan:
        stream = fan.astream(double, kind(range(6)), keep=True)
        assert (await anext(stream)).index in range(6)
        assert len([outcome async for outcome in stream]) == 5
        assert stream.report().values(None) == [0, 2, 4, None, 8, 10]
        async with fan.astream(double, range(5), window=1) as stream:
            await anext(stream)
        until(stream.done)
        stream = fan.astream(double, range(5))
        assert stream.cancel()
        assert [outcome async for outcome in stream] == []


# -- journals ----------------------------------------------------------------------------------------------------------


def test_a_run_with_a_journal(tmp_path, options):
    """What has succeeded is not called again; a report at any time has what was called."""
    path, calls = str(tmp_path / "run.db"), []

    def tool(number):
        calls.append(number)
        return double(number)

    with Fan(2, **options) as fan:
        run = fan.start(tool, iter(range(5)), journal=path)
        assert sorted(outcome.index for outcome in run) == list(range(5))
        assert run.result().values(None) == [0, 2, 4, None, 8]
        assert sorted(calls) == list(range(5))
        run = fan.start(tool, range(6), journal=path)
        assert run.wait(PATIENCE)
        assert not run.cancel(0)
        assert run.result().values(None) == [0, 2, 4, None, 8, 10]
        assert sorted(calls) == [0, 1, 2, 3, 3, 4, 5]
        stream = fan.stream(tool, range(7), journal=path, keep=True)
        assert len(list(stream)) == 7
        assert stream.report().values(None) == [0, 2, 4, None, 8, 10, 12]


def test_a_paused_run_with_a_journal_is_gone_on_with_by_the_next(tmp_path):
    """What was cancelled is called then, and nothing twice."""
    gate = Gate()
    with Fan(1) as fan, gate:
        run = fan.start(gate, range(4), journal=str(tmp_path / "run.db"), version=1)
        gate.wait_for(1)
        run.pause()
        gate.open()
        until(lambda: run.progress().done == 1)
        assert run.report().values() == [0]
        run.cancel()
        assert run.result(PATIENCE).stats.cancelled == 3
        assert fan.start(gate, range(4), journal=str(tmp_path / "run.db"), version=1).result(PATIENCE).ok
    assert sorted(gate.started) == [0, 1, 2, 3]


# -- what is left ------------------------------------------------------------------------------------------------------


class Value:
    """Something to be held."""


def test_nothing_outlives_the_run(options, kind):
    """With the last reference to it, values and the fan are gone, without the collector."""
    gc.disable()
    try:
        fan = Fan(2, **options)
        run = fan.start(lambda _: Value(), kind(range(4)))
        values = [weakref.ref(value) for value in run.result(PATIENCE).values()]
        next(iter(run))
        run.report()
        seen = weakref.ref(run)
        fan.shutdown()
        watched = weakref.ref(fan)
        del run, fan
        assert [seen(), watched(), *(value() for value in values)] == [None] * 6
    finally:
        gc.enable()


def test_an_error_that_ended_it_holds_it_no_longer_than_it_is_held():
    """The traceback of what `result` raises holds the caller's frame, and that the run."""

    def use():
        run = fan.start(double, range(3, 9), fail_fast=True)
        with suppress(ValueError):
            run.result(PATIENCE)
        return weakref.ref(run)

    gc.disable()
    try:
        with Fan(1) as fan:
            seen = use()
        until(lambda: seen() is None)  # without a GIL it goes with the thread that has made the error
    finally:
        gc.enable()


FORKS = """
import os, sys, threading, warnings
from threadfan import Fan
warnings.simplefilter("ignore")
begun, go_on = threading.Event(), threading.Event()

def tool(number):
    if number:
        begun.set()
        go_on.wait(20)
    return number

with Fan(2) as fan:
    run = fan.start(tool, range(3))
    begun.wait(20)
    next(iter(run))
    child = os.fork()
    if not child:
        try:
            run.result()
        except BaseException as error:
            print("forked" in str(error), [outcome.index for outcome in run.report()], run.done(), flush=True)
        print(fan.start(tool, [0]).result().values(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    go_on.set()
    print(run.result().values())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_the_child_of_a_fork_is_told():
    """There the run is over, and raises why; what had ended is reported.  The parent's goes on."""
    assert run_program(FORKS)[0].splitlines() == ["True [0] True", "[0]", "[0, 1, 2]"]
