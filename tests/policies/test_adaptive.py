"""Adaptive: rounds, cuts and memory by exact values; servers in virtual time."""

import math

import pytest

from support.virtual_servers import Bucket, Window, adapted
from threadfan._core.policies.adaptive import Adaptive


def test_it_doubles_with_each_round_of_successes():
    """Four at once, then eight, then sixteen, up to the ceiling, as long as all of them are in use."""
    adaptive = Adaptive(4, ceiling=10)
    for _ in range(4):
        adaptive.succeeded(1.0, 0.2, adaptive.limit)
    assert adaptive.limit == 8
    for _ in range(8):
        adaptive.succeeded(2.0, 0.2, adaptive.limit)
    assert adaptive.limit == 10
    assert list(adaptive.history)[:2] == [(1.0, 5), (1.0, 6)]


def test_what_is_not_in_use_does_not_grow():
    """Successes with room to spare say nothing about more."""
    adaptive = Adaptive(4)
    for _ in range(100):
        adaptive.succeeded(1.0, 0.2, 3)
    assert adaptive.limit == 4
    assert adaptive.wait(1.0) == 0.0
    assert adaptive.pace == math.inf


def test_one_cut_for_all_that_were_sent_before_it():
    """Refusals of requests that were under way at the cut, or come within the cool-down, do not cut again."""
    adaptive = Adaptive(8)
    for tenth in range(20):
        adaptive.succeeded(10 + tenth / 10, 0.2, 8)
    adaptive.overloaded(12.0, 0.1, 8)
    pace = adaptive.pace
    assert pace == pytest.approx(0.93 * 20 / 2.0)
    adaptive.overloaded(12.05, 0.1, 7)
    adaptive.overloaded(14.0, 2.5, 7)
    adaptive.overloaded(12.5, 0.1, 7)
    assert adaptive.pace == pace
    assert adaptive.wait(12.0) == pytest.approx(1 / pace)


def test_a_failure_says_nothing():
    """Errors that are no overload change nothing."""
    adaptive = Adaptive(8)
    adaptive.failed(1.0, 0.1, 8)
    assert (adaptive.limit, adaptive.pace, len(adaptive.history)) == (8, math.inf, 0)


def test_an_outage_does_not_nail_it_to_the_floor():
    """A server that refuses everything is not cut against without end: three times, then nothing until a success."""
    adaptive = Adaptive(8)
    for second in range(100):
        adaptive.overloaded(float(second), 0.1, 8)
    assert adaptive.pace >= 8 * 0.93**3 * 0.5**2


@pytest.mark.parametrize("arguments", [{"start": 0}, {"ceiling": 3}, {"floor": 5}, {"floor": 0}])
def test_wrong_bounds_are_named(arguments):
    """Needed: floor <= start <= ceiling, all at least 1."""
    with pytest.raises(ValueError, match="must be"):
        Adaptive(**arguments)


@pytest.mark.parametrize("server", [lambda rate: Bucket(rate, rate), Window], ids=["bucket", "window"])
@pytest.mark.parametrize(("rate", "call"), [(10, 0.2), (10, 0.1), (10, 1.0), (5, 0.2), (40, 0.5)])
def test_it_finds_the_limit(server, rate, call):
    """120 s after 20 s of warm-up: at least 90 % of what the server allows, at most 3 % refused."""
    result = adapted(Adaptive(), server(rate), call=call, spread=0.3)
    assert result.let_in >= 0.9 * 120 * rate
    assert result.refused <= 0.03 * (result.let_in + result.refused)


def test_it_recovers_from_a_lower_limit():
    """40 a second, 10 from 40 s to 80 s, then 40 again: from 110 s on at least 85 % of it are used."""

    def change(server, now):
        server.per_second = 10 if 40 < now < 80 else 40

    result = adapted(Adaptive(), Bucket(40, 10), warm=110.0, change=change)
    assert result.let_in >= 0.85 * 30 * 40
