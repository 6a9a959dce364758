"""`guard`: no output before the check has passed."""

import pickle
import threading

import pytest

from support.controlled import PATIENCE, elapse
from support.losers import Losers, both, fail
from threadfan import Fan, TaskTimeout, task
from threadfan.patterns import GuardFailed, aguard, guard
from threadfan.testing import ManualClock


def safe():
    """A check that passes."""
    return True


@both(guard=guard, aguard=aguard)
def test_work_and_check_run_side_by_side(guard):
    """They meet, so the check costs no time; the output is what the work returned."""
    meeting = threading.Barrier(2)
    with Fan(2) as fan:
        assert guard(fan, lambda: meeting.wait(PATIENCE) * 0 + 5, lambda: meeting.wait(PATIENCE) >= 0) == 5


@both(guard=guard, aguard=aguard)
def test_the_output_is_withheld_until_the_check_passes(guard):
    """The check only begins when the work has ended, and still it decides."""
    done = threading.Event()

    def work():
        done.set()
        return "output"

    def refuse():
        return not done.wait(PATIENCE)

    with Fan(2) as fan:
        with pytest.raises(GuardFailed) as caught:
            guard(fan, work, refuse)
        assert guard(fan, work, done.is_set) == "output"
    assert caught.value.report[0].value == "output"


@both(guard=guard, aguard=aguard)
def test_a_check_that_fails_cancels_the_work(guard):
    """The work's thread comes back, and the error says which check it was and why."""
    losers = Losers(1)

    def no_secrets():
        losers.together()
        return False

    with Fan(2) as fan:
        with pytest.raises(GuardFailed, match="no_secrets did not let the output pass: it returned False") as caught:
            guard(fan, losers.task("work"), no_secrets)
        assert losers.wait_until_free(fan, 2) == ["work"]
    assert caught.value.check.endswith("no_secrets")
    assert caught.value.reason == "it returned False"
    assert caught.value.report[0].status == "cancelled"


@both(guard=guard, aguard=aguard)
def test_a_check_that_raises_has_not_passed(guard):
    """Its error is the reason and the cause."""
    error = ValueError("a name was found")
    with Fan(1) as fan, pytest.raises(GuardFailed, match="ValueError: a name was found") as caught:
        guard(fan, lambda: "output", task(fail, error))
    assert caught.value.__cause__ is error
    assert caught.value.check == "fail"


@both(guard=guard, aguard=aguard)
def test_a_check_that_is_late_has_not_passed(guard):
    """Its timeout is its own."""
    losers = Losers(1, others=0)
    with ManualClock() as clock, Fan(2) as fan:
        elapse(clock, 8, losers.running)
        with pytest.raises(GuardFailed, match="TaskTimeout") as caught:
            guard(fan, lambda: "output", task(losers.task()).with_options(timeout=8))
        losers.wait_until_free(fan, 2)
    assert isinstance(caught.value.__cause__, TaskTimeout)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(None, "it returned None"), (1, "it returned a int, not True"), ("unsafe", "it returned a str, not True")],
)
def test_only_true_passes(answer, reason):
    """A check that forgot to return, or that returned a model's text, has let nothing pass; the text is not shown."""
    with Fan(1) as fan, pytest.raises(GuardFailed) as caught:
        guard(fan, lambda: "output", lambda: answer)
    assert caught.value.reason == reason


@both(guard=guard, aguard=aguard)
def test_work_that_fails_cancels_the_check(guard):
    """Its own error is raised, as it is."""
    losers = Losers(1)
    error = KeyError("work")
    with Fan(2) as fan:
        with pytest.raises(KeyError) as caught:
            guard(fan, losers.after(lambda: fail(error)), losers.task("check"))
        assert losers.wait_until_free(fan, 2) == ["check"]
    assert caught.value is error


@both(guard=guard, aguard=aguard)
def test_several_checks(guard):
    """All have to pass; the one that did not is named, and the others are cancelled."""
    losers = Losers(2)

    def no_injection():
        losers.together()
        return False

    with Fan(4) as fan:
        assert guard(fan, lambda: 1, safe, safe) == 1
        with pytest.raises(GuardFailed, match="no_injection"):
            guard(fan, losers.task("work"), safe, no_injection, losers.task("check"))
        assert losers.wait_until_free(fan, 4) == ["check", "work"]


@both(guard=guard, aguard=aguard)
def test_a_guard_without_a_check(guard):
    """Whoever forgot the check is told, before the work begins."""
    with Fan(1) as fan, pytest.raises(TypeError, match=r"at least one check .* guard\(fan, work, check\)"):
        guard(fan, lambda: 1)


def test_its_error_can_be_pickled():
    """Check and reason come out as they went in."""
    error = pickle.loads(pickle.dumps(GuardFailed("no_secrets", "it returned False")))  # noqa: S301
    assert (error.check, error.reason) == ("no_secrets", "it returned False")
    assert str(error) == "no_secrets did not let the output pass: it returned False"
