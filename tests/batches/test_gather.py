"""`gather`: different functions side by side, with options and names of their own."""

import threading

import pytest

from support.controlled import PATIENCE, until_cancelled
from threadfan import Fan, Task, TaskTimeout, current_scope, task

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


def test_tasks_run_side_by_side():
    """Functions meet at a barrier, so they run at once; outcomes stand in the order of the arguments."""
    barrier = threading.Barrier(3)

    def section(name):
        barrier.wait(PATIENCE)
        return name

    with Fan(3) as fan:
        report = fan.gather(task(section, "a"), task(section, name="b"), lambda: section("c"))
    assert report.unwrap() == ["a", "b", "c"]


def test_named_tasks_are_found_by_name():
    """A name leads to its outcome; unnamed tasks come first."""
    with Fan(2) as fan:
        report = fan.gather(task(int, "1"), legal=task(int, "2"), tech=task(int, "x"))
    assert [outcome.name for outcome in report] == [None, "legal", "tech"]
    assert report["legal"].unwrap() == 2
    assert report["tech"].status == "failed"
    assert report["tech"] is report[2]


def test_a_wrong_name_is_answered_with_the_right_ones():
    """The error lists the names there are, or says where names come from."""
    with Fan(2) as fan:
        named, unnamed = fan.gather(legal=task(int), tech=task(int)), fan.gather(task(int))
    with pytest.raises(KeyError, match="no task named 'lega'; the names are: 'legal', 'tech'"):
        named["lega"]
    with pytest.raises(KeyError, match=r"none \(names come from fan.gather"):
        unnamed["legal"]


def test_any_word_can_be_a_name():
    """No name is taken by the method itself."""
    with Fan(1) as fan:
        assert fan.gather(self=task(int))["self"].unwrap() == 0


def test_a_task_has_a_timeout_of_its_own(clock):
    """Options given to one task bind that one alone."""

    def slow():
        clock.advance(10)
        return "slow"

    def stuck():
        clock.advance(10)
        until_cancelled()

    with Fan(1, timeout=100) as fan:
        report = fan.gather(patient=task(slow), hasty=task(stuck).with_options(timeout=5))
    assert report["patient"].unwrap() == "slow"
    assert isinstance(report["hasty"].error, TaskTimeout)


def test_a_tasks_timeout_can_be_lifted(clock):
    """None takes the fan's timeout away from one task."""

    def slow():
        clock.advance(1000)
        return current_scope().remaining()

    with Fan(1, timeout=5) as fan:
        assert fan.gather(task(slow).with_options(timeout=None)).unwrap() == [float("inf")]


def test_a_task_can_be_used_again():
    """Options make a new task, and a gathering does not use one up."""
    original = task(int, "7")
    changed = original.with_options(timeout=60)
    assert changed is not original
    with Fan(2) as fan:
        assert fan.gather(original, changed, original).unwrap() == [7, 7, 7]
    assert original() == 7


def test_a_task_hides_its_arguments():
    """`repr` names the function only."""
    assert repr(task(int, "sk-secret")) == "<task int>"
    assert isinstance(task(int), Task)


def test_nothing_to_gather_is_an_empty_report():
    """No tasks make no calls."""
    with Fan(1) as fan:
        assert len(fan.gather()) == 0


def test_tasks_do_not_share_context():
    """What one task sets of a context variable, another does not see."""
    from contextvars import ContextVar

    variable = ContextVar("variable", default="caller's")

    def change():
        before = variable.get()
        variable.set("changed")
        return before

    with Fan(1) as fan:
        assert fan.gather(change, change, change).unwrap() == ["caller's"] * 3
