"""Retries by number: how many, after what waits, of which errors."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.refusals import FAILED, half, refused, retry_state, waits
from threadfan import CallCancelled, TaskCancelled
from threadfan._core.policies.retry import retry_policy
from threadfan._core.policies.retry_state import BASE, CAP, backoff, not_before


def test_waits_double_up_to_the_cap():
    """Half of 0.5 s, 1 s, 2 s, … and of 30 s from the seventh on, when the draw is a half."""
    assert waits(retry_state(9), *[FAILED] * 10) == [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15, None]


def test_the_draw_can_be_seeded():
    """The waits of a call are those that the generator draws, and the same again with the same seed."""
    drawn = random.Random(7)
    assert waits(retry_state(3, random.Random(7).random), *[FAILED] * 3) == [
        drawn.random() * limit for limit in (0.5, 1, 2)
    ]


@given(st.integers(0, 10**9), st.floats(0, 1))
def test_backoff_is_bounded(retries, point):
    """However many retries there were, a wait is between nothing and the cap."""
    assert 0 <= backoff(retries, lambda: point) <= CAP


@given(st.none() | st.floats(0, 3600), st.floats(0, 1))
def test_what_is_asked_for_is_kept(asked, point):
    """At least as long as the answer asks, and at most a tenth or half a second longer."""
    least = not_before(asked, lambda: point)
    assert (asked or 0) <= least <= (0 if asked is None else asked + max(BASE, asked / 10) + 1e-9)


def test_the_answers_retry_after_is_the_least_wait():
    """Three seconds asked for, and a quarter of a second above; a backoff that is longer stays."""
    limited = refused(429, retry_after="3")
    assert waits(retry_state(6), limited, limited) == [3.25, 3.25]
    assert waits(retry_state(6), *[FAILED] * 4, limited) == [0.25, 0.5, 1, 2, 4]


def test_a_short_time_that_is_named_is_meant():
    """Six thousandths: a backoff of seconds is for those that name none."""
    limited = refused(429, retry_after_ms="6")
    assert waits(retry_state(4), *[limited] * 4) == pytest.approx([0.009, 0.012, 0.024, 0.048])


def test_a_date_to_come_back_at():
    """It counts from the moment that the caller says it is."""
    limited = refused(503, retry_after="Sun, 09 Sep 2001 01:46:45 GMT")
    attempts = retry_state(1)
    assert attempts.decide(0.0, False, limited, wall=1_000_000_000.0) == (5.25, False, limited)


@pytest.mark.parametrize("error", [ValueError(), refused(404), CallCancelled(), TaskCancelled(), KeyboardInterrupt()])
def test_what_is_not_worth_it(error):
    """The first attempt is the last, and its error the call's."""
    assert waits(retry_state(5), error) == [None]


def test_a_success_ends_the_call():
    """With its value, after however many attempts."""
    attempts = retry_state(5)
    waits(attempts, FAILED, FAILED)
    attempts.begin(0.0)
    assert attempts.decide(0.0, True, "value") == (None, True, "value")
    assert attempts.attempts == 3


def test_an_overload_that_does_not_count():
    """The attempt is repeated at once as often as it takes; the retries are all left for what does count."""
    attempts, limited = retry_state(1), refused(429, retry_after="3")
    for _ in range(20):
        attempts.begin(0.0)
        assert attempts.decide(0.0, False, limited, counted=False) == (0.0, False, limited)
    assert waits(attempts, FAILED, FAILED) == [0.25, None]
    assert attempts.attempts == 22


def test_an_overload_that_is_not_worth_it():
    """A provider that says not to come back is believed, whoever sees to the limit."""
    limited = refused(429, x_should_retry="false")
    assert retry_state(5).decide(0.0, False, limited, counted=False) == (None, False, limited)


def test_calls_under_one_policy_are_apart():
    """Calls that share a policy each have their own count."""
    policy = retry_policy(1, half)
    assert [waits(policy.new_state(0.0, print, (), {}), FAILED, FAILED) for _ in range(3)] == [[0.25, None]] * 3
    assert policy.plain
