"""Runs in which threads are held where others may come between: each way of calling ends as it should."""

import asyncio

import pytest

from support.controlled import PATIENCE, aside
from support.delays import PLACES, held_at
from threadfan import Fan, RateLimit, task

WAYS = {
    "run": lambda fan: fan.run(abs, range(12)).unwrap(),
    "stream": lambda fan: [outcome.unwrap() for outcome in fan.stream(abs, range(12), ordered=True)],
    "submit": lambda fan: [future.result(PATIENCE) for future in [fan.submit(abs, item) for item in range(12)]],
    "gather": lambda fan: fan.gather(*(task(abs, item) for item in range(12))).unwrap(),
    "arun": lambda fan: asyncio.run(fan.arun(abs, range(12))).unwrap(),
    "pipeline": lambda fan: fan.pipeline(abs, abs).run(range(12)).unwrap(),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", WAYS)
def test_threads_that_are_held(place, way):
    """Two fans share a limit, so that each refuses the other's calls; every call has its value."""
    limit = RateLimit(60_000)
    with held_at(place), Fan(2, rate=limit, timeout=60) as one, Fan(2, rate=limit) as other:
        running = [aside(WAYS[way], fan) for fan in (one, other, one)]
        assert [future.result(PATIENCE) for future in running] == [list(range(12))] * 3


def test_a_place_that_there_is_not():
    """It is named, and so are those that there are."""
    with pytest.raises(ValueError, match="'nowhere'; right are leaving, "), held_at("nowhere"):
        pass
