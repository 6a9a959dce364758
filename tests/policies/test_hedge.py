"""Hedge: the delay, the budget, and what both do to stragglers."""

import heapq
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadfan._core.policies.hedge import WINDOW, Hedge


def test_nothing_is_hedged_while_little_is_known():
    """Twenty durations make a percentile."""
    hedge = Hedge("p50")
    for _ in range(19):
        hedge.ended(1.0)
    assert hedge.delay() == math.inf
    hedge.ended(1.0)
    assert hedge.delay() == 2.0


@pytest.mark.parametrize(("tail", "delay"), [(1.5, 2.0), (3.0, 3.0), (20.0, 4.0)])
def test_a_percentile_is_kept_between_two_and_four_medians(tail, delay):
    """Ordinary calls are never hedged, and stragglers not only when they are over."""
    hedge = Hedge("p95")
    for number in range(100):
        hedge.ended(tail if number >= 90 else 1.0)
    assert hedge.delay() == delay


def test_seconds_are_seconds():
    """A given delay holds from the first call."""
    assert Hedge(2.5).delay() == 2.5


def test_old_durations_are_forgotten():
    """The percentile follows the last thousand; memory does not grow."""
    hedge = Hedge("p50")
    for duration in (1.0, 5.0):
        for _ in range(WINDOW):
            hedge.ended(duration)
    assert hedge.delay() == 10.0
    assert len(hedge._sorted) == len(hedge._recent) == WINDOW


@given(st.lists(st.booleans(), max_size=300), st.sampled_from([0.05, 0.1, 0.5, 1.0]))
def test_the_budget_is_kept_exactly(steps, budget):
    """At no moment are there more second attempts than the budget's part of the calls begun."""
    hedge = Hedge(1.0, budget)
    for begins in steps:
        if begins:
            hedge.began()
        else:
            room = hedge.extra + 1 <= budget * hedge.calls
            assert hedge.allow() == room
        assert hedge.extra <= budget * hedge.calls


@pytest.mark.parametrize("after", ["p0", "p100", "95", "px", "", 0, -1, math.inf, math.nan])
def test_a_wrong_delay_is_named(after):
    """The message says what would be right."""
    with pytest.raises(ValueError, match="after must be"):
        Hedge(after)


@pytest.mark.parametrize(("budget", "error"), [(0, ValueError), (1.1, ValueError), ("5%", TypeError)])
def test_a_wrong_budget_is_named(budget, error):
    """A part of the calls, from above 0 to 1."""
    with pytest.raises(error, match="budget must be"):
        Hedge(budget=budget)


def durations(hedge, seed, calls=1000, workers=20):
    """Calls of 0.8-1.2 s of which one in each twenty takes 20 times as long; a second attempt is as likely to."""
    chance = random.Random(seed)
    stragglers = {block * 20 + chance.randrange(20) for block in range(calls // 20)}
    running, taken, events, number = {}, [], [], 0

    def attempt(straggles):
        return chance.uniform(0.8, 1.2) * (20 if straggles else 1)

    def begin(now):
        nonlocal number
        running[number] = (now, now + attempt(number in stragglers))
        heapq.heappush(events, (running[number][1], number, "end"))
        hedge.began()
        if hedge.delay() < math.inf:
            heapq.heappush(events, (now + hedge.delay(), number, "hedge"))
        number += 1

    for _ in range(workers):
        begin(0.0)
    while events:
        now, call, what = heapq.heappop(events)
        if call not in running:
            continue
        began, end = running[call]
        if what == "hedge":
            if hedge.allow():
                second = min(end, now + attempt(chance.random() < 0.05))
                running[call] = (began, second)
                heapq.heappush(events, (second, call, "end"))
        elif now == end:
            del running[call]
            taken.append(end - began)
            hedge.ended(end - began)
            if number < calls:
                begin(now)
    return sorted(taken)


@pytest.mark.parametrize("seed", range(5))
def test_stragglers_are_cut_to_a_third(seed):
    """5 % of calls take 20 times as long: p99 falls at least to a third, with at most 5 % extra calls."""
    plain = durations(Hedge(1e9), seed)
    hedge = Hedge("p95", budget=0.05)
    hedged = durations(hedge, seed)
    assert hedged[989] <= plain[989] / 3
    assert hedge.extra <= 0.05 * 1000
