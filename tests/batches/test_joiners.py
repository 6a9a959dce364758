"""The policies of `join`: when they have enough, and what they make of it; no threads."""

import pytest

from threadfan import Outcome, Report
from threadfan._core.base.outcome import FAILED, SUCCEEDED
from threadfan._core.batches.joiners import AllSucceed, Collect, FirstSuccess, Joiner, Quorum

OH, NO = ValueError("oh"), KeyError("no")


def raw(index, payload):
    """An outcome as the executor writes it."""
    status = FAILED if isinstance(payload, BaseException) else SUCCEEDED
    return (index, None, 0.0, status, payload, 0.0, 1.0, "worker")


def told(policy, *payloads, calls=None):
    """Tell a policy of calls that come to this, until it has enough; gives how many it took and their report."""
    policy.begin(len(payloads) if calls is None else calls)
    raws = []
    for index, payload in enumerate(payloads):
        raws.append(raw(index, payload))
        if policy.joined(Outcome(raws[-1])):
            break
    return len(raws), Report(raws)


def test_collect_has_never_enough():
    """Failures do not end it, and its result is the report itself."""
    policy = Collect()
    count, report = told(policy, 1, OH, 3)
    assert count == 3
    assert policy.result(report) is report


def test_all_succeed():
    """With a value for each call the report is the result."""
    policy = AllSucceed()
    count, report = told(policy, 1, None, False)
    assert count == 3
    assert policy.result(report).unwrap() == [1, None, False]


def test_the_first_failure_is_enough():
    """What comes after it is not waited for, and it is raised as it is."""
    policy = AllSucceed()
    count, report = told(policy, 1, OH, NO)
    assert count == 2
    with pytest.raises(ValueError, match="oh") as caught:
        policy.result(report)
    assert caught.value is OH


@pytest.mark.parametrize(
    ("needed", "payloads", "count"),
    [
        (1, [1, 2, 3], 1),
        (2, [1, 2, 3], 2),
        (3, [1, 2, 3], 3),
        (2, [OH, 1, 2, 3], 3),
        (2, [OH, 1, NO, 2], 4),
        (1, [OH, NO, None], 3),
    ],
)
def test_a_quorum(needed, payloads, count):
    """It ends with the last success that it needs; failures are passed over."""
    policy = Quorum(needed)
    took, report = told(policy, *payloads)
    assert took == count
    assert policy.result(report) is report
    assert len(report.succeeded) == needed


@pytest.mark.parametrize(
    ("needed", "payloads", "count"),
    [
        (1, [OH, NO], 2),
        (2, [OH, NO, 1], 2),
        (3, [OH, 1, 2], 1),
        (2, [OH, 1, NO, 2][:3], 3),
    ],
)
def test_an_impossible_quorum(needed, payloads, count):
    """It ends with the failure after which too few calls are left, and raises the errors there were."""
    policy = Quorum(needed)
    took, report = told(policy, *payloads)
    assert took == count
    with pytest.raises(ExceptionGroup) as caught:
        policy.result(report)
    assert list(caught.value.exceptions) == [one for one in payloads[:count] if isinstance(one, Exception)]


def test_an_impossible_quorum_says_so():
    """The message has the numbers."""
    policy = Quorum(2)
    _, report = told(policy, OH, NO, 1)
    with pytest.raises(ExceptionGroup, match="2 of 3 calls have failed, so that 2 could no longer succeed"):
        policy.result(report)


def test_a_quorum_has_to_be_possible():
    """More successes than tasks are refused before anything runs, and so is no number of them."""
    with pytest.raises(ValueError, match="3 successes need at least as many tasks, not 2"):
        Quorum(3).begin(2)
    with pytest.raises(ValueError, match="needed must be greater than 0, not 0"):
        Quorum(0)
    with pytest.raises(TypeError, match="needed must be a whole number, not '2'"):
        Quorum("2")
    with pytest.raises(ValueError, match="1 successes need at least as many tasks, not 0"):
        FirstSuccess().begin(0)


def test_the_first_success_wins():
    """Not the first to end: failures are passed over, and the winner's outcome is the result."""
    policy = FirstSuccess()
    count, report = told(policy, OH, "second", "third")
    assert count == 2
    assert (policy.result(report).index, policy.result(report).value) == (1, "second")


def test_a_success_that_nobody_waited_for_wins_nothing():
    """Of two successes in the report the one that was told first has won, wherever it stands."""
    policy = FirstSuccess()
    policy.begin(2)
    assert policy.joined(Outcome(raw(1, "b")))
    assert policy.result(Report([raw(0, "a"), raw(1, "b")])).value == "b"


def test_errors_that_are_no_exceptions_stay_what_they_are():
    """A call that ended with a `BaseException` makes the group one of those."""
    policy = FirstSuccess()
    _, report = told(policy, OH, KeyboardInterrupt())
    with pytest.raises(BaseExceptionGroup) as caught:
        policy.result(report)
    assert not isinstance(caught.value, ExceptionGroup)


@pytest.mark.parametrize("policy", [AllSucceed(), Quorum(1), FirstSuccess()], ids=lambda policy: type(policy).__name__)
def test_a_policy_can_be_used_again(policy):
    """Each join begins it anew: what an earlier one has seen is forgotten."""
    _, failed = told(policy, OH, calls=1)
    with pytest.raises((ValueError, ExceptionGroup)):
        policy.result(failed)
    _, report = told(policy, 1)
    policy.result(report)


def test_a_policy_of_ones_own_must_have_a_result():
    """A subclass that forgot it is told what is missing; without `joined` it takes everything."""

    class Unfinished(Joiner):
        pass

    policy = Unfinished()
    count, report = told(policy, 1, OH)
    assert count == 2
    with pytest.raises(NotImplementedError, match=r"Unfinished must say .* def result\(self, report\)"):
        policy.result(report)
