"""What the demo's figures mean."""

import pytest

from threadfan.cli.figures import Answer, Call, Part, Result


def _part(seconds, calls, companies, failed=()):
    answers = [
        Answer(index, f"company {index}", None if index in failed else "fine", "broken" if index in failed else None)
        for index in range(companies)
    ]
    return Part(seconds, answers, [Call(0, "company 0", "research", one, 3, 4) for one in calls])


@pytest.mark.parametrize(
    ("companies", "workers", "rounds"), [(12, 12, 2), (12, 100, 2), (12, 11, 4), (12, 5, 6), (12, 1, 24), (1, 1, 2)]
)
def test_rounds(companies, workers, rounds):
    """A worker makes two calls for each company that it comes to."""
    assert Result(None, _part(1, [], companies), workers).rounds == rounds


def test_ideal():
    """The ideal is all rounds at the sequential part's median call, and reached is the share of it."""
    result = Result(_part(12, [1, 2, 30], 4), _part(5, [9], 4), 4)
    assert (result.call_seconds, result.ideal, result.reached, result.speed_up) == (2, 4, 0.8, 2.4)
    alone = Result(None, _part(20, [9], 4), 4)
    assert (alone.ideal, alone.reached, alone.speed_up) == (18, 0.9, None)


@pytest.mark.parametrize(("before", "after"), [([1], []), ([], [1])])
def test_failures(before, after):
    """A failure in either part leaves nothing to compare."""
    result = Result(_part(12, [1], 4, before), _part(5, [1], 4, after), 4)
    assert (result.ideal, result.reached, result.speed_up) == (None, None, None)
    assert result.complaint() == "1 of 4 companies failed: company 1 at broken"


def test_complaint():
    """A company that failed in both parts counts once."""
    result = Result(_part(12, [1], 4, [2, 3]), _part(5, [1], 4, [2]), 4)
    assert result.complaint() == "2 of 4 companies failed, first company 2 at broken"


def test_nothing_answered():
    """A part in which every call failed has figures nevertheless."""
    part = _part(1, [], 1, [0])
    assert (part.percentile(50), part.tokens) == (0, (0, 0))
