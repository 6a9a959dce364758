"""``late="keep"`` for coroutines."""

import asyncio
import threading

import pytest

from support.controlled import PATIENCE
from threadfan import Fan


@pytest.mark.parametrize("kind", ["list", "generator", "async"])
async def test_coroutines_leave_the_late_ones_too(kind):
    """``arun`` has the same option, and the futures can be awaited."""
    hold = threading.Event()

    async def items():
        for item in range(3):
            yield item

    inputs = {"list": [0, 1, 2], "generator": iter([0, 1, 2]), "async": items()}[kind]
    async with Fan(1) as fan:
        report = await fan.arun(lambda item: hold.wait(PATIENCE) and item, inputs, deadline=0.1, late="keep")
        hold.set()
        late = [await asyncio.wrap_future(future) for future in report.late.values()]
    assert [outcome.status for outcome in report] == ["timed_out"] * 3
    assert late == [0, 1, 2]
