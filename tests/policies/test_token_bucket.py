"""TokenBucket: GCRA by exact values, and its invariant."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadfan._core.policies.token_bucket import LATE, TokenBucket


def test_gaps_count_from_the_start_of_the_last():
    """With a capacity of 1, each start is a whole interval after the one before, however late that was."""
    pace = TokenBucket(600)
    assert pace.wait(5.0) == 0.0
    pace.take(5.0)
    assert pace.wait(5.0) == pytest.approx(0.1)
    pace.take(5.2)
    assert pace.wait(5.2) == pytest.approx(0.1)


def test_the_lateness_of_a_wake_up_does_not_add_up():
    """One per cent of an interval late is made up for in the next gap."""
    pace = TokenBucket(600)
    pace.take(5.0)
    pace.take(5.1 + LATE * 0.1 / 2)
    assert pace.wait(5.2) == 0.0


def test_at_a_high_rate_lateness_is_made_up_for_bit_by_bit():
    """Who is late by half an interval is so in one gap; those that follow are shorter until the mean is right."""
    pace, now, starts = TokenBucket(60_000, apart=True), 5.0, []
    for number in range(100):
        now += pace.wait(now) + (0.0005 if number == 10 else 0.0)
        assert pace.try_take(now) is not None
        starts.append(now)
    gaps = [after - before for before, after in pairwise(starts)]
    assert gaps[9] == pytest.approx(0.0015)
    assert min(gaps) == pytest.approx(0.001 * (1 - LATE))
    assert starts[-1] - starts[0] == pytest.approx(0.099)


@given(st.sampled_from([60.0, 6_000.0, 60_000.0, 600_000.0]), st.lists(st.floats(0, 3), min_size=2, max_size=60))
def test_two_starts_are_never_closer_than_a_strict_server_lets_them(per_minute, late):
    """However late some were: of the margin of a limit without bursts something is always left."""
    pace, now, before = TokenBucket(per_minute, apart=True), 5.0, None
    for part in late:
        wait = pace.wait(now)
        if wait > 0:
            assert pace.try_take(now) is None
        now += wait + part * 60 / per_minute
        assert pace.try_take(now) is not None
        if before is not None:
            assert now - before >= 60 / per_minute * (1 - LATE) - 1e-9
        before = now


def test_what_is_put_back_holds_up_nobody():
    """A start that was none is none to keep away from; one that others followed is."""
    pace = TokenBucket(60_000, apart=True)
    pace.take(5.0)
    pace.put_back(1.0, 5.0)
    assert pace.wait(5.0) == 0.0
    pace.take(5.0)
    pace.take(5.001)
    pace.put_back(1.0, 5.0)
    assert pace.wait(5.001) == pytest.approx(0.001 * (1 - LATE))


def test_a_burst_then_the_pace():
    """A capacity of 3 lets three start at once; the next waits an interval and the slack."""
    pace = TokenBucket(60, capacity=3, slack=0.25)
    for _ in range(3):
        assert pace.wait(10.0) == 0.0 or pace.wait(10.25) == 0.0
        pace.take(10.0)
    assert pace.wait(10.0) == pytest.approx(1.25)
    assert pace.level(12.0) == pytest.approx(2.0)


def test_what_is_larger_than_the_bucket_goes_when_it_is_full():
    """A cost beyond the capacity is let out, and paid for by those after it."""
    pace = TokenBucket(6000, capacity=100)  # 100 a second
    assert pace.wait(1.0, 500) == 0.0
    pace.take(1.0, 500)
    assert pace.wait(1.0, 100) == pytest.approx(5.0)
    pace.correct(-200)
    assert pace.wait(1.0, 100) == pytest.approx(3.0)


def test_another_pace_keeps_what_is_lacking():
    """Slowed to half in the middle of a gap, the other half of the gap takes twice as long."""
    pace = TokenBucket(60)
    pace.take(0.0)
    pace.tune(0.5, 60, 2.0)
    assert pace.wait(0.5) == pytest.approx(1.0)
    pace.tune(0.5, 120, 1.0)
    assert pace.wait(0.5) == pytest.approx(0.25)


def test_a_smaller_bucket_of_the_server_is_believed_once():
    """What the server has less is taken away here too, but not again for requests sent before that."""
    pace = TokenBucket(60, capacity=10)
    pace.take(0.0)
    pace.match(level=9, remaining=4, taken_at=0.0, now=0.5)
    assert pace.level(0.5) == pytest.approx(4.5)
    pace.match(level=9, remaining=4, taken_at=0.0, now=0.5)
    assert pace.level(0.5) == pytest.approx(4.5)


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 5)), min_size=1, max_size=60),
)
def test_no_span_holds_more_than_its_bucket(capacity, arrivals):
    """Over any span, what was used is at most the capacity and what came in meanwhile, and late starts."""
    pace, now, used = TokenBucket(60, capacity), 0.0, []
    for pause, cost in arrivals:
        now += pause
        now += pace.wait(now, min(cost, capacity))
        pace.take(now, min(cost, capacity))
        used.append((now, min(cost, capacity)))
    for first in range(len(used)):
        for last in range(first, len(used)):
            total = sum(cost for _, cost in used[first : last + 1])
            assert total <= capacity + used[last][0] - used[first][0] + LATE * len(used) + 1e-6
