"""A limit that was cut comes back in the same time for who is let through seldom, as one of many or by a slow limit."""

import pytest

from threadfan import RateLimit


def spacing_after(limit, gap, seconds):
    """Seconds between two requests after refusals in a row, and then an answer each ``gap`` seconds for so long."""
    now, cost = 0.0, limit.cost()
    for _ in range(4):  # a probe is let in between, so the next refusal is one of the pace
        limit.overloaded(limit.take(now, cost), now, 1.0)
        now += 100.0
        limit.succeeded(limit.take(now, cost), now)
    end = now + seconds
    while now < end:
        now += gap
        limit.succeeded(limit.take(now, cost), now)
    return limit.bucket[0]


@pytest.mark.parametrize(
    ("limit", "gap"),
    [
        (lambda: RateLimit(6), 20.0),  # one machine's part of a limit that is divided by a thousand
        (lambda: RateLimit(6_000, shared="sqlite:////shared"), 10.0),  # one of a thousand that take turns
    ],
)
def test_a_slow_limit_comes_back(limit, gap):
    """Within ten minutes of work it is where it was, but for the margin."""
    given = limit().bucket[0]
    soon, late = spacing_after(limit(), gap, 2 * gap), spacing_after(limit(), gap, 600.0)
    assert soon > 1.2 * given
    assert late < 1.11 * given


def test_idle_time_is_no_work():
    """A limit that is hardly used says little of what its server takes: an idle hour brings nothing back."""
    assert spacing_after(RateLimit(6_000), 3_600.0, 3_600.0) > 1.2 * RateLimit(6_000).bucket[0]
