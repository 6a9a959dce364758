"""RateLimit: what it promises to those who wait, by exact values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadfan import Usage
from threadfan._core.policies.cost import Cost
from threadfan._core.policies.rate_limit import BURST_MARGIN, SINGLE_MARGIN, RateLimit

INTERVAL = 0.1 * (1 + SINGLE_MARGIN)


def test_requests_are_spaced():
    """600 a minute: one, then the next an interval and the margin later; a reservation given back is free again."""
    limit = RateLimit(600)
    cost = limit.cost()
    permit = limit.take(1.0, cost)
    assert limit.wait(1.0, cost) == pytest.approx(INTERVAL)
    limit.give_back(permit, 1.0)
    assert limit.wait(1.0, cost) == 0.0
    assert limit.in_flight == 0


def test_without_a_number_nothing_waits_until_an_overload():
    """A bare limit is a shared pause."""
    limit = RateLimit()
    permits = [limit.take(1.0, limit.cost()) for _ in range(100)]
    assert limit.wait(1.0, limit.cost()) == 0.0
    limit.overloaded(permits[0], 1.0, retry_after=5.0)
    assert limit.wait(1.0, limit.cost()) == 5.0
    assert (limit.in_flight, limit.overloads) == (99, 1)


def test_tokens_are_reserved_and_corrected():
    """60,000 a minute are 1000 a second: the estimate is reserved, the true usage counts, cache reads do not."""
    limit = RateLimit(input_tokens_per_minute=60_000, burst=2, estimate=lambda prompt: (len(prompt), 0))
    limit._feedback.margin = limit._feedback._least = 0.0
    limit.buckets.tune(0.0)
    cost = limit.cost(("x" * 1000,), {})
    assert cost.input == 1000
    permit = limit.take(0.0, cost)
    assert limit.wait(0.0, cost) == pytest.approx(1.0)
    limit.succeeded(permit, 0.0, Usage(300, 50, 200, 10_000))
    assert limit.wait(0.0, cost) == pytest.approx(0.5)


def test_costs_are_guessed_from_what_was_used():
    """First a second's worth of each limit, then the mean of what was seen."""
    limit = RateLimit(input_tokens_per_minute=60_000, output_tokens_per_minute=6_000)
    first = limit.cost()
    assert (first.input, first.output) == (1000, 100)
    for tokens in (100, 300):
        limit.succeeded(limit.take(0.0, limit.cost()), 0.0, Usage(tokens, 10))
    assert (limit.cost().input, limit.cost().output) == (200, 10)


def test_a_refused_request_has_used_no_tokens():
    """Its reservation comes back, while the bucket counts as empty: the next goes when its tokens have come in."""
    limit = RateLimit(input_tokens_per_minute=60_000)
    permit = limit.take(0.0, Cost(5000, 0))
    limit.overloaded(permit, 0.0, retry_after=0.0)
    assert limit.wait(0.0, Cost(1000, 0)) == pytest.approx(1.0, rel=0.05)


def test_single_refusals_widen_the_margin_and_repeated_ones_cut_the_pace():
    """The first one costs two percent; when the next come at once, the pace falls to 70 % each time, and comes back."""
    limit, now, stretches = RateLimit(600), 0.0, []
    for _ in range(3):
        now += limit.wait(now, limit.cost())
        limit.overloaded(limit.take(now, limit.cost()), now, retry_after=0.0)
        now += limit.wait(now, limit.cost())
        limit.succeeded(limit.take(now, limit.cost()), now)
        stretches.append(limit._feedback.share)
    assert stretches[0] == 1.0
    assert stretches[1:] == [pytest.approx(0.7, rel=0.03), pytest.approx(0.49, rel=0.03)]
    for _ in range(2000):
        now += limit.wait(now, limit.cost())
        limit.succeeded(limit.take(now, limit.cost()), now)
    assert limit._feedback.share == 1.0


def test_a_refusal_that_may_be_an_exception_leaves_the_pace_alone():
    """One 529 in thirty requests says nothing about the limit, which is used to the full in spite of the pauses."""
    limit, now = RateLimit(6000, burst=10), 0.0
    for number in range(1, 301):
        now += limit.wait(now, limit.cost())
        permit = limit.take(now, limit.cost())
        limit.overloaded(permit, now) if number % 30 == 0 else limit.succeeded(permit, now)
    assert limit.overloads == 10
    assert (limit._feedback.share, limit._feedback.margin) == (1.0, BURST_MARGIN)
    assert now <= 1.1 * 300 / 100


def test_headers_lower_the_pace_but_never_raise_it():
    """The provider's limit counts if it is lower than the configured one, and back up to that."""
    limit, now = RateLimit(600), 0.0
    for said, interval in (("300", 2 * INTERVAL), ("6000", INTERVAL)):
        now += 1.0
        headers = {"Anthropic-RateLimit-Requests-Limit": said}
        limit.succeeded(limit.take(now, limit.cost()), now, headers=headers)
        assert limit.wait(now, limit.cost()) == pytest.approx(interval)


def test_headers_are_the_pace_if_nothing_is_configured():
    """What the provider says is followed for every unit it names."""
    limit = RateLimit()
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-limit-tokens": "6000"}
    limit.succeeded(limit.take(0.0, limit.cost()), 0.0, headers=headers)
    limit.take(0.0, Cost(0, 0))
    assert limit.wait(0.0, Cost(0, 0)) == pytest.approx(1 + SINGLE_MARGIN)
    assert "60 requests/min, 6000 tokens/min" in repr(limit)


def test_nothing_remaining_holds_until_the_reset_if_no_pace_is_known():
    """With nothing but a reset to go by, all wait for it."""
    limit = RateLimit()
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}
    limit.succeeded(limit.take(0.0, limit.cost()), 0.0, headers=headers)
    assert limit.wait(0.0, limit.cost()) == 90.0


def test_a_server_with_less_left_is_believed():
    """Ten at once are allowed, but the server has only two left: the third waits."""
    limit = RateLimit(60, burst=10)
    headers = {"anthropic-ratelimit-requests-remaining": "2"}
    limit.succeeded(limit.take(0.0, limit.cost()), 0.0, headers=headers)
    for _ in range(2):
        assert limit.wait(0.6, limit.cost()) == 0.0
        limit.take(0.6, limit.cost())
    assert limit.wait(0.6, limit.cost()) > 0.5


def test_its_state_can_be_read():
    """The repr says limits, state and figures."""
    limit = RateLimit(600, name="haiku")
    limit.overloaded(limit.take(0.0, limit.cost()), 0.0)
    assert repr(limit) == (
        "<RateLimit 'haiku': 600 requests/min, burst 1; paused, 0 probes refused at 95.7 %, 0 in flight, 1 pauses>"
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"requests_per_minute": 0}, ValueError, "requests_per_minute must be greater than 0 and finite.*not 0"),
        ({"requests_per_minute": math.nan}, ValueError, "requests_per_minute must be greater"),
        ({"input_tokens_per_minute": "50"}, TypeError, "input_tokens_per_minute must be a number per minute"),
        ({"burst": 0}, ValueError, "burst must be at least 1, not 0"),
        ({"burst": 1.5}, TypeError, "burst must be a whole number, not 1.5"),
        ({"estimate": 100}, TypeError, "estimate must be a function"),
        ({"shared": "mysql://x"}, ValueError, 'shared must be "sqlite:///path"'),
        ({"shared": 5}, TypeError, "shared must be"),
        ({"shared": "http://me:pw/1@h"}, ValueError, r"shared must be .*, not 'http://\*\*\*@h'"),
        ({"shared": "redis:/me:pw@h"}, ValueError, r"shared must be .*, not '\*\*\*@h'"),
        ({"name": 5}, TypeError, "name must be a string or None, not 5"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    """Each message names the argument, shows the value and says what would be right."""
    with pytest.raises(error, match=message):
        RateLimit(**arguments)


@pytest.mark.parametrize("answer", [5, (1,), ("a", 2), (-1, 2), (math.inf, 0), None])
def test_a_wrong_estimate_is_named(answer):
    """Anything but two numbers of tokens is the user's mistake."""
    with pytest.raises(ValueError, match="estimate answered"):
        RateLimit(600, estimate=lambda: answer).cost()


ENDS = ("give_back", "failed", "succeeded", "overloaded")


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from((*ENDS, "take")), st.integers(0, 9)), max_size=80))
def test_it_never_gets_stuck(steps):
    """Whatever ends how and when: all ended, somebody may start within the longest wait, and none is in flight."""
    limit, now, permits = RateLimit(600, burst=3), 0.0, []
    for pause, what, which in steps:
        now += pause
        if what == "take" and limit.wait(now, limit.cost()) == 0.0:
            permits.append(limit.take(now, limit.cost()))
        elif what != "take" and permits:
            getattr(limit, what)(permits.pop(which % len(permits)), now)
        assert limit.wait(now, limit.cost()) < 200
    for permit in permits:
        limit.failed(permit, now)
    now += limit.wait(now, limit.cost())
    now += limit.wait(now, limit.cost())
    assert limit.wait(now, limit.cost()) == 0.0
    assert limit.in_flight == 0


def test_requests_leave_with_the_distance_that_the_limit_asks_for():
    """Without a burst each gap counts from the moment at which the request before was written."""
    limit = RateLimit(600)
    assert limit.departs(0.0) == 0.0
    gap = 0.1 * limit._feedback.stretch
    assert limit.leaves(0.0) == 0.0
    limit.left(0.25)  # the first took long to be written
    assert limit.departs(0.25) == 0.0
    assert limit.leaves(0.25) == pytest.approx(gap)
    assert limit.leaves(0.25 + gap) == 0.0
    assert limit.leaves(0.25 + gap) == pytest.approx(gap)


def test_requests_that_are_ready_at_once_leave_one_after_another():
    """However many have a permit by then, and however long they took to come to it."""
    limit = RateLimit(600)
    waits = [limit.departs(5.0) for _ in range(4)]
    gap = 0.1 * limit._feedback.stretch
    assert waits == pytest.approx([0.0, gap, 2 * gap, 3 * gap], rel=0.05)


def test_a_burst_leaves_as_it_is_ready():
    """A server with a bucket takes up what varies on the way."""
    limit = RateLimit(600, burst=4)
    assert [limit.leaves(0.0), limit.leaves(0.0)] == [0.0, 0.0]
    assert [limit.departs(0.0) for _ in range(4)] == [0.0] * 4
    assert limit.departs(0.0) > 0.05


def test_without_a_number_nothing_waits_to_leave():
    """There is no pace to keep."""
    limit = RateLimit()
    assert (limit.departs(0.0), limit.leaves(0.0)) == (0.0, 0.0)


def test_a_limit_of_tokens_that_nothing_tells_of_holds_nothing_back():
    """The guess before the first answer is given back when that says nothing; once it is told, it counts."""
    limit = RateLimit(input_tokens_per_minute=60)
    first = limit.take(0.0, limit.cost())
    assert (first.cost.input, limit.wait(0.0, limit.cost())) == (1.0, 1.025)
    limit.succeeded(first, 0.1)
    assert limit.untold
    for _ in range(1000):
        assert limit.wait(0.1, limit.cost()) == 0.0
        limit.succeeded(limit.take(0.1, limit.cost()), 0.1)
    limit.succeeded(limit.take(0.1, limit.cost()), 0.1, Usage(30))
    assert not limit.untold
    assert limit.wait(0.1, limit.cost()) > 25


def test_calls_that_fail_before_any_answer_are_not_held_back_by_a_guess():
    """Each has the guess for itself and gives it back; what failed tells nothing, so the next one is guessed again."""
    limit = RateLimit(input_tokens_per_minute=60)
    for _ in range(1000):
        assert limit.wait(0.0, limit.cost()) == 0.0
        first = limit.take(0.0, limit.cost())
        assert limit.wait(0.0, limit.cost()) > 1.0  # of two at once, the second waits
        limit.failed(first, 0.0)
    assert not limit.untold


def test_calls_that_fail_count_as_estimated_or_as_those_that_told():
    """They may have used tokens, and how many is known well enough."""
    for limit in (
        RateLimit(input_tokens_per_minute=60, estimate=lambda: (5, 0)),
        RateLimit(input_tokens_per_minute=60),
    ):
        limit.succeeded(limit.take(0.0, limit.cost()), 0.0, Usage(5))
        limit.failed(limit.take(100.0, limit.cost()), 100.0)
        assert limit.wait(100.0, limit.cost()) > 4


@pytest.mark.parametrize("told", [{"estimate": lambda: (5, 0)}, {}])
def test_a_request_that_tells_nothing_among_others(told):
    """An estimate, or the mean of those that did tell, goes on to count for it."""
    limit = RateLimit(input_tokens_per_minute=60, **told)
    limit.succeeded(limit.take(0.0, limit.cost()), 0.0, Usage(5))
    limit.succeeded(limit.take(100.0, limit.cost()), 100.0)
    assert not limit.untold
    assert limit.wait(100.0, limit.cost()) > 0


def test_a_refusal_that_was_none_of_too_many_requests_is_lifted():
    """For want of money: requests go on at once, as there is nothing to wait for."""
    limit = RateLimit(600_000)
    limit.overloaded(limit.take(0.0, limit.cost()), 0.0, 30.0)
    assert (limit.wait(0.0, limit.cost()), limit.paused_for(10.0)) == (30.0, 20.0)
    limit.lift(0.0)
    assert limit.wait(0.1, limit.cost()) == 0.0
    assert limit.paused_for(0.1) == 0.0
