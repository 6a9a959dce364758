"""A batch run again in thought takes as long as it takes on the manual clock."""

import pytest

from support.simulated_batches import World
from threadfan import stage
from threadfan._core.base.index_ranges import written
from threadfan._core.batches.replay import UNCAPPED, makespan

TAKES = [1.0, 3.0, 0.5, 2.0, 2.0, 0.25, 4.0, 1.0, 0.5, 1.5]


@pytest.mark.parametrize(
    ("ways", "slots", "caps", "seconds"),
    [
        ([], 2, [UNCAPPED], 0),
        ([(0, [])], 2, [UNCAPPED], 0),
        ([(0, [1])] * 4, 2, [UNCAPPED], 2),
        ([(0, [1])] * 4, 8, [1], 4),
        ([(0, [1]), (5, [1])], 2, [UNCAPPED], 6),
        ([(0, [2, 1])] * 2, 2, [UNCAPPED] * 2, 3),
        ([(0, [2, 1])] * 2, 2, [UNCAPPED, 1], 4),
        ([(0, [2, 1]), (0, [2])], 1, [UNCAPPED] * 2, 5),
    ],
)
def test_how_long(ways, slots, caps, seconds):
    """By hand."""
    assert makespan(ways, slots, caps) == seconds


@pytest.mark.parametrize("slots", [1, 2, 3, 8])
def test_as_long_as_a_batch(slots):
    """Calls of different lengths, each taken when a slot is free."""
    with World(slots) as world:
        report = world.run(world.take, TAKES)
    assert makespan([(0, [seconds]) for seconds in TAKES], slots) == report.stats.wall


@pytest.mark.parametrize(("slots", "limit"), [(1, None), (2, 1), (3, None), (4, 2), (8, 1)])
def test_as_long_as_a_pipeline(slots, limit):
    """The latest stage goes first."""
    with World(slots) as world:

        def first(seconds):
            world.take(seconds)
            return seconds

        def second(seconds):
            world.take(4.5 - seconds)

        report = world.through(
            world.fan.pipeline(first, stage(second, max_concurrent=limit, buffer=len(TAKES))).run, TAKES
        )
    ways = [(0, [seconds, 4.5 - seconds]) for seconds in TAKES]
    assert makespan(ways, slots, [UNCAPPED, limit or UNCAPPED]) == report.stats.wall


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([], ""),
        ([3], "3"),
        ([3, 4], "3, 4"),
        ([0, 1, 2, 7], "0-2, 7"),
        (["legal", 1, 2, 3, "tech"], "legal, 1-3, tech"),
        ([0, 2, 4, 6, 8, 10, 11], "0, 2, 4, 6, 8, …"),
    ],
)
def test_calls_in_words(labels, text):
    """Names and numbers, as ranges where they follow each other; of many the first."""
    assert written(labels) == text
