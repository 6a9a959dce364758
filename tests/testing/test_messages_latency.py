"""How long the server thinks."""

import itertools
from concurrent.futures import FIRST_COMPLETED, wait

import anthropic
import pytest

from threadfan.testing import Fixed, LogNormal
from threadfan.testing.options import Options


def test_series():
    """A seed fixes the series of delays, half of which are below the median and one in a hundred above p99."""
    delays = list(itertools.islice(LogNormal(median=0.3, p99=2.0, seed=1).delays(), 10_000))
    assert delays[:99] == list(itertools.islice(LogNormal(0.3, 2.0, seed=1).delays(), 99))
    assert delays[:99] != list(itertools.islice(LogNormal(0.3, 2.0, seed=2).delays(), 99))
    assert 4_800 < sum(delay < 0.3 for delay in delays) < 5_200
    assert 70 < sum(delay > 2.0 for delay in delays) < 130


@pytest.mark.parametrize("latency", [0.5, Fixed(0.5), LogNormal(0.3, 2.0, seed=7)])
def test_round_trip(latency):
    """The server's process gets the distribution that the user's process has checked."""
    options = Options(latency=latency)
    assert Options.from_json(options.to_json()).distribution() == options.distribution()


@pytest.mark.parametrize("latency", [3600.0, Fixed(3600), LogNormal(3600, 3600)])
def test_answers_wait(server, ask, pool, latency):
    """A request stays open for as long as the latency says, and is cut by a reset."""
    server.configure(latency=latency)
    call = pool.submit(ask, "hello")
    assert server.wait_for(open=1).statuses == {}
    server.reset()
    assert isinstance(call.exception(), anthropic.APIConnectionError)


def test_marker(server, ask, pool):
    """A delay in the prompt is this request's own and no part of the question."""
    server.configure(latency=3600)
    slow, quick = pool.submit(ask, "hello [delay:60]"), pool.submit(ask, "[delay:0.01] hello")
    done, _ = wait([slow, quick], return_when=FIRST_COMPLETED)
    assert done == {quick}
    server.reset()
    assert quick.result().content[0].text == ask.text("hello")


@pytest.mark.parametrize("arguments", [(0, 1), (2, 1), (1, float("inf"))])
def test_wrong_distribution(arguments):
    """A distribution that cannot be is refused with what could."""
    with pytest.raises(ValueError, match="right is 0 < median <= p99"):
        LogNormal(*arguments)
