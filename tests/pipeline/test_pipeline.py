"""What a run of a pipeline does with items, failures and ends."""

import itertools
import os
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.controlled import PATIENCE, Gate, aside, run_program, until, within_patience
from threadfan import Fan, FanClosed, Hedge, RateLimit, TaskCancelled, TaskTimeout, Usage, current_scope, task
from threadfan._core.batches.task_group import TaskGroup
from threadfan._core.pipeline.stage_queue import StageQueue
from threadfan._core.pipeline.stages import stage
from threadfan.testing import ManualClock, Probe

BOOM = ValueError("boom")


def double(value):
    """Twice as much."""
    return 2 * value


def add(value, *, number=1):
    """A little more."""
    return value + number


def fail(value):
    """No value at all."""
    raise BOOM


def seen(report):
    """Each outcome as its status and where it ended."""
    return [(outcome.status, outcome.value if outcome.ok else outcome.stage) for outcome in report]


def quiet(fan):
    """Wait until nothing runs, waits or is abandoned, and nothing of a run is left."""
    idle = {"queued": 0, "running": 0, "waiting": 0, "abandoned": 0}
    until(lambda: {name: fan.snapshot()[name] for name in idle} == idle)
    until(lambda: not [queue for queue in Probe(fan).queues if isinstance(queue, (TaskGroup, StageQueue))])


def in_a_generator(items):
    """The items, one by one."""
    yield from items


# -- items -------------------------------------------------------------------------------------------------------------


@given(
    workers=st.integers(1, 4),
    options=st.lists(st.tuples(st.none() | st.integers(1, 3), st.none() | st.integers(1, 3)), min_size=1, max_size=4),
    items=st.lists(st.integers(0, 9), max_size=12),
    bad=st.sets(st.integers(0, 30)),
    way=st.sampled_from(["list", "generator", "ordered", "unordered", "ordered generator", "window"]),
)
@settings(max_examples=150)
def test_each_item_ends_as_if_it_went_alone(workers, options, items, bad, way):
    """Whatever the stages, limits, buffers and failures are, and however items come in and out."""

    def one(value):
        if value in bad:
            raise ValueError(value)
        return 2 * value + 1

    def alone(value):
        for place in range(len(options)):
            if value in bad:
                return ("failed", str(place))
            value = 2 * value + 1
        return ("succeeded", value)

    def outcomes(pipeline):
        if way in ("list", "generator"):
            return pipeline.run(items if way == "list" else in_a_generator(items))
        inputs = items if way != "ordered generator" else in_a_generator(items)
        window = 1 if way == "window" else None
        found = list(pipeline.stream(inputs, ordered=way.startswith("ordered"), window=window))
        if way.startswith("ordered"):
            assert [outcome.index for outcome in found] == list(range(len(items)))
        return sorted(found, key=lambda outcome: outcome.index)

    with Fan(workers) as fan:
        stages = [
            stage(one, max_concurrent=limit and min(limit, workers), buffer=buffer, name=str(place))
            for place, (limit, buffer) in enumerate(options)
        ]
        found = within_patience(outcomes, fan.pipeline(*stages))
        assert seen(found) == [alone(item) for item in items]
        assert [outcome.item for outcome in found] == items
        quiet(fan)


def test_an_item_goes_on_while_another_is_in_its_first_stage():
    """There is no barrier between the stages."""
    with Gate() as gate, Fan(2) as fan:
        ended = threading.Event()

        def first(item):
            return gate(item) if item == 0 else item

        def last(value):
            if value == 1:
                ended.set()
            return value

        report = aside(fan.pipeline(first, last).run, [0, 1])
        assert ended.wait(PATIENCE)
        assert gate.running.total() == 1
        gate.open()
        assert report.result(PATIENCE).unwrap() == [0, 1]


def test_stages_may_be_functions_tasks_and_stages():
    """Each in its own way is called with what the one before has returned."""
    with Fan(2) as fan:
        pipeline = fan.pipeline(double, task(add, number=5).with_options(timeout=5), stage(str, name="write"))
        assert repr(pipeline) == "<Pipeline double | add | write>"
        assert pipeline.run([1, 2]).unwrap() == ["7", "9"]
        assert pipeline.run(()).unwrap() == []
        assert pipeline.run(iter(())).unwrap() == []


def test_names_of_stages():
    """Functions that come twice are numbered."""
    with Fan(1) as fan:
        pipeline = fan.pipeline(double, stage(add, name="double 2"), double, lambda value: value)
        assert list(pipeline.run([1]).stages) == ["double", "double 2", "double 3", "<lambda>"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda fan: fan.pipeline(), "needs at least one stage"),
        (lambda fan: fan.pipeline(3), "function of one item, not 3"),
        (lambda fan: fan.pipeline(task(add, 1)), "1 positional arguments of its own"),
        (lambda fan: fan.pipeline(stage(add, max_concurrent=0)), "max_concurrent must be greater than 0, not 0"),
        (lambda fan: fan.pipeline(stage(add, buffer=True)), "buffer must be a whole number, not True"),
        (lambda fan: fan.pipeline(stage(add, timeout=-1)), "timeout must be greater than 0 seconds"),
        (lambda fan: fan.pipeline(stage(add, name="a"), stage(add, name="a")), "'a' was given twice"),
        (lambda fan: fan.pipeline(add).run(3), "needs an iterable of items, not 3"),
        (lambda fan: fan.pipeline(add).run([1], deadline=0), "deadline must be greater than 0"),
        (lambda fan: fan.pipeline(add).stream([1], window=0), "window must be greater than 0"),
        (lambda fan: fan.pipeline(_coroutine).run([1]), "is a coroutine function"),
        (lambda fan: fan.pipeline(_coroutine).stream([1]), "is a coroutine function"),
        (lambda fan: fan.pipeline(add).run(_numbers()), "await pipeline.arun instead"),
        (lambda fan: fan.pipeline(add).stream(_numbers()), "await pipeline.astream instead"),
    ],
)
def test_misuse_is_named(make, message):
    """The error says what was wrong, and what would be right."""
    with Fan(1) as fan, pytest.raises((TypeError, ValueError), match=message):
        make(fan)


async def _coroutine(item):
    return item


async def _numbers():
    yield 1


def test_a_pipeline_can_be_run_from_several_threads_at_once(eager_switching):
    """It holds no state of its runs."""
    with Fan(3) as fan:
        pipeline = fan.pipeline(double, stage(add, max_concurrent=1, buffer=1), double)
        runs = [aside(pipeline.run, range(number, number + 40)) for number in range(8)]
        runs += [aside(pipeline.run, in_a_generator(range(number, number + 40))) for number in range(8)]
        for number, run in enumerate(runs):
            assert run.result(PATIENCE).unwrap() == [2 * (2 * item + 1) for item in range(number % 8, number % 8 + 40)]
        quiet(fan)


def test_a_view_caps_the_whole_pipeline():
    """Its limit is that of all stages together."""
    with Gate() as gate, Fan(4) as fan:
        report = aside(fan.with_options(max_concurrent=2).pipeline(gate, gate).run, range(4))
        gate.wait_for(2)
        assert fan.snapshot()["running"] == 2
        gate.open()
        report.result(PATIENCE).unwrap()
        assert gate.most == 2


# -- what is taken of the input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("buffer", [1, 3])
@pytest.mark.parametrize("way", ["run", "stream"])
def test_an_endless_input_is_read_no_further_than_the_first_buffer(buffer, way):
    """Besides what runs, at most so many items are taken."""
    taken = []

    def endless():
        for number in itertools.count():
            taken.append(number)
            yield number

    with Gate() as gate, Fan(2) as fan:
        pipeline = fan.pipeline(stage(gate, buffer=buffer), double)
        work = aside(pipeline.run if way == "run" else _first_of(pipeline), endless())
        gate.wait_for(2)
        until(lambda: 2 * (len(taken) - 2) > buffer)
        assert fan.snapshot()["queued"] <= buffer
        Probe(fan).interrupt() if way == "run" else gate.open()
        gate.open()
        work.result(PATIENCE)
        quiet(fan)
        assert len(taken) <= 2 + buffer + (0 if way == "run" else 8)


def _first_of(pipeline):
    def consume(items):
        with_stream = pipeline.stream(items)
        found = next(with_stream)
        with_stream.close()
        return found

    return consume


def test_a_full_buffer_stops_the_stage_before():
    """It starts nothing while what it has done cannot be put down; no thread is held."""
    with Gate() as gate, Fan(3) as fan:
        done = []
        pipeline = fan.pipeline(lambda item: done.append(item) or item, stage(gate, max_concurrent=1, buffer=2))
        report = aside(pipeline.run, range(10))
        until(lambda: len(done) == 3)
        until(lambda: fan.snapshot()["running"] == 1)
        assert len(done) == 3
        gate.open()
        assert report.result(PATIENCE).unwrap() == list(range(10))


def test_an_input_that_fails_costs_nothing_done():
    """What runs is finished, and the outcomes are on the error."""
    gate = Gate()

    def items():
        yield from [1, 2]
        gate.wait_for(2)
        gate.open()
        raise BOOM

    with Fan(2) as fan:
        error = aside(fan.pipeline(gate).run, items()).exception(PATIENCE)
        assert error is BOOM
        assert seen(error.report) == [("succeeded", 1), ("succeeded", 2)]
        with pytest.raises(ValueError, match="boom"):
            list(fan.pipeline(double).stream(items()))
        quiet(fan)


def test_an_interrupt_while_reading_cancels_what_runs():
    """Ctrl-C in the input: all that was done is kept."""
    with Gate() as gate, Fan(2) as fan:

        def items():
            yield from [1, 2]
            gate.wait_for(1)
            raise KeyboardInterrupt

        error = aside(fan.pipeline(lambda item: item if item == 1 else gate(item), double).run, items())
        error = error.exception(PATIENCE)
        assert isinstance(error, KeyboardInterrupt)
        assert error.report[0].status in ("succeeded", "cancelled")
        assert error.report[1].status == "cancelled"
        gate.open()
        quiet(fan)


# -- options of stages -------------------------------------------------------------------------------------------------


def test_each_stage_has_its_own_timeout():
    """It bounds a call of that stage; the others have the fan's."""
    with ManualClock() as clock, Gate() as gate, Fan(2, timeout=10) as fan:
        report = aside(fan.pipeline(double, stage(gate, timeout=3, name="slow"), double).run, [1, 2])
        gate.wait_for(2)
        clock.wait_for_sleepers(until=3)
        clock.advance(3)
        report = report.result(PATIENCE)
        assert seen(report) == [("timed_out", "slow")] * 2
        assert all(isinstance(outcome.error, TaskTimeout) for outcome in report)
        gate.open()
        quiet(fan)


def test_retries_are_each_stage_s_own():
    """Attempts, and what they used, add up over the stages; a call that backs off holds no place in its stage."""
    failed = set()

    def flaky(value):
        current_scope().add_usage(Usage(1, 2))
        if value not in failed:
            failed.add(value)
            raise ConnectionError
        return value

    with ManualClock() as clock, Fan(2) as fan:
        report = aside(
            fan.pipeline(stage(flaky, retry=2, max_concurrent=1), stage(double, max_concurrent=1)).run, [1, 2]
        )
        until(lambda: fan.snapshot()["waiting"] == 2)
        clock.advance(60)
        report = report.result(PATIENCE)
        assert report.unwrap() == [2, 4]
        for outcome in report:
            assert (outcome.attempts, outcome.retries, outcome.usage) == (3, 1, Usage(2, 4, requests=2))
            assert [(one.stage, one.status) for one in outcome.history] == [
                ("flaky", "failed"),
                ("flaky", "succeeded"),
                ("double", "succeeded"),
            ]
        assert report.stats.retries == 2
        assert report.stages["flaky"].retries == 2
        quiet(fan)


def test_items_that_back_off_are_still_in_their_stage():
    """Their number is bounded as that of any that are in it: else an input would be read without end."""
    taken = []

    def numbers():
        for number in range(20):
            taken.append(number)
            yield number

    def refuse(item):
        raise ConnectionError

    with ManualClock() as clock, Fan(2) as fan:
        report = aside(fan.pipeline(stage(refuse, retry=1, buffer=3)).run, numbers())
        until(lambda: fan.snapshot()["waiting"] == 5)
        assert len(taken) == 5
        while not report.done():
            clock.advance(60)
        assert [outcome.attempts for outcome in report.result()] == [2] * 20
        quiet(fan)


def test_a_rate_limit_holds_up_its_stage_alone():
    """Calls of another stage run meanwhile; what was waited is known by stage."""
    with ManualClock() as clock, Fan(4) as fan:
        ended = []
        rate = RateLimit(requests_per_minute=60)
        pipeline = fan.pipeline(stage(double, buffer=10), stage(ended.append, rate=rate, name="ask"))
        report = aside(pipeline.run, [1, 2, 3])
        until(lambda: fan.snapshot()["waiting"] == 2)
        for number in range(1, 4):
            until(lambda number=number: len(ended) == number)
            clock.wait_for_sleepers(until=clock.monotonic() + 2) if number < 3 else None
            clock.advance(2)
        report = report.result(PATIENCE)
        assert report.stages["double"].waited_limit == 0
        assert sorted(outcome.waited_limit for outcome in report) == [0, 2, 4]
        assert report.stages["ask"].waited_limit == 6
        quiet(fan)


def test_a_stage_can_be_hedged():
    """The second attempt is one of the stage's calls, and the item goes on with what comes first."""
    first = threading.Event()

    def ask(value):
        if not first.is_set():
            first.set()
            wake = threading.Event()
            current_scope().on_cancel(wake.set)
            assert wake.wait(PATIENCE)
            current_scope().check()
        return value

    with ManualClock() as clock, Fan(2) as fan:
        hedge = Hedge(after=2, budget=1.0)
        report = aside(fan.pipeline(stage(ask, hedge=hedge, max_concurrent=2), double).run, [1])
        assert first.wait(PATIENCE)
        clock.wait_for_sleepers(until=2)
        clock.advance(2)
        (outcome,) = report.result(PATIENCE)
        assert outcome.value == 2
        assert [one.stage for one in outcome.history if one.status == "succeeded"] == ["ask", "double"]
        quiet(fan)


def test_calls_that_a_hopeless_limit_never_let_through_failed_in_that_stage():
    """The outcome names it although nothing was attempted there."""

    class Busy(Exception):
        status_code = 429

    def refuse(value):
        raise Busy

    with ManualClock() as clock, Fan(1) as fan:
        rate = RateLimit(requests_per_minute=6000)
        report = aside(fan.pipeline(double, stage(refuse, rate=rate, max_concurrent=1, name="ask")).run, [1, 2, 3])
        until(lambda: fan.snapshot()["done"] == 3)
        while not report.done():
            clock.advance(5)
        report = report.result()
        assert {(outcome.status, outcome.stage) for outcome in report} == {("failed", "ask")}
        assert sorted(type(outcome.error).__name__ for outcome in report) == [
            "Busy",
            "LimitExhausted",
            "LimitExhausted",
        ]
        quiet(fan)


# -- ends --------------------------------------------------------------------------------------------------------------


def test_a_failed_item_enters_no_further_stage():
    """The others go on."""
    entered = []

    def odd(value):
        if value % 2 == 0:
            raise BOOM
        return value

    with Fan(2) as fan:
        report = fan.pipeline(odd, lambda value: entered.append(value) or value).run([1, 2, 3])
        assert seen(report) == [("succeeded", 1), ("failed", "odd"), ("succeeded", 3)]
        assert sorted(entered) == [1, 3]


@pytest.mark.parametrize("lazily", [False, True])
def test_fail_fast_raises_the_first_failure_with_the_report(lazily):
    """Nothing that was paid for is lost, and nothing starts after it."""
    go, entered = threading.Event(), []

    def first(item):
        entered.append(item)
        if item == 2:
            assert go.wait(PATIENCE)
            raise BOOM
        return item

    def last(value):
        go.set()
        return value

    inputs = range(1, 30)
    with Fan(1 + lazily) as fan:
        pipeline = fan.pipeline(stage(first, buffer=1), last)
        error = aside(pipeline.run, in_a_generator(inputs) if lazily else inputs, fail_fast=True).exception(PATIENCE)
        assert error is BOOM
        assert seen(error.report)[:2] == [("succeeded", 1), ("failed", "first")]
        if not lazily:
            assert len(error.report) == 29
            assert entered == [1, 2]
        quiet(fan)


@pytest.mark.parametrize("lazily", [False, True])
def test_the_deadline_keeps_what_is_finished(lazily):
    """What runs and waits then is cancelled, and named by its stage; what never started too."""
    with ManualClock() as clock, Fan(1) as fan:
        begun = []

        def slow(value):
            begun.append(value)
            if value == 2:
                wake = threading.Event()
                current_scope().on_cancel(wake.set)
                assert wake.wait(PATIENCE)
                current_scope().check()
            return value

        inputs = [1, 2, 3, 4]
        pipeline = fan.pipeline(stage(lambda item: item, buffer=1, name="first"), slow)
        report = aside(pipeline.run, in_a_generator(inputs) if lazily else inputs, deadline=5)
        until(lambda: begun == [1, 2])
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        report = report.result(PATIENCE)
        assert seen(report)[:2] == [("succeeded", 1), ("cancelled", "slow")]
        assert set(seen(report)[2:]) <= {("cancelled", "first")}
        assert len(report) == 4 if not lazily else len(report) <= 4
        assert "deadline of 5 s" in str(report[1].error) + str(report[-1].error)
        assert report[1].history[0].stage == "first"
        quiet(fan)


def test_on_one_slot_inside_a_call():
    """Whoever waits for it lends its slot, while reading too."""
    with Fan(1) as fan:
        inner = fan.pipeline(stage(double, buffer=1), stage(add, buffer=1))

        def outer(item):
            return inner.run(in_a_generator([item] * 5)).unwrap() + inner.run([item]).unwrap()

        assert within_patience(fan.pipeline(outer, sum).run, [1, 2]).unwrap() == [18, 30]
        streamed = fan.submit(lambda: [one.value for one in inner.stream(in_a_generator(range(9)), ordered=True)])
        assert streamed.result(PATIENCE) == [2 * item + 1 for item in range(9)]


def test_the_call_it_was_made_in_ends_it():
    """A timed-out call leaves nothing of it running, and one that has ended starts nothing."""
    with ManualClock() as clock, Gate() as gate, Fan(2) as fan:
        outer = fan.with_options(timeout=3).submit(lambda: fan.pipeline(gate, double).run(itertools.count()))
        gate.wait_for(1)
        clock.wait_for_sleepers(until=3)
        clock.advance(3)
        assert isinstance(outer.exception(PATIENCE), TaskTimeout)
        gate.open()
        quiet(fan)
        with pytest.raises(TaskCancelled):
            fan.submit(_in_a_scope_that_ended, fan).result(PATIENCE)


def _in_a_scope_that_ended(fan):
    current_scope().cancel()
    fan.pipeline(double).run([1])


def test_an_interrupt_ends_it():
    """All that runs and waits is cancelled, whoever waits for it."""
    with Gate() as gate, Fan(1) as fan:
        report = aside(fan.pipeline(gate, double).run, [1, 2])
        gate.wait_for(1)
        Probe(fan).interrupt()
        gate.open()
        assert [outcome.status for outcome in report.result(PATIENCE)] == ["cancelled", "cancelled"]
        quiet(fan)


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
@pytest.mark.parametrize("items", ["[1, 2, 3]", "itertools.count(1)"])
def test_ctrl_c_ends_it_with_the_report(items):
    """In a real program, whose calls heed nothing."""
    printed, _ = run_program(f"""
import itertools, os, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
from threadfan import Fan
started = threading.Semaphore(0)
def hang(value):
    started.release()
    threading.Event().wait()
def interrupt():
    started.acquire()
    started.acquire()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
try:
    with Fan(2) as fan:
        fan.pipeline(str, hang).run({items})
except KeyboardInterrupt as error:
    print([(outcome.status, outcome.stage) for outcome in error.report][:2])
""")
    assert printed == "[('cancelled', 'hang'), ('cancelled', 'hang')]\n"


def test_a_fan_that_closes_lets_a_run_come_to_its_end():
    """What was at hand was handed in before; what is still to be read is refused."""
    gate = Gate()
    fan = Fan(1)
    known = aside(fan.pipeline(stage(gate, buffer=1), double).run, range(5))
    gate.wait_for(1)
    lazy = aside(fan.pipeline(stage(double, buffer=1)).run, in_a_generator(range(5)))
    until(lambda: fan.snapshot()["queued"] >= 5)
    closing = aside(fan.shutdown)
    until(lambda: Probe(fan).closing)
    gate.open()
    assert known.result(PATIENCE).unwrap() == [0, 2, 4, 6, 8]
    error = lazy.exception(PATIENCE)
    assert isinstance(error, RuntimeError)
    assert len(error.report) < 5
    closing.result(PATIENCE)


def test_cancel_futures_raises_fan_closed_with_the_report():
    """What runs is finished; nothing else starts."""
    gate = Gate()
    fan = Fan(1)
    report = aside(fan.pipeline(gate, double).run, [1, 2])
    gate.wait_for(1)
    closing = aside(fan.shutdown, cancel_futures=True)
    until(lambda: Probe(fan).closing)
    gate.open()
    error = report.exception(PATIENCE)
    assert isinstance(error, FanClosed)
    assert (
        seen(error.report) == [("cancelled", "double"), ("cancelled", "gate")] or seen(error.report)[0][1] == "double"
    )
    assert error.report[0].history[0].status == "succeeded"
    closing.result(PATIENCE)


def test_a_closed_fan_takes_no_run():
    """As for any batch."""
    fan = Fan(1)
    pipeline = fan.pipeline(double)
    fan.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pipeline.run([1])
    with pytest.raises(RuntimeError, match="after shutdown"):
        pipeline.stream([1])


@pytest.mark.parametrize("lazily", [False, True])
def test_an_estimate_that_fails_fails_the_item(lazily):
    """In the stage whose limit it is for, and nothing else."""

    def estimate(value):
        if value in (2, 4):
            raise BOOM
        return 1, 1

    rate = RateLimit(input_tokens_per_minute=10**8, estimate=estimate)
    items = [3, 2, 2, 2, 2, 2, 2, 2]
    with Fan(1) as fan:
        for stages, good in [((stage(add, rate=rate), double), 8), ((double, stage(add, rate=rate)), 7)]:
            report = within_patience(fan.pipeline(*stages).run, in_a_generator(items) if lazily else items)
            assert seen(report) == [("succeeded", good), *[("failed", "add")] * 7]
        quiet(fan)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_in_the_child_of_a_fork_a_new_run_works():
    """The parent's goes on there."""
    with Gate() as gate, Fan(1) as fan:
        report = aside(fan.pipeline(gate, double).run, [1, 2])
        gate.wait_for(1)
        child = os.fork()
        if not child:
            os._exit(0 if fan.pipeline(double, double).run([1]).unwrap() == [4] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        gate.open()
        assert report.result(PATIENCE).unwrap() == [2, 4]


def test_many_runs_at_once_with_ends_from_outside(eager_switching):
    """Failures, deadlines and streams that are closed early, beside single calls: nothing is lost, nothing is left."""
    with Fan(4) as fan:

        def work(number):
            def one(value):
                if value % 7 == number % 7:
                    raise ValueError(value)
                return value + 1

            pipeline = fan.pipeline(
                one, stage(one, max_concurrent=1, buffer=1), stage(one, max_concurrent=2, name="last")
            )
            if number % 3 == 1:
                outcomes = pipeline.stream(in_a_generator(range(20)))
                found = [next(outcomes) for _ in range(number)]
                outcomes.close()
                return len(found) + 20 - number
            return len(pipeline.run(range(20), deadline=0.001 if number % 3 == 0 else None))

        found = [aside(work, number) for number in range(12)]
        singles = [fan.submit(double, number) for number in range(50)]
        assert [one.result(PATIENCE) for one in found] == [20] * 12
        assert [one.result(PATIENCE) for one in singles] == [2 * number for number in range(50)]
        quiet(fan)


# -- streams -----------------------------------------------------------------------------------------------------------


def test_a_stream_hands_out_as_items_come_out():
    """One that is slow in its first stage does not keep another from coming out."""
    with Gate() as gate, Fan(2) as fan:
        outcomes = fan.pipeline(lambda item: gate(item) if item == 0 else item, double).stream([0, 1])
        assert within_patience(next, outcomes).index == 1
        gate.open()
        assert within_patience(next, outcomes).index == 0
        assert list(outcomes) == []


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
def test_the_window_bounds_what_is_taken_and_not_handed_out(lazily, ordered):
    """Whatever the stages do; and closing cancels the rest."""
    entered = []
    with Fan(2) as fan:
        inputs = itertools.count() if lazily else range(1000)
        pipeline = fan.pipeline(lambda item: entered.append(item) or item, double)
        outcomes = pipeline.stream(inputs, ordered=ordered, window=5)
        for number in range(20):
            next(outcomes)
            assert len(entered) <= number + 1 + 5
        outcomes.close()
        quiet(fan)
        assert len(entered) <= 25


def test_leaving_the_fan_ends_an_open_stream():
    """Whoever reads on is told."""
    with Fan(1) as fan:
        outcomes = fan.pipeline(double, double).stream(itertools.count())
        next(outcomes)
    with pytest.raises(FanClosed):
        list(outcomes)


def test_leaving_the_fan_ends_an_open_stream_of_a_list():
    """The same where inputs are at hand."""
    with Fan(1) as fan:
        outcomes = fan.pipeline(double, double).stream(range(1000), window=2)
        next(outcomes)
    with pytest.raises(FanClosed):
        list(outcomes)


def test_outcomes_of_a_stream_say_what_those_of_a_report_say():
    """The stage, the history and the tokens."""

    def spend(value):
        current_scope().add_usage(Usage(3, 4))
        return value

    with Fan(1) as fan:
        first, second = fan.pipeline(spend, spend).stream([1]), fan.pipeline(spend, fail).stream([1])
        (good,), (bad,) = list(first), list(second)
    assert (good.stage, good.usage, good.attempts) == (None, Usage(6, 8, requests=2), 2)
    assert (bad.stage, bad.usage, [one.stage for one in bad.history]) == ("fail", Usage(3, 4), ["spend", "fail"])


def test_a_long_stream_keeps_only_what_is_under_way(monkeypatch):
    """Of 20,000 items never more are held than window, buffers and slots allow."""
    held = []
    add_to = StageQueue.add

    def counting(queue, call, after):
        add_to(queue, call, after)
        flow = queue._run_ref()
        held.append(len(flow.progress.under_way) + len(flow.collector.results))
        if len(held) > 1000:
            held[:] = [max(held)]

    monkeypatch.setattr(StageQueue, "add", counting)
    with Fan(4) as fan:
        pipeline = fan.pipeline(double, stage(add, max_concurrent=2))
        total = sum(outcome.value for outcome in pipeline.stream((item for item in range(20_000)), window=50))
        quiet(fan)
    assert total == sum(2 * item + 1 for item in range(20_000))
    assert max(held) <= 50


def test_cancelled_items_say_why():
    """The error of each is what ended the run."""
    with Gate() as gate, Fan(1) as fan:
        outcomes = fan.pipeline(gate, double).stream([1, 2])
        reading = aside(next, outcomes)
        gate.wait_for(1)
        Probe(fan).interrupt()
        gate.open()
        found = reading.result(PATIENCE)
        assert isinstance(found.error, TaskCancelled)
        with pytest.raises(FanClosed):
            list(outcomes)
