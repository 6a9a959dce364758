"""One call's outcome: what it tells, what it hides, how it travels."""

import copy
import pickle

import pytest

from threadfan import Outcome, TaskTimeout, Usage
from threadfan._core.base.outcome import FAILED, STATUSES, SUCCEEDED, TIMED_OUT

PRIVATE = "a private prompt"
GOOD = Outcome((3, PRIVATE, 10.0, SUCCEEDED, PRIVATE, 12.5, 16.0, "pool_0"))
BAD = Outcome((4, PRIVATE, 10.0, FAILED, ValueError(PRIVATE), 12.5, 16.0, "pool_1"), "legal")
UNSTARTED = Outcome((5, PRIVATE, 10.0, TIMED_OUT, TaskTimeout("late"), None, 16.0, None))


def facts(outcome):
    """Everything an outcome says, errors by type and text."""
    names = ("index", "name", "item", "status", "ok", "value", "attempts", "waited_slot", "duration", "worker", "usage")
    return [getattr(outcome, name) for name in names] + [repr(outcome.error)]


def test_a_success_has_a_value_and_no_error():
    """A call that returned has all its facts."""
    assert facts(GOOD) == [3, None, PRIVATE, "succeeded", True, PRIVATE, 1, 2.5, 3.5, "pool_0", None, "None"]
    assert GOOD.unwrap() == PRIVATE


def test_a_failure_has_an_error_and_no_value():
    """A call that raised keeps the exception, and `unwrap` raises that very one."""
    assert (BAD.ok, BAD.value, BAD.status, BAD.name) == (False, None, "failed", "legal")
    with pytest.raises(ValueError, match=PRIVATE) as caught:
        BAD.unwrap()
    assert caught.value is BAD.error


def test_a_call_that_never_started_has_no_times():
    """Without a start there is no attempt, no worker and no duration; all its time was queueing."""
    assert (UNSTARTED.attempts, UNSTARTED.duration, UNSTARTED.waited_slot, UNSTARTED.worker) == (0, 0.0, 6.0, None)


@pytest.mark.parametrize("outcome", [GOOD, BAD, UNSTARTED])
def test_repr_hides_item_and_value(outcome):
    """Prompts and keys do not reach logs by way of `repr`."""
    assert PRIVATE not in repr(outcome)


def test_repr_reads_well():
    """The place or the name, the status, the kind of error and the seconds."""
    assert repr(GOOD) == "<Outcome 3: succeeded, 3.500 s>"
    assert repr(BAD) == "<Outcome 'legal': failed, ValueError, 3.500 s>"


def test_usage_is_the_values():
    """The token usage of a response is found on its outcome; whatever else is called so is none."""
    response = type("Response", (), {"usage": {"input_tokens": 7}})()
    assert Outcome((0, None, 0.0, SUCCEEDED, response, 0.0, 0.0, "pool_0")).usage == Usage(7)
    for value in (type("Tool", (), {"usage": lambda self: "how it is used"})(), "text", {"usage": "much"}, 7, None):
        assert Outcome((0, None, 0.0, SUCCEEDED, value, 0.0, 0.0, "pool_0")).usage is None


@pytest.mark.parametrize("outcome", [GOOD, BAD, UNSTARTED], ids=["succeeded", "failed", "unstarted"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_outcome_survives_pickling(outcome, protocol):
    """Every protocol brings all facts across, the status compared by identity included."""
    returned = pickle.loads(pickle.dumps(outcome, protocol))  # noqa: S301
    assert facts(returned) == facts(outcome)
    assert any(returned.status is status for status in STATUSES)


def test_an_outcome_can_be_copied():
    """A deep copy tells the same."""
    assert facts(copy.deepcopy(BAD)) == facts(BAD)
