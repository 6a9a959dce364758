"""The async twins take coroutine functions too: they run in the loop, and those not needed are cancelled there."""

import asyncio
import operator

import pytest

from support.losers import until_free
from threadfan import Fan, task
from threadfan.patterns import GuardFailed, afan_out, aguard, amap_reduce, arace, avote


class Others:
    """Coroutines that only end when they are cancelled."""

    def __init__(self, count):
        self._running = asyncio.Barrier(count + 1)
        self.cancelled = 0

    async def lose(self):
        """Run until nobody wants it any more."""
        try:
            await self._running.wait()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def after(self, value):
        """A value, as soon as all others run."""
        await self._running.wait()
        return value


async def test_a_race_of_coroutines():
    """The losers are cancelled; a blocking function may race with them."""
    others = Others(2)
    async with Fan(4) as fan:
        won = await arace(fan, others.lose, task(others.after, "won"), others.lose)
        assert (won.index, won.value) == (1, "won")
        assert (await arace(fan, task(int, "x"), b=task(int, "3"))).value == 3
        await until_free(fan, 4)
    assert others.cancelled == 2


async def test_voters_that_are_coroutines():
    """Two of three agree, and the third is cancelled."""
    others = Others(1)
    answered = asyncio.Event()

    async def agree():
        await answered.wait()
        return "yes"

    async def first():
        value = await others.after("yes")
        answered.set()
        return value

    async with Fan(3) as fan:
        result = await avote(fan, first, agree, others.lose)
        await until_free(fan, 3)
    assert (result.winner, result.votes, others.cancelled) == ("yes", 2, 1)


async def test_a_guard_of_coroutines():
    """A check that does not pass cancels the work."""
    others = Others(1)
    async with Fan(2) as fan:
        with pytest.raises(GuardFailed, match="after did not let the output pass: it returned False"):
            await aguard(fan, others.lose, task(others.after, False))
        await until_free(fan, 2)
    assert others.cancelled == 1


async def test_spreading_with_coroutines():
    """Each step may be one."""

    async def parts(job):
        return job.split()

    async def upper(part):
        return part.upper()

    async def told(report):
        return "+".join(report.unwrap())

    async with Fan(2) as fan:
        assert (await afan_out(fan, "a b", decompose=parts, work=upper, synthesise=told)).value == "A+B"
        assert (await amap_reduce(fan, upper, ["a", "b"], reduce=operator.add)).value == "AB"
