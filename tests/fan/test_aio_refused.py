"""The asyncio side where the system gives no thread."""

import asyncio
import threading

import pytest

from support.controlled import PATIENCE
from threadfan import Fan, TaskTimeout
from threadfan._core.base import clock as clocks
from threadfan.testing import refused_threads


@pytest.fixture(autouse=True)
def _nothing_is_left_to_do():
    yield
    while clocks.chores:
        clocks.do_chores()


@pytest.mark.parametrize("times", [2, float("inf")])
def test_timeouts_are_kept_by_the_loop(times):
    """Without a deadline timer's thread the loop itself ends calls and batches that hang."""
    go = threading.Event()

    async def main():
        async with Fan(2, timeout=0.05) as fan:
            with pytest.raises(TaskTimeout):
                await asyncio.wait_for(fan.call(go.wait, PATIENCE), PATIENCE)
            report = await asyncio.wait_for(fan.arun(lambda _: go.wait(PATIENCE), [1]), PATIENCE)
            go.set()
            while fan.snapshot()["abandoned"]:
                await asyncio.sleep(0.01)
        return report

    with refused_threads("threadfan-alarms", times=times):
        (outcome,) = asyncio.run(main())
    assert isinstance(outcome.error, TaskTimeout)


def test_closing_waits_until_there_is_a_thread_for_it():
    """The thread that waits for the fan's is tried again."""

    async def main():
        async with Fan(2) as fan:
            return await fan.call(abs, -1)

    with refused_threads("-closer", times=2) as refused:
        assert asyncio.run(main()) == 1
    assert len(refused) == 2
