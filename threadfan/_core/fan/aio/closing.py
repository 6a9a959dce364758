"""Closing a fan without blocking the loop."""

from __future__ import annotations

import asyncio

from ...base import clock as clocks
from ...base.threads import helper_thread, started
from ...pool import shutdown as lifecycle
from .loops import LoopGate, running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...pool.scheduler import Scheduler


async def join(scheduler: Scheduler, timeout: float | None) -> None:
    """Wait for a closed scheduler's threads in a helper thread, so that the loop goes on.

    Args:
        timeout: what ``shutdown`` was given for it.
    """
    until = None if timeout is None else lifecycle.latest(scheduler, timeout)
    gate = LoopGate(running_loop("fan.aclose"))

    def wait_and_tell() -> None:
        lifecycle.join(scheduler, lifecycle.close(scheduler), until=until)
        lifecycle.linger(scheduler)
        gate.put()

    while started(helper_thread(wait_and_tell, f"{scheduler.name}-closer")) is not None:
        await asyncio.sleep(clocks.CHORES)  # until the system gives one
    await gate.wait()
