"""How a batch is awaited, and fed meanwhile."""

from __future__ import annotations

import asyncio
from functools import partial

from ...base.static import is_a

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...base.generic import Coro
    from ...batches.completion import B, Completion, MadeReport
    from .loops import LoopGate


class Feeder:
    """A task that feeds a batch from an async iterable; its failure is raised where the batch is awaited."""

    def __init__(self, coroutine: Coro[None], gate: LoopGate) -> None:
        self._task = asyncio.ensure_future(coroutine)
        self._task.add_done_callback(gate.put)

    def check(self) -> None:
        """Raise if it failed."""
        if self._task.done() and not self._task.cancelled() and self._task.exception() is not None:
            self._task.result()

    async def stop(self) -> None:
        """End it."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # taken note of


async def wait_for(completion: Completion[B, MadeReport], gate: LoopGate, feeder: Feeder | None = None) -> MadeReport:
    """The report of a batch, once it has ended.

    Args:
        gate: opened when there is something to look at.
        feeder: feeds the batch.
    """
    try:
        completion.begin()
        while not completion.over:
            if feeder is not None:
                feeder.check()
            due = completion.look()
            await gate.wait(None if due is None else due - completion.scheduler.clock.monotonic())
    except GeneratorExit as error:  # nobody holds the coroutine any more, and nothing can be awaited
        completion.scheduler.decisions.hand_over(partial(completion.cut, error, running=True))
        raise
    except BaseException as error:
        await _end(completion, gate, feeder, error)
        raise
    finally:
        if feeder is not None:
            await feeder.stop()
    return completion.report()


async def _end(
    completion: Completion[B, MadeReport], gate: LoopGate, feeder: Feeder | None, error: BaseException
) -> None:
    # An awaiter that has gone wants nothing more; after an error of the inputs, what runs is paid for and may finish.
    if not completion.batch.enlisted:  # it was refused
        return
    completion.cut(error, running=not is_a(error, Exception))
    try:
        if feeder is not None:
            await feeder.stop()  # first: the report has all that was taken
        while not completion.batch.done:
            await gate.wait()
    except BaseException as again:  # now the awaiter has gone
        await _end(completion, gate, feeder, again)
        raise
    completion.put_report_on(error)
