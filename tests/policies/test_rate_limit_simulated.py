"""RateLimit before strict servers, in virtual time: how much of the limit is used, and how much is refused."""

import pytest

from support.virtual_servers import Bucket, Window, paced
from threadfan._core.policies.rate_limit import RateLimit


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("server", "burst", "allowed"),
    [(lambda: Bucket(10, 1), 1, 151), (lambda: Bucket(10, 10), 10, 160), (lambda: Window(10), 1, 150)],
    ids=["burst 1", "bucket 10", "window"],
)
def test_the_limit_is_used_and_not_exceeded(server, burst, allowed, seed):
    """600 a minute, 20 workers, calls of 0.2 s, 15 s: at least 97 % of what the server allows, and no refusal."""
    result = paced(RateLimit(600, burst=burst), server(), seed, seconds=15, jitter=0.0002)
    assert result.let_in >= 0.97 * allowed
    assert result.refused == 0


def halved(result):
    """Whether the server has halved its limit by now."""
    return result.let_in >= 5000


def halve(server, result):
    """Half of the limit from the middle on, without a word."""
    server.per_second = 25 if halved(result) else 50


def halve_and_say_so(server, result):
    """Half of the limit from the middle on, as the headers say."""
    halve(server, result)
    return {"anthropic-ratelimit-requests-limit": "1500" if halved(result) else "3000"}


@pytest.mark.parametrize("change", [halve, halve_and_say_so])
@pytest.mark.parametrize(
    ("server", "burst"),
    [(lambda: Bucket(50, 10), 1), (lambda: Bucket(50, 10), 10), (lambda: Bucket(50, 50), 50), (lambda: Window(50), 1)],
    ids=["bucket 10", "bucket 10, all of it used", "bucket 50", "window"],
)
def test_a_limit_that_is_halved_is_followed(server, burst, change):
    """10,000 items at 3000 a minute, half of it from the middle on: within 15 % of the best possible, few refusals."""
    result = paced(RateLimit(3000, burst=burst), server(), items=10_000, workers=32, change=change)
    assert result.let_in == 10_000
    assert result.now <= 1.15 * (5000 / 50 + 5000 / 25)
    assert result.refused <= 50
