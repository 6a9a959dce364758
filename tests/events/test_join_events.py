"""A join is told as one batch, whichever way it ends."""

import asyncio

import pytest

from threadfan import Fan, task
from threadfan._core.batches.joiners import AllSucceed, Collect, FirstSuccess


def test_joins_are_batches(events):
    """One event each, with what became of its calls."""
    with Fan(1) as fan:
        fan.join(Collect(), task(int, "1"), task(int, "x"))
        asyncio.run(fan.ajoin(FirstSuccess(), task(int, "1")))
    told = events.named("batch_finished")
    assert [event["function"] for event in told] == ["join", "join"]
    assert [(event.get("succeeded"), event.get("failed")) for event in told] == [(1, 1), (1, None)]


def test_a_join_that_fails_is_told_once(events):
    """An error of the policy's ends a batch like any other."""
    with Fan(1) as fan, pytest.raises(ValueError, match="invalid literal"):
        fan.join(AllSucceed(), task(int, "x"))
    assert len(events.named("batch_finished")) == 1
