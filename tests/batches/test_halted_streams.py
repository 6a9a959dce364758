"""A stream that stops on a condition: what has ended is handed out, the rest is cancelled, and it says why."""

import asyncio
import gc
import threading
import weakref

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Budget, Fan, FanClosed, Usage, current_scope


def fail(number):
    """Fails."""
    raise ValueError(number)


def odd(number):
    """Fails every other time."""
    return number if number % 2 else fail(number)


async def items(number):
    """They come in the event loop."""
    for item in range(number):
        yield item


def streamed(fan, way, fn, number, path, **options):
    """The outcomes of a stream, and the stream."""
    if way in ("astream", "mixed"):
        return asyncio.run(awaited(fan, fn, items(number) if way == "mixed" else range(number), options))
    if way == "journal":
        options["journal"] = path / "run.db"
    stream = fan.stream(fn, iter(range(number)) if way == "fed" else range(number), keep=way == "keep",
                        ordered=way == "ordered", **options)  # fmt: skip
    return list(stream), stream


async def awaited(fan, fn, given, options):
    """The same of ``astream``."""
    stream = fan.astream(fn, given, **options)
    return [outcome async for outcome in stream], stream


WAYS = ["stream", "ordered", "fed", "keep", "journal", "astream", "mixed"]


@pytest.mark.parametrize("policies", [{}, {"retry": 1}])
@pytest.mark.parametrize("way", WAYS)
def test_no_call_starts_after_so_many_errors(way, policies, tmp_path):
    """With one slot exactly five are made; each input that was taken has an outcome, and no error is raised."""
    made = []

    def call(number):
        made.append(number)
        fail(number)

    with Fan(1, **policies) as fan:
        outcomes, stream = streamed(fan, way, call, 1_000, tmp_path, max_errors=5, halt="soon,success=1")
    assert made == [0, 1, 2, 3, 4]
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(outcomes)))
    by_status = [outcome.status for outcome in sorted(outcomes, key=lambda one: one.index)]
    assert by_status == ["failed"] * 5 + ["cancelled"] * (len(outcomes) - 5)
    assert len(outcomes) < 200
    assert stream.stopped == "5 calls had failed (max_errors=5)"
    assert way != "keep" or (stream.report().stopped, len(stream.report())) == (stream.stopped, len(outcomes))
    assert {str(one.error) for one in outcomes if one.status == "cancelled"} <= {stream.stopped}


@pytest.mark.parametrize("way", WAYS)
def test_outcomes_that_were_handed_out_count(way, tmp_path):
    """A hundred calls that are done, of which the reader has long had most."""
    with Fan(1) as fan:
        outcomes, stream = streamed(fan, way, odd, 5_000, tmp_path,
                                    halt="soon,done=1000", window=10)  # fmt: skip
    assert stream.stopped == "1000 calls had ended (halt='soon,done=1000')"
    assert sum(outcome.status != "cancelled" for outcome in outcomes) == 1_000


@pytest.mark.parametrize("way", WAYS)
def test_values_that_were_handed_out_count(way, tmp_path):
    """Exactly so many, failures in between."""
    with Fan(1) as fan:
        outcomes, stream = streamed(fan, way, odd, 5_000, tmp_path,
                                    halt="soon,success=300", window=7)  # fmt: skip
    assert stream.stopped == "300 calls had succeeded (halt='soon,success=300')"
    assert sum(outcome.ok for outcome in outcomes) == 300


def test_a_share_is_one_of_all_calls():
    """Failures are rare among what was handed out, so that three in a row are none of ten in a hundred."""
    with Fan(1) as fan:
        stream = fan.stream(lambda number: number if number < 100 else fail(number), range(5_000),
                            halt="soon,fail=10%", window=5)  # fmt: skip
        outcomes = list(stream)
    assert sum(outcome.status == "failed" for outcome in outcomes) == 12
    assert stream.stopped == "12 of 112 calls had failed (halt='soon,fail=10%')"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tells", ["value", "scope"])
def test_a_budget(way, tells, tmp_path):
    """Four calls of 300 tokens are made of 1,000, and the fifth never is."""

    def call(number):
        if tells == "scope":
            current_scope().add_usage(Usage(300))
        return {"usage": {"input_tokens": 300, "output_tokens": 0}}

    with Fan(1) as fan:
        budget = Budget(1_000)
        outcomes, stream = streamed(fan, way, call, 1_000, tmp_path, budget=budget)
    assert stream.stopped == "the budget of 1,000 tokens was used up: 1,200 were spent"
    assert (sum(outcome.ok for outcome in outcomes), budget.spent_tokens) == (4, 1_200)
    with Fan(1) as fan:  # and nothing is called for which nothing is left
        outcomes, stream = streamed(fan, way, fail, 1_000, tmp_path, budget=budget)
    assert {outcome.status for outcome in outcomes if outcome.value_or(None) is None} <= {"cancelled"}
    assert stream.stopped == "the budget of 1,000 tokens was used up: 1,200 were spent"


@pytest.mark.parametrize(("how", "ends"), [("soon", "succeeded"), ("now", "cancelled")])
def test_it_stops_while_nobody_reads(how, ends):
    """The thread of the call that is one too many sees to it; calls that run come to their end with ``soon``."""
    with Fan(2) as fan, Gate() as gate:

        def call(number):
            if number == 1:
                return gate(number)
            if number == 2:
                gate.wait_for(1)
                fail(number)
            return number

        stream = fan.stream(call, range(50), halt=f"{how},fail=1")
        first = next(stream)
        until(lambda: stream.stopped)  # without a further ``next``
        if how == "soon":
            gate.open()
        rest = list(stream)
    assert (first.index, first.value) == (0, 0)
    assert {outcome.index: outcome.status for outcome in rest} == {
        1: ends,
        2: "failed",
        **dict.fromkeys(range(3, 50), "cancelled"),
    }


@pytest.mark.parametrize("condition", [{"halt": "now,fail=2"}, {"halt": "now,done=2"}])
@pytest.mark.parametrize("way", ["stream", "pipeline.stream", "run", "graph"])
def test_times_that_are_up_count(way, condition, clock):
    """A call that is ended from outside may be the one to stop at, in whatever thread that is seen."""
    with Fan(2, timeout=5) as fan, Gate() as gate:
        graph = fan.graph()
        for number in range(9):
            graph.add(gate, name=f"task{number}")
        streams = {"stream": lambda **stops: fan.stream(gate, range(9), **stops),
                   "pipeline.stream": lambda **stops: fan.pipeline(gate).stream(range(9), **stops)}  # fmt: skip
        if way in streams:
            stream = streams[way](**condition)
            reading = aside(list, stream)
        else:
            reading = aside(graph.run if way == "graph" else fan.pipeline(gate).run,
                            *(() if way == "graph" else [range(9)]), **condition)  # fmt: skip
        gate.wait_for(2)
        clock.advance(5)
        outcomes = reading.result(PATIENCE)
    counts = [outcome.status for outcome in outcomes]
    taken = 6 if way == "pipeline.stream" else 9  # as there is room in front of a stage
    assert (counts.count("timed_out"), counts.count("cancelled"), len(counts)) == (2, taken - 2, taken)
    stopped = stream.stopped if way in streams else outcomes.stopped
    assert stopped.startswith("2 "), stopped


async def _uses(number):
    """A coroutine function that tells its tokens twice."""
    current_scope().add_usage(Usage(300))
    await asyncio.sleep(0)
    return {"usage": {"input_tokens": 300, "output_tokens": 0}}


@pytest.mark.parametrize("way", ["astream", "pipeline.astream", "pipeline.arun", "graph.arun"])
def test_a_budget_of_coroutines(way):
    """What runs in the loop counts once, whoever tells."""

    async def ended(fan, budget):
        if way == "graph.arun":
            graph = fan.graph()
            for number in range(99):
                graph.add(lambda: None, name=f"input{number}")
                graph.add(_uses, name=f"task{number}", depends_on={"number": f"input{number}"})
            report = await graph.arun(budget=budget)
            return report.stopped, report.usage
        if way == "pipeline.arun":
            report = await fan.pipeline(_uses).arun(range(99), budget=budget)
            return report.stopped, report.usage
        make = fan.astream if way == "astream" else lambda fn, items, **stops: fan.pipeline(fn).astream(items, **stops)
        stream = make(_uses, range(99), budget=budget)
        usages = [outcome.usage async for outcome in stream if outcome.ok]
        return stream.stopped, sum(usages[1:], usages[0])

    with Fan(1) as fan:
        stopped, usage = asyncio.run(ended(fan, Budget(1_000)))
    assert (stopped, usage) == ("the budget of 1,000 tokens was used up: 1,200 were spent", Usage(1_200, requests=4))


def test_what_a_journal_has_is_no_call(tmp_path):
    """Values of a run before are handed out, and count for nothing; what was left out is called by the next run."""
    with Fan(1) as fan:
        list(fan.stream(str, range(50), journal=tmp_path / "run.db"))
        stream = fan.stream(str, range(100), journal=tmp_path / "run.db", halt="soon,success=10")
        outcomes = list(stream)
        assert (sum(outcome.ok for outcome in outcomes), stream.stopped) == (
            60, "10 calls had succeeded (halt='soon,success=10')"
        )  # fmt: skip
        rest = fan.stream(str, range(100), journal=tmp_path / "run.db", max_errors=1)
        assert all(outcome.ok for outcome in rest)
    assert rest.stopped is None


def test_a_stream_that_has_enough():
    """Nothing has stopped it, even if the last call of all met the condition; nor a fan that is closed."""
    with Fan(1) as fan:
        stream = fan.stream(fail, range(3), max_errors=3)
        assert len(list(stream)) == 3
        assert stream.stopped is None
        stream = fan.stream(fail, range(4), max_errors=4, window=4)  # there is no room in which to see their end
        assert len(list(stream)) == 4
        assert stream.stopped is None
        other = fan.stream(abs, range(300), max_errors=3, window=2)
        next(other)
    with pytest.raises(FanClosed):
        list(other)
    assert other.stopped is None


def test_the_first_reason_counts():
    """A stream that was cancelled is not stopped by a condition, nor the other way round."""
    with Fan(1) as fan, Gate() as gate:
        stream = fan.stream(gate, range(9), halt="soon,done=1")
        reading = aside(list, stream)
        gate.wait_for(1)
        assert stream.cancel()
        assert {outcome.status for outcome in reading.result(PATIENCE)} == {"cancelled"}
        assert stream.stopped == "the stream was cancelled"
        stream = fan.stream(fail, range(9), max_errors=1)
        next(stream)
        stream.cancel()
        assert stream.stopped == "1 call had failed (max_errors=1)"


def test_what_is_wrong_is_refused_at_once():
    """At the call, and not at the first ``next``."""
    with Fan(1) as fan:
        with pytest.raises(ValueError, match="halt must be 'now' or 'soon'"):
            fan.stream(abs, [1], halt="fail=1")
        with pytest.raises(TypeError, match="budget must be a Budget"):
            fan.stream(abs, [1], budget=5)
        with pytest.raises(ValueError, match="max_errors must be"):
            fan.astream(abs, [1], max_errors=0)


@pytest.mark.parametrize("begun", [False, True])
def test_what_nobody_holds_is_gone(begun):
    """A stream with conditions is gone with its last reference, whether or not it was begun."""

    class Item:
        """An input."""

    item = Item()
    gone, budget = weakref.ref(item), Budget(1_000)
    gc.disable()
    try:
        with Fan(1) as fan:
            stream = fan.stream(lambda one: one, [item, item], halt="now,fail=50%", max_errors=9, budget=budget)
            if begun:
                next(stream)
                until(lambda: fan.snapshot()["running"] == 0)
            del stream, item
        until(lambda: gone() is None)
    finally:
        gc.enable()


def test_many_threads_and_a_quick_reader():
    """Whatever threads do at once, no failure is missed, and none is counted twice."""
    barrier = threading.Barrier(8)

    def call(number):
        if number < 8:
            barrier.wait(PATIENCE)
        return fail(number) if number % 10 == 9 else number

    with Fan(8) as fan:
        stream = fan.stream(call, range(100_000), halt="soon,fail=20", window=50)
        outcomes = list(stream)
    assert 20 <= sum(outcome.status == "failed" for outcome in outcomes) <= 27
    assert stream.stopped.endswith("calls had failed (halt='soon,fail=20')")
