"""One call for each element of what another task returns."""

import operator
import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, until, within_patience
from threadfan import Fan
from threadfan._core.base.errors import TaskSkipped
from threadfan._core.graph.turn import AT_ONCE
from threadfan.testing import Probe


def graph_of(fan, value, fn, **options):
    """A graph of `source`, which returns the value, and `work`, which goes through it."""
    graph = fan.graph()
    graph.add(lambda: value, name="source")
    graph.add(fn, name="work", **{"each": "source", **options})
    return graph


@pytest.mark.parametrize("value", [[3, 1, 2], (3, 1, 2), iter([3, 1, 2]), {3: "c", 1: "a", 2: "b"}], ids=repr)
def test_results_come_in_the_order_of_the_elements(value):
    """Whatever is iterated, also what can be only once; the index is part of each outcome's name."""
    with Fan(3) as fan:
        graph = graph_of(fan, value, lambda item: item * 10)
        graph.add(lambda work: sum(work, 0), name="total")
        report = graph.run()
        assert report.value("work") == [30, 10, 20]
        assert report.value("total") == 60
        assert [(one.index, one.name, one.item) for one in report["work"]] == [
            (1, "work[0]", 3), (2, "work[1]", 1), (3, "work[2]", 2),
        ]  # fmt: skip
        assert report["work"].unwrap() == [30, 10, 20]
        assert report["work[2]"].unwrap() == 20
        assert report.stats.total == 5


def test_an_empty_list_is_fine():
    """There are no calls, and who depends on them gets an empty list; deeper too."""
    with Fan(1) as fan:
        graph = graph_of(fan, [], abs)
        graph.add(lambda y: y, name="deeper", each={"y": "work"})
        graph.add(lambda work, deeper: (work, deeper), name="both")
        report = graph.run()
        assert (report.value("both"), report.value("work"), len(report["work"])) == (([], []), [], 0)
        assert graph_of(fan, [[], [1]], lambda x: x, each={"x": "source"}, depth=2).run().value("work") == [[], [1]]


def test_an_element_of_a_fan_out_is_taken_the_moment_it_is_there():
    """No barrier: the first goes all the way while the second has not come out of the first stage."""
    with Gate() as gate, Fan(2) as fan:
        through = threading.Event()
        graph = graph_of(fan, ["first", "second"], lambda item: gate(item) if item == "second" else item)
        graph.add(lambda item: item.upper(), name="upper", each={"item": "work"})
        graph.add(lambda item: through.set() if item == "FIRST" else None, name="last", each={"item": "upper"})
        report = aside(graph.run)
        assert through.wait(PATIENCE)
        gate.wait_for(1)
        gate.open()
        assert report.result(PATIENCE).value("upper") == ["FIRST", "SECOND"]


def test_depth_goes_into_lists_of_lists():
    """Results have the same shape; a task that goes through them again goes as deep."""
    value = [[1, 2], [], [3]]
    with Fan(2) as fan:
        graph = graph_of(fan, value, lambda item: [item, -item], depth=2)
        graph.add(lambda item: item[0], name="same", each={"item": "work"})
        graph.add(lambda x: max(x, -x), name="deeper", each={"x": "work"}, depth=3)
        graph.add(len, name="groups", each={"obj": "work"}, depth=1)
        report = graph.run()
        assert report.value("work") == [[[1, -1], [2, -2]], [], [[3, -3]]]
        assert report.value("same") == [[1, 2], [], [3]]
        assert report.value("deeper") == [[[1, 1], [2, 2]], [], [[3, 3]]]
        assert report.value("groups") == [2, 0, 1]
        assert [one.name for one in report["same"]] == ["same[0][0]", "same[0][1]", "same[2][0]"]


def test_a_group_is_taken_when_all_of_it_is_there():
    """Going less deep than the fan-out waits for the group alone, not for all."""
    with Gate() as gate, Fan(2) as fan:
        counted = threading.Event()
        graph = graph_of(fan, [["a", "b"], ["slow"]], lambda item: gate(item) if item == "slow" else item, depth=2)
        graph.add(lambda x: counted.set() or x, name="groups", each={"x": "work"}, depth=1)
        report = aside(graph.run)
        assert counted.wait(PATIENCE)
        gate.open()
        assert report.result(PATIENCE).value("groups") == [["a", "b"], ["slow"]]


def test_inputs_can_be_gone_through():
    """No task is needed for a list that is there."""
    with Fan(2) as fan:
        graph = fan.graph()
        graph.add(lambda company: company.upper(), name="research", each={"company": "companies"})
        graph.add(
            lambda company, found: (company, found), name="pair", each={"company": "companies", "found": "research"}
        )
        assert graph.run(companies=["a", "b"]).value("pair") == [("a", "A"), ("b", "B")]


def test_what_goes_less_deep_goes_along():
    """Each part comes with the document that it is of."""
    with Fan(2) as fan:
        graph = graph_of(fan, ["ab", "c"], list)
        graph.add(lambda part: part.upper(), name="parts", each={"part": "work"}, depth=2)
        graph.add(lambda doc, part: doc + part, name="both", each={"doc": "source", "part": "parts"})
        assert graph.run().value("both") == [["abA", "abB"], ["cC"]]


def test_lists_that_go_side_by_side_must_be_of_one_length():
    """Else it is the failure of the task that needs them."""
    with Fan(1) as fan:
        graph = fan.graph()
        graph.add(lambda x, y: x + y, name="sums", each={"x": "xs", "y": "ys"})
        assert graph.run(xs=[1, 2], ys=[10, 20]).value("sums") == [11, 22]
        report = graph.run(xs=[1, 2], ys=[10])
        (outcome,) = report["sums"]
        assert (outcome.name, outcome.status, outcome.attempts) == ("sums", "failed", 0)
        assert str(outcome.error) == (
            "sums cannot be called: what it goes through must be of one length, not {'xs': 2, 'ys': 1}"
        )


@pytest.mark.parametrize("value", [5, None, "text", b"bytes"])
def test_what_is_no_list_is_the_failure_of_the_task_that_goes_through_it(value):
    """A text counts as none: its characters are nobody's tasks."""
    with Fan(1) as fan:
        graph = graph_of(fan, value, lambda item: item)
        graph.add(lambda work: work, name="after")
        report = graph.run()
        assert report["source"].ok
        assert str(report["work"][0].error) == (
            f"work cannot be called: its 'item' goes through 'source', which is no list, but {value!r}"
        )
        assert str(report["after"].error) == "it depends on work, which failed"


def test_an_iterable_that_fails_is_the_failure_of_the_task_that_goes_through_it():
    """Its code runs as a call, not under a lock; what it raises is the error."""

    def elements():
        yield 1
        raise LookupError("no more")

    with Fan(1) as fan:
        report = graph_of(fan, elements(), lambda item: item).run()
        (outcome,) = report["work"]
        assert (outcome.status, repr(outcome.error)) == ("failed", "LookupError('no more')")


def test_a_failed_element_skips_its_own_and_the_whole():
    """Those that go through the results lose that element only; those that take the list lose it."""
    with Fan(2) as fan:
        graph = graph_of(fan, [1, 0, 2], lambda item: 2 // item)
        graph.add(lambda item: -item, name="each_of_them", each={"item": "work"})
        graph.add(lambda work: work, name="all_of_them")
        report = graph.run()
        assert report["work"].values(None) == [2, None, 1]
        assert [one.status for one in report["each_of_them"]] == ["succeeded", "skipped", "succeeded"]
        for error in (report["each_of_them[1]"].error, report["all_of_them"].error):
            assert str(error) == "it depends on work[1], which failed"
            assert isinstance(error.__cause__, ZeroDivisionError)
        with pytest.raises(ExceptionGroup, match="1 of 3 calls have no value"):
            report.value("work")
        assert report.value("work", None) == [2, None, 1]
        assert report.value("each_of_them", "none") == [-2, "none", -1]
        assert report.value("all_of_them", []) == []


def test_what_goes_through_a_task_that_failed_is_skipped_as_one():
    """There is no element that it could be called for."""
    with Fan(1) as fan:
        graph = fan.graph()
        graph.add(lambda: 1 // 0, name="source")
        graph.add(lambda item: item, name="work", each="source")
        report = graph.run()
        (outcome,) = report["work"]
        assert (outcome.name, outcome.status) == ("work", "skipped")
        assert isinstance(outcome.error, TaskSkipped)
        with pytest.raises(ExceptionGroup):
            report.value("work")


def test_results_are_reduced_in_order():
    """To one value, with or without something to begin with; the outcomes are still those of the calls."""
    with Fan(4) as fan:
        graph = graph_of(fan, [[1], [2, 3]], lambda item: [str(item)], depth=2, reduce=operator.add)
        graph.add(lambda letter: letter * 2, name="twice", each={"letter": "work"})
        graph.add(lambda item: item, name="sums", each={"item": "work"}, reduce=lambda a, b: a + b, initial=">")
        report = graph.run()
        assert report.value("work") == ["1", "2", "3"]
        assert report.value("twice") == ["11", "22", "33"]
        assert report.value("sums") == ">123"
        assert [one.name for one in report["work"]] == ["work[0][0]", "work[1][0]", "work[1][1]"]


def test_a_reduction_of_nothing_needs_a_beginning():
    """Else it fails, and says what would do."""
    with Fan(1) as fan:
        assert graph_of(fan, [], abs, reduce=operator.add, initial=0).run().value("work") == 0
        (outcome,) = graph_of(fan, [], abs, reduce=operator.add).run()["work"]
        assert str(outcome.error) == "work has no results to reduce: give what it begins with, such as initial=[]"


def test_a_reduction_that_fails_is_the_failure_of_the_task():
    """Its calls have succeeded, and the task as a whole has not."""
    with Fan(1) as fan:
        graph = graph_of(fan, [1, "a"], lambda item: item, reduce=operator.add)
        graph.add(lambda work: work, name="after")
        report = graph.run()
        assert [(one.name, one.status) for one in report["work"]] == [
            ("work[0]", "succeeded"), ("work[1]", "succeeded"), ("work", "failed"),
        ]  # fmt: skip
        assert str(report["after"].error) == "it depends on work, which failed"
        assert isinstance(report["after"].error.__cause__, TypeError)
        assert report.value("work", None) is None


def test_the_whole_list_and_its_elements_can_be_taken_together():
    """The task then waits for both."""
    with Fan(2) as fan:
        graph = graph_of(fan, [1, 2], lambda item, source: (item, source), each={"item": "source"})
        assert graph.run().value("work") == [(1, [1, 2]), (2, [1, 2])]


def test_ten_thousand_elements():
    """Going through many is no deep recursion and takes no thread for each."""
    with Fan(2) as fan:
        graph = graph_of(fan, range(10_000), lambda item: item)
        graph.add(lambda item: item + 1, name="more", each={"item": "work"})
        graph.add(lambda more: sum(more, 0), name="total")
        assert within_patience(graph.run).value("total") == sum(range(1, 10_001))


def test_a_fan_out_that_is_cut_short_tells_what_was_not_called():
    """Each element that was known has its outcome, and a fan-out that was not has one."""
    with Gate() as gate, Fan(1) as fan:
        graph = graph_of(fan, [1, 2, 3], gate)
        graph.add(lambda item: item, name="later", each={"item": "work"})
        graph.add(lambda item: [item], name="never", each={"item": "whole"})
        graph.add(lambda work: work, name="whole")
        report = aside(graph.run)
        gate.wait_for(1)
        Probe(fan).interrupt()
        gate.open()
        report = report.result(PATIENCE)
        assert [one.name for one in report if one.status != "cancelled"] == ["source"]
        assert [one.name for one in report["later"]] == ["later[0]", "later[1]", "later[2]"]
        assert [one.name for one in report["never"]] == ["never"]


def test_more_calls_than_are_handed_in_at_once():
    """In portions: each is made once, and what follows comes when the last has ended."""
    number = 3 * AT_ONCE + 1
    made = []
    with Fan(4) as fan:
        graph = fan.graph()
        graph.add(lambda: range(number), name="items")
        graph.add(lambda item: made.append(item) or -item, name="one", each={"item": "items"})
        graph.add(lambda one: (len(made), sum(one)), name="all")
        assert graph.run().value("all") == (number, -sum(range(number)))
        assert sorted(made) == list(range(number))
    assert AT_ONCE > 1


def test_a_failure_ends_all_portions():
    """What was not handed in has an outcome all the same, and so has what waits."""
    number = 3 * AT_ONCE
    with Gate() as gate, Fan(1) as fan:
        graph = graph_of(fan, range(number), lambda item: gate(1 // item))
        with pytest.raises(ZeroDivisionError) as error:
            within_patience(graph.run, fail_fast=True)
        gate.open()
    assert [outcome.status for outcome in error.value.report["work"]] == ["failed", *["cancelled"] * (number - 1)]


def test_calls_that_wait_leave_their_queue_at_once(clock):
    """Of a fan-out of many one runs when its time is up, and each of the others is told why it never will."""
    number = 5_000
    with Gate() as gate, Fan(1) as fan:
        graph = fan.graph()
        graph.add(gate, name="one", each={"item": "items"})
        run = aside(graph.run, items=range(number), deadline=5)
        gate.wait_for(1)
        until(lambda: fan.snapshot()["queued"] == number - 1)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        until(lambda: not fan.snapshot()["queued"])
        gate.open()
        outcomes = run.result(PATIENCE)["one"]
        assert [outcome.status for outcome in outcomes] == ["cancelled"] * number
        assert {str(outcome.error) for outcome in outcomes} == {"the batch's deadline of 5 s had passed"}
        assert fan.submit(abs, -5).result(PATIENCE) == 5
