"""What becomes of the tasks of a graph, however it ends."""

import pickle
import threading
from functools import partial

import pytest

from support.controlled import PATIENCE, Gate, aside, until, within_patience
from threadfan import Fan, FanClosed, Outcome, TaskCancelled, TaskTimeout, Usage, current_scope
from threadfan._core.base.errors import TaskSkipped
from threadfan._core.pool.work_queue import here
from threadfan.testing import ManualClock, Probe

BOOM = ValueError("boom")


def boom():
    """A task that fails."""
    raise BOOM


def statuses(report):
    """By name."""
    return {outcome.name: outcome.status for outcome in report}


def quiet(fan):
    """Wait until nothing runs, waits or is abandoned."""
    until(lambda: not any(fan.snapshot()[name] for name in ("queued", "running", "waiting", "abandoned")))


def test_parameters_name_tasks_and_inputs():
    """Values go where they are named; defaults stay where nothing is."""

    def weather(query, place="here"):
        return f"{query} {place}"

    def news(query, /):
        return query.upper()

    def briefing(weather, *rest, news, tone="calm"):
        return weather, news, tone

    with Fan(2) as fan:
        graph = fan.graph(briefing, weather, news)
        report = graph.run(query="rain")
        assert report["briefing"].unwrap() == report.value("briefing") == ("rain here", "RAIN", "calm")
        assert graph.run({"query": "sun"}, place="there", tone="loud").value("briefing") == ("sun there", "SUN", "loud")
        assert [outcome.name for outcome in report] == ["briefing", "weather", "news"]
        assert [outcome.index for outcome in report] == [0, 1, 2]


def test_depends_on_passes_orders_and_renames():
    """Those that are parameters are passed, `**kwargs` takes all by name, the rest are order only."""
    order = []
    with Fan(4) as fan:
        graph = fan.graph()
        first = graph.add(lambda: order.append("first") or 1, name="first")
        graph.add(lambda: order.append("second") or 2, name="second", depends_on="first")
        graph.add(lambda first: (order.append("third"), first), name="third", depends_on=[first, "second"])
        graph.add(lambda **all_of_them: all_of_them, name="all", depends_on=["first", "second"])
        graph.add(lambda text: text, name="renamed", depends_on={"text": "second"})
        report = graph.run()
        assert order == ["first", "second", "third"]
        assert report.value("third") == (None, 1)
        assert report.value("all") == {"first": 1, "second": 2}
        assert report.value("renamed") == 2


def test_a_task_starts_when_its_last_dependency_ends_and_not_later():
    """One branch comes to its end while the first call of the other still runs, and `join` waits for both."""
    with Gate() as gate, Fan(2) as fan:
        ended = threading.Event()
        graph = fan.graph()
        graph.add(lambda: gate("slow"), name="slow")
        graph.add(lambda: 1, name="quick")
        graph.add(lambda quick: ended.set(), name="after")
        graph.add(lambda slow, after: (slow, after), name="join")
        report = aside(graph.run)
        assert ended.wait(PATIENCE)
        gate.wait_for(1)
        assert not report.done()
        until(lambda: fan.snapshot() | {"queued": 0, "running": 1, "waiting": 1} == fan.snapshot())
        gate.open()
        assert report.result(PATIENCE).value("join") == ("slow", None)


def test_what_a_partial_has_fixed_stays():
    """A task of that name does not take its place, unless it is asked for."""

    def describe(text, tone):
        return f"{text} {tone}"

    with Fan(1) as fan:
        graph = fan.graph(name="{odd}")
        graph.add(lambda: "loud", name="tone")
        graph.add(partial(describe, tone="calm"), name="fixed")
        graph.add(partial(describe, tone="calm"), name="asked", depends_on=["tone"])
        graph.add(partial(describe, "rain"), name="{text}")
        report = graph.run(text="sun")
        assert [report.value(name) for name in ("fixed", "asked", "{text}")] == ["sun calm", "sun loud", "rain loud"]


def test_tasks_that_wait_for_the_same_run_at_once():
    """As many threads wake as there are calls: three that meet, of which the thread that ended the first takes one."""
    with Fan(3) as fan:
        barrier = threading.Barrier(3)
        graph = fan.graph()
        graph.add(lambda: [1, 2, 3], name="plan")
        for number in range(3):
            graph.add(lambda plan: barrier.wait(PATIENCE), name=f"t{number}")
        graph.add(
            lambda element: barrier.wait(PATIENCE), name="each", each={"element": "plan"}, depends_on=["t0", "t1", "t2"]
        )
        report = within_patience(graph.run)
        assert sorted(report[f"t{number}"].value for number in range(3)) == sorted(report.value("each")) == [0, 1, 2]


def test_a_chain_stays_in_the_thread_that_ended_the_call_before():
    """No scheduler comes between."""
    with Fan(1) as fan:
        graph = fan.graph()
        for number in range(20):
            graph.add(threading.current_thread, name=f"t{number}", depends_on=[f"t{number - 1}"] if number else [])
        assert len(set(graph.run().unwrap())) == 1


def test_what_depends_on_a_failure_is_skipped_and_the_rest_goes_on():
    """Each skipped one names the task that failed, however far away, and has its error as its cause."""
    with Fan(2) as fan:
        graph = fan.graph(boom)
        graph.add(lambda boom: None, name="near")
        graph.add(lambda near, other: None, name="last")
        graph.add(lambda: 1, name="other")
        graph.add(lambda other: other + 1, name="fine")
        report = graph.run()
        assert statuses(report) == {
            "boom": "failed", "near": "skipped", "last": "skipped", "other": "succeeded", "fine": "succeeded",
        }  # fmt: skip
        for name in ("near", "last"):
            error = report[name].error
            assert (type(error), str(error)) == (TaskSkipped, "it depends on boom, which failed")
            assert error.__cause__ is BOOM
        with pytest.raises(TaskSkipped):
            report.value("last")
        assert (report.value("last", 5), report.value("fine", 5)) == (5, 2)
        assert report.stats.counts | {"skipped": 2, "failed": 1, "succeeded": 2} == report.stats.counts
        with pytest.raises(KeyError, match="no task named 'fina'; did you mean 'fine'"):
            report["fina"]


def test_a_long_row_is_skipped_without_deep_recursion():
    """Five thousand tasks in a row, the first of which fails."""
    with Fan(2) as fan:
        graph = fan.graph()
        graph.add(boom, name="t0")
        for number in range(1, 5000):
            graph.add(lambda before: None, name=f"t{number}", depends_on={"before": f"t{number - 1}"})
        report = within_patience(graph.run)
        assert report.stats.skipped == 4999
        assert str(report[4999].error) == "it depends on t0, which failed"


def test_fail_fast_cancels_the_rest_and_raises_with_the_report():
    """What was paid for is in the report; what had not started never does."""
    go = threading.Event()

    def slow():
        wake = threading.Event()
        current_scope().on_cancel(wake.set)
        go.set()
        assert wake.wait(PATIENCE)
        current_scope().check()

    def fails(paid):
        assert go.wait(PATIENCE)
        raise BOOM

    with Fan(3) as fan:
        graph = fan.graph(slow, fails)
        graph.add(lambda: 5, name="paid")
        graph.add(lambda slow: None, name="after")
        graph.add(lambda fails: None, name="below")
        error = aside(graph.run, fail_fast=True).exception(PATIENCE)
        assert error is BOOM
        assert statuses(error.report) == {
            "slow": "cancelled", "fails": "failed", "paid": "succeeded", "after": "cancelled", "below": "cancelled",
        }  # fmt: skip
        assert "another call of the batch had failed (fail_fast)" in str(error.report["below"].error)
        assert error.report.value("paid") == 5
        quiet(fan)


def test_a_condition_that_does_not_hold_is_no_failure():
    """`fail_fast` is not for it."""
    with Fan(1) as fan:
        graph = fan.graph()
        graph.add(lambda: 1, name="never", when=lambda: False)
        graph.add(lambda: 2, name="other", depends_on=[])
        assert statuses(graph.run(fail_fast=True)) == {"never": "skipped", "other": "succeeded"}


def test_the_deadline_cancels_what_is_unfinished():
    """What runs ends at once, what waits never starts, and what is finished is kept."""
    with ManualClock() as clock, Gate() as gate, Fan(2) as fan:
        graph = fan.graph()
        graph.add(lambda: 1, name="done")
        graph.add(gate, name="hangs")
        graph.add(lambda hangs: None, name="after")
        report = aside(graph.run, deadline=5)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=5)
        until(lambda: fan.snapshot()["done"] == 1)
        clock.advance(5)
        report = report.result(PATIENCE)
        assert statuses(report) == {"done": "succeeded", "hangs": "cancelled", "after": "cancelled"}
        assert str(report["after"].error) == "the batch's deadline of 5 s had passed"
        gate.open()
        quiet(fan)


def test_options_are_each_task_s_own():
    """A timeout, after which dependants are skipped, and retries."""
    failed = []

    def flaky():
        if not failed:
            failed.append(1)
            raise ConnectionError
        current_scope().add_usage(Usage(3, 4))
        return 5

    with ManualClock() as clock, Gate() as gate, Fan(2) as fan:
        graph = fan.graph()
        graph.add(flaky, retry=1)
        graph.add(gate, name="hangs", timeout=2, depends_on=["flaky"])
        graph.add(lambda hangs: None, name="after")
        report = aside(graph.run)
        until(lambda: fan.snapshot()["waiting"] == 3)
        until(lambda: clock._asleep(60) > 0)
        clock.advance(60)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=62)
        clock.advance(2)
        report = report.result(PATIENCE)
        gate.open()
        assert statuses(report) == {"flaky": "succeeded", "hangs": "timed_out", "after": "skipped"}
        assert (report["flaky"].attempts, report["flaky"].usage) == (2, Usage(3, 4))
        assert isinstance(report["after"].error.__cause__, TaskTimeout)
        assert str(report["after"].error) == "it depends on hangs, which timed out"
        quiet(fan)


def test_a_limit_holds_for_all_runs_together():
    """Two runs at once, and one call of the task at a time."""
    with Gate() as gate, Fan(4) as fan:
        graph = fan.graph()
        graph.add(gate, name="one", max_concurrent=1)
        runs = [aside(graph.run, item=number) for number in range(2)]
        gate.wait_for(1)
        until(lambda: fan.snapshot()["queued"] == 1)
        gate.open()
        assert [run.result(PATIENCE).value("one") for run in runs] == [0, 1]
        assert gate.most == 1


def test_single_calls_do_not_wait_for_a_whole_fan_out():
    """They take turns: a thread leaves after its quantum, though hundreds of elements wait."""
    with ManualClock() as clock, Gate() as gate, Fan(1) as fan:
        order = []

        def work(element):
            if not element:
                gate()
            clock.advance(1)
            order.append(element)

        graph = fan.graph()
        graph.add(work, each={"element": "elements"})
        report = aside(graph.run, elements=range(300))
        gate.wait_for(1)
        single = fan.submit(order.append, "single")
        gate.open()
        single.result(PATIENCE)
        assert report.result(PATIENCE).ok
        assert order.index("single") <= 2
        assert len(order) == 301
        quiet(fan)
    assert not Probe(fan).queues - set(fan._options.cap.queues.values())


def test_many_runs_at_once(eager_switching):
    """From several threads, each with inputs of its own."""
    with Fan(3) as fan:
        graph = fan.graph()
        graph.add(lambda number: [*range(number)], name="plan")
        graph.add(lambda element, number: element * number, name="work", each={"element": "plan"})
        graph.add(lambda work: sum(work, 0), name="total")
        runs = [aside(graph.run, number=number) for number in range(20)]
        totals = [run.result(PATIENCE).value("total") for run in runs]
        assert totals == [sum(range(number)) * number for number in range(20)]
        quiet(fan)


def test_inside_a_call_of_its_own_fan_on_one_slot():
    """Whoever runs it lends the slot; its calls are deeper."""
    with Fan(1) as fan:
        inner = fan.graph()
        inner.add(lambda: here.session.queue.depth, name="inner")

        def outer():
            return here.session.queue.depth, inner.run().value("inner")

        report = within_patience(fan.graph(outer).run)
        assert report.value("outer") == (0, 1)


def test_the_call_it_is_run_in_ends_it():
    """Nothing of it is left running when that has timed out."""
    with ManualClock() as clock, Gate() as gate, Fan(2) as fan:
        graph = fan.graph()
        graph.add(gate, name="hangs")
        outer = fan.with_options(timeout=3).submit(graph.run)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=3)
        clock.advance(3)
        assert isinstance(outer.exception(PATIENCE), TaskTimeout)
        gate.open()
        quiet(fan)


def test_a_fan_that_is_closed_with_its_calls_ends_it():
    """What runs is finished; the report is on the error."""
    gate = Gate()
    fan = Fan(1)
    graph = fan.graph()
    graph.add(gate, name="runs")
    graph.add(lambda runs: 1, name="after")
    report = aside(graph.run)
    gate.wait_for(1)
    closing = aside(fan.shutdown, cancel_futures=True)
    until(lambda: Probe(fan).closing)
    gate.open()
    error = report.exception(PATIENCE)
    assert isinstance(error, FanClosed)
    assert error.report["after"].status == "cancelled"
    assert isinstance(error.report["after"].error, TaskCancelled)
    closing.result(PATIENCE)
    with pytest.raises(RuntimeError):
        graph.run()


def test_outcomes_tell_how_others_ended_and_skip_nothing():
    """Of a task that failed, of one that was skipped, and of each element of a fan-out."""
    seen = {}

    def note(legal, skipped, parts):
        seen.update(legal=legal, skipped=skipped, parts=parts)
        return "noted"

    def part(number):
        return 1 // number

    with Fan(2) as fan:
        graph = fan.graph()
        graph.add(boom, name="legal")
        graph.add(lambda legal: None, name="skipped")
        graph.add(part, each="numbers")
        graph.add(note, outcomes={"legal": "legal", "skipped": "skipped", "parts": part})
        report = graph.run(numbers=[1, 0])
        assert report.value("note") == "noted"
        assert (seen["legal"].name, seen["legal"].error, seen["skipped"].status) == ("legal", BOOM, "skipped")
        assert [(one.name, one.index, one.status) for one in seen["parts"]] == [
            ("part[0]", 0, "succeeded"), ("part[1]", 1, "failed"),
        ]  # fmt: skip
        assert all(isinstance(one, Outcome) for one in seen["parts"])


def test_a_report_can_be_kept():
    """It is the same after pickling, and plain data holds it all."""
    with Fan(2) as fan:
        graph = fan.graph()
        graph.add(lambda text: text.split(), name="words")
        graph.add(lambda word: word.upper(), name="shout", each={"word": "words"})
        graph.add(boom)
        graph.add(lambda boom: 1, name="after")
        report = graph.run(text="a b")
    again = pickle.loads(pickle.dumps(report))  # noqa: S301
    assert type(again) is type(report)
    assert again.value("shout") == again["shout"].unwrap() == ["A", "B"]
    assert again["shout[1]"].unwrap() == "B"
    assert str(again["after"].error) == "it depends on boom, which failed"
    assert repr(again["after"].error.__cause__) == repr(BOOM)
    assert again.to_dict() == report.to_dict()
    assert [one["name"] for one in again.to_dict()["outcomes"]] == ["words", "shout[0]", "shout[1]", "boom", "after"]
