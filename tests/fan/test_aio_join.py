"""`ajoin`: the same as `join`, asked in the event loop, which goes on meanwhile."""

import asyncio
import threading

import pytest

from support.controlled import PATIENCE
from support.losers import until_free
from threadfan import Fan, current_scope, task
from threadfan._core.batches.joiners import Collect, FirstSuccess, Joiner


class Racing:
    """Losers that run until they are cancelled, and something that comes when they all run."""

    def __init__(self, losers):
        self._meeting = threading.Barrier(losers + 1)

    def lose(self):
        """Block until nobody wants the result any more."""
        told = threading.Event()
        current_scope().on_cancel(told.set)
        self._meeting.wait(PATIENCE)
        assert told.wait(PATIENCE)
        current_scope().check()

    def after(self, value):
        """A value, as soon as all losers run."""
        self._meeting.wait(PATIENCE)
        return value


async def test_the_rest_is_cancelled():
    """What wins is returned in the loop, and the losers' threads come back."""
    race = Racing(2)
    async with Fan(3) as fan:
        won = await fan.ajoin(FirstSuccess(), race.lose, task(race.after, "won"), c=race.lose)
        assert (won.index, won.value) == (1, "won")
        await until_free(fan, 3)


async def test_the_policy_is_asked_in_the_loop():
    """No lock is needed there either, and the loop goes on while calls run."""
    loop, go = asyncio.get_running_loop(), threading.Event()

    class Here(Joiner):
        told = 0

        def joined(self, outcome):
            assert asyncio.get_running_loop() is loop
            self.told += 1
            return False

        def result(self, report):
            assert asyncio.get_running_loop() is loop
            return self.told, report.unwrap()

    async with Fan(2) as fan:
        joining = asyncio.ensure_future(fan.ajoin(Here(), task(go.wait, PATIENCE), task(abs, -1), b=task(abs, -2)))
        await asyncio.sleep(0)
        go.set()
        assert await joining == (3, [True, 1, 2])


async def test_cancelling_the_awaiting_task_cancels_all():
    """What runs is cancelled, what is queued dropped, and the error has the report."""
    race = Racing(2)
    async with Fan(2) as fan:
        joining = asyncio.ensure_future(fan.ajoin(Collect(), race.lose, race.lose, lambda: 3))
        await asyncio.to_thread(race.after, None)
        joining.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await joining
        assert [outcome.status for outcome in caught.value.report] == ["cancelled"] * 3
        await until_free(fan, 2)


async def test_a_timeout_of_asyncio_cancels_all():
    """`asyncio.timeout` around it is a deadline for the whole."""
    race = Racing(2)
    async with Fan(2) as fan:
        joining = asyncio.ensure_future(fan.ajoin(Collect(), race.lose, race.lose))
        await asyncio.to_thread(race.after, None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await joining
        await until_free(fan, 2)


async def test_what_a_policy_raises_cancels_the_rest():
    """It comes out as it is, with the report."""
    race = Racing(1)

    class Broken(Joiner):
        def joined(self, outcome):
            raise ZeroDivisionError

    async with Fan(2) as fan:
        with pytest.raises(ZeroDivisionError) as caught:
            await fan.ajoin(Broken(), race.lose, task(race.after, 1))
        assert [outcome.status for outcome in caught.value.report] == ["cancelled", "succeeded"]
        await until_free(fan, 2)


async def test_arguments():
    """Nothing to join is no error, and what is no policy is one."""
    async with Fan(1) as fan:
        assert len(await fan.ajoin(Collect())) == 0
        with pytest.raises(TypeError, match=r"fan\.ajoin needs a policy first"):
            await fan.ajoin(abs, task(int))
        with pytest.raises(ValueError, match="1 successes need"):
            await fan.ajoin(FirstSuccess())
