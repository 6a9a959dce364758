"""Tasks that are called only if."""

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Fan, TaskTimeout
from threadfan._core.base.errors import TaskSkipped
from threadfan.testing import ManualClock


def branches(fan):
    """One of two branches is taken, and both are joined."""
    graph = fan.graph()

    @graph.task
    def classify(text):
        return "long" if len(text) > 3 else "short"

    @graph.task(when=lambda classify: classify == "long")
    def shorten(text):
        return text[:3]

    @graph.task(when=lambda classify: classify == "short")
    def pad(text):
        return text.ljust(3, ".")

    @graph.task
    def join(shorten=None, pad=None):
        return shorten or pad

    @graph.task
    def needs(shorten):
        return shorten

    return graph


@pytest.mark.parametrize(
    ("text", "joined", "skipped"), [("abcdef", "abc", ["pad"]), ("a", "a..", ["shorten", "needs"])]
)
def test_one_of_two_branches_is_taken(text, joined, skipped):
    """A default stands in for the branch not taken; what has none is skipped with it."""
    with Fan(2) as fan:
        report = branches(fan).run(text=text)
        assert report.value("join") == joined
        assert [one.name for one in report if one.status == "skipped"] == skipped


def test_the_error_tells_whose_condition_it_was():
    """It has no cause: nothing failed."""
    with Fan(2) as fan:
        report = branches(fan).run(text="a")
        assert [str(report[name].error) for name in ("shorten", "needs")] == [
            "its condition did not hold",
            "it depends on shorten, which was skipped by its condition",
        ]
        assert report["shorten"].error.__cause__ is None
        assert isinstance(report["needs"].error.__cause__, TaskSkipped)


def test_a_default_does_not_hide_a_failure():
    """It stands in for a branch that was not taken, never for one that broke."""
    with Fan(1) as fan:
        graph = fan.graph()
        graph.add(lambda: 1 // 0, name="broken")
        graph.add(lambda broken=5: broken, name="after")
        assert graph.run()["after"].status == "skipped"


def test_a_failure_is_told_before_a_condition():
    """Of two reasons to be skipped, the one that somebody has to mend."""
    with Fan(1) as fan:
        graph = fan.graph()
        graph.add(lambda: 1, name="never", when=lambda: False)
        graph.add(lambda: 1 // 0, name="broken")
        graph.add(lambda never, broken: 1, name="after")
        assert str(graph.run()["after"].error) == "it depends on broken, which failed"


def test_a_condition_that_raises_is_the_failure_of_its_task():
    """So is one whose answer is neither true nor false."""

    class Neither:
        def __bool__(self):
            raise LookupError("neither")

    with Fan(1) as fan:
        graph = fan.graph()
        graph.add(lambda: 1, name="raises", when=lambda: 1 // 0)
        graph.add(lambda: 1, name="neither", when=Neither)
        graph.add(lambda raises: 1, name="after")
        report = graph.run()
        assert isinstance(report["raises"].error, ZeroDivisionError)
        assert isinstance(report["neither"].error, LookupError)
        assert str(report["after"].error) == "it depends on raises, which failed"


def test_what_a_condition_takes_its_task_depends_on():
    """By the names of tasks and inputs; a failure among them skips the task, a branch not taken gives the default."""
    with Fan(1) as fan:
        graph = fan.graph()
        graph.add(lambda: 1 // 0, name="broken")
        graph.add(lambda: 1, name="never", when=lambda: False)
        graph.add(lambda: "called", name="one", when=lambda broken: True)
        graph.add(lambda: "called", name="two", when=lambda level, never=7: level + never == 12)
        report = graph.run(level=5)
        assert (report["one"].status, report.value("two")) == ("skipped", "called")
        assert report.value("one", None) is None


def test_a_fan_out_under_a_condition():
    """It is asked once, for all."""
    asked = []
    with Fan(1) as fan:
        graph = fan.graph()
        graph.add(lambda: [1, 2], name="plan")
        graph.add(lambda item: item, name="work", each="plan", when=lambda plan: asked.append(plan) or len(plan) > 5)
        graph.add(lambda work=(): list(work), name="after")
        report = graph.run()
        assert asked == [[1, 2]]
        assert (report["work"][0].status, report.value("after")) == ("skipped", [])


def test_a_condition_is_a_call_under_the_task_s_timeout():
    """One that hangs holds nobody up."""
    with ManualClock() as clock, Gate() as gate, Fan(2) as fan:
        graph = fan.graph()
        graph.add(lambda: 1, name="task", timeout=2, when=gate)
        report = aside(graph.run)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=2)
        clock.advance(2)
        outcome = report.result(PATIENCE)["task"]
        assert (outcome.status, type(outcome.error)) == ("timed_out", TaskTimeout)
        gate.open()
        until(lambda: not fan.snapshot()["abandoned"])  # or closing warns of it
