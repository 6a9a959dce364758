"""What may be given for `retry=`, and policies per kind of error."""

from http import HTTPStatus
from json import JSONDecodeError

import pytest
import tenacity

from support.controlled import run_program
from support.refusals import FAILED, half, refused, retry_state, waits
from threadfan import TaskCancelled
from threadfan._core.policies.retry import retry_policy
from threadfan._core.policies.returned import ErrorAnswer

BROKEN = JSONDecodeError("no JSON", "{", 1)
BROKE = ErrorAnswer("no money")
BROKE.status_code, BROKE.body = 429, {"error": {"type": "insufficient_quota"}}


def is_odd(error):
    """A user's question about an error."""
    return error.args[0] % 2


STOPPING = "Retrying(stop=stop_after_attempt, wait=wait_none, retry=retry_if_exception_type)"


@tenacity.retry
def stubborn():
    """A function that tries again by itself."""


class Odd(tenacity.Retrying):
    """A policy that tenacity itself cannot copy."""

    def __init__(self):
        super().__init__(stop=tenacity.stop_after_attempt(3))


@pytest.mark.parametrize("value", [None, 0, {}])
def test_nothing_is_tried_again(value):
    """None, no retries, and a mapping of nothing."""
    assert retry_policy(value) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, r"^retry got True; right is a number of retries, a tenacity.Retrying\(…\), or a mapping .* 3\}$"),
        (False, r"^retry got False; "),
        (2.5, r"^retry got 2.5; "),
        ("3", r"^retry got '3'; "),
        ([3], r"^retry got \[3\]; "),
        (ConnectionError, r"; right is a mapping that says how often: \{ConnectionError: 3\}$"),
        (
            tenacity.AsyncRetrying(),
            r"; calls block in threads: right is tenacity.Retrying\(…\) with the same arguments$",
        ),
        (
            stubborn,
            r"stubborn tries again by itself: right is retry=stubborn.retry, and stubborn.__wrapped__ to be called",
        ),
        (tenacity.retry(stop=tenacity.stop_never), r"; right is tenacity.Retrying\(stop=…, wait=…, retry=…\)$"),
        (tenacity.stop_after_attempt(3), r"; right is tenacity.Retrying\(stop=…, wait=…, retry=…\)$"),
        (tenacity.Retrying, r"; right is tenacity.Retrying\(stop=…, wait=…, retry=…\)$"),
        (Odd(), r"that can be copied, but copy\(\) of this Odd raises TypeError\(.*; right is a tenacity.Retrying, or"),
        ({429: True}, r"^retry\[429\] got True; "),
        ({429: None}, r"^retry\[429\] got None; "),
        ({429: {500: 3}}, r"^retry\[429\] got \{500: 3\}; "),
        (
            {"429": 3},
            r"^retry got a mapping with the key '429'; right is a subclass of Exception, such as TaskTimeout, an HTTP",
        ),
        ({True: 3}, r"with the key True; "),
        ({KeyboardInterrupt: 3}, r"with the key <class 'KeyboardInterrupt'>; right is a subclass of Exception, "),
        ({(): 3}, r"with the key \(\); "),
        ({(429, "x"): 3}, r"with the key \(429, 'x'\); "),
    ],
    ids=str,
)
def test_what_is_no_policy(value, message):
    """The error says what was given, and what would be right instead of it."""
    with pytest.raises(TypeError, match=message.replace("stubborn.", r"stubborn\.")):
        retry_policy(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, r"^retry must be at least 0 retries, not -1$"),
        ({429: -3}, r"^retry\[429\] must be at least 0 retries, not -3$"),
        ({42: 3}, r"^retry got a mapping with the key 42; right is an HTTP status from 100 to 599$"),
    ],
)
def test_numbers_that_are_wrong(value, message):
    """The error says which number, and what the bounds are."""
    with pytest.raises(ValueError, match=message):
        retry_policy(value)


@pytest.mark.parametrize(
    ("value", "text", "plain"),
    [
        (3, "<retry=3>", True),
        ({429: 10, (529, ConnectionError): 3}, "<retry={429: 10, (ConnectionError, 529): 3}>", True),
        (
            {KeyError: tenacity.Retrying(stop=tenacity.stop_after_attempt(3)), HTTPStatus.IM_A_TEAPOT: 1},
            f"<retry={{KeyError: {STOPPING}, 418: 1}}>",
            False,
        ),
        ({("transient", KeyError): 2}, '<retry={("transient", KeyError): 2}>', True),
        ({is_odd: 2}, "<retry={is_odd: 2}>", False),
    ],
)
def test_repr(value, text, plain):
    """It reads like what was given; code of the user's takes part if there is a policy of tenacity's."""
    policy = retry_policy(value)
    assert (repr(policy), policy.plain) == (text, plain)


def test_each_entry_counts_for_itself():
    """Three 429s and two broken connections, in any order; the next of either kind ends the call."""
    limited = refused(429)
    assert waits(retry_state({429: 3, ConnectionError: 2}), limited, FAILED, limited, FAILED, limited, limited) == [
        0.25, 0.25, 0.5, 0.5, 1, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "error", "again"),
    [
        ({("transient", JSONDecodeError): 1}, BROKEN, True),
        ({("transient", JSONDecodeError): 1}, FAILED, True),
        ({("transient", JSONDecodeError): 1}, refused(404), False),
        ({("transient", JSONDecodeError): 1}, ValueError(), False),
        ({JSONDecodeError: 0, "transient": 1}, FAILED, True),
        ({"transient": 1}, BROKEN, False),
        ({"transient": 1}, refused(429, x_should_retry="false"), False),
        ({is_odd: 1}, KeyError(3), True),
        ({is_odd: 1}, KeyError(4), False),
        ({("transient", is_odd): 1}, KeyError(3), True),
        ({is_odd: 1}, TaskCancelled(3), False),
        ({429: 1}, BROKE, False),
        ({ErrorAnswer: 1}, BROKE, True),
        ({429: 1}, refused(429), True),
        ({HTTPStatus.TOO_MANY_REQUESTS: 1}, refused(429), True),
        ({429: 1}, refused(500), False),
        ({429: 1}, FAILED, False),
        ({404: 1}, refused(404), True),
        ({(429, KeyError): 1}, KeyError(), True),
        ({(429, KeyError): 1}, refused(429), True),
        ({(ValueError, KeyError): 1}, UnicodeError(), True),
        ({ConnectionError: 0, Exception: 1}, FAILED, False),
        ({Exception: 1, ConnectionError: 0}, FAILED, True),
        ({ConnectionError: 1}, ConnectionResetError(), True),
        ({Exception: 1}, TaskCancelled(), False),
        ({429: 1}, refused(429, x_should_retry="false"), True),
    ],
)
def test_the_first_entry_that_matches_decides(value, error, again):
    """By class or status, whatever the error is worth elsewhere: its user has named it."""
    assert waits(retry_state(value), error) == [0.25 if again else None]


def test_a_policy_of_tenacitys_for_an_error():
    """It decides about its errors alone, counts from the first of them, and its `before` runs ahead of its retries."""
    seen = []
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_incrementing(1, 1),
        before=lambda state: seen.append(("before", state.attempt_number)),
        after=lambda state: seen.append(("after", state.attempt_number, state.seconds_since_start)),
        reraise=True,
    )
    attempts = retry_policy({KeyError: retrying, ConnectionError: 1}, half).new_state(10.0, print, (), {})
    wrong = KeyError()
    found = []
    for moment, error in enumerate([FAILED, wrong, wrong, wrong], start=11):
        assert attempts.begin(moment) is None
        found.append(attempts.decide(moment, False, error))
    assert found == [(0.25, False, FAILED), (1.0, False, wrong), (2.0, False, wrong), (None, False, wrong)]
    assert seen == [("after", 1, 2.0), ("before", 2), ("after", 2, 3.0), ("before", 3), ("after", 3, 4.0)]
    assert attempts.attempts == 4


def test_a_success_is_the_end_under_a_mapping():
    """Its entries are about errors; a policy that tries values again is not asked about them."""
    picky = tenacity.Retrying(retry=tenacity.retry_if_result(lambda value: True))
    attempts = retry_state({Exception: picky})
    attempts.begin(0.0)
    assert attempts.decide(0.0, True, "value") == (None, True, "value")


def test_what_the_user_changes_later():
    """A policy is what it was when it was given."""
    given = {ConnectionError: 1}
    policy = retry_policy(given, half)
    given[ConnectionError] = 5
    assert waits(policy.new_state(0.0, print, (), {}), FAILED, FAILED) == [0.25, None]


def test_numbers_cost_no_import_of_tenacity():
    """A program that has not imported tenacity does not get it imported by a number or a mapping."""
    code = (
        "import sys, threadfan; before = set(sys.modules);"
        "from threadfan._core.policies.retry import retry_policy; retry_policy(3); retry_policy({429: 3});"
        "assert retry_policy(3).new_state(0.0, print, (), {}).decide(0.0, False, ConnectionError())[0] is not None;"
        "print(sorted({'tenacity', 'typing', 'dataclasses', 'email', 'socket', 'ssl'} & set(sys.modules) - before))"
    )
    assert run_program(code)[0].strip() == "[]"
