"""A run, awaited."""

from __future__ import annotations

import asyncio
from functools import partial

from ...base.generic import TYPE_CHECKING, T
from ...batches.conduct import raise_error
from ...batches.report import put_on
from .loops import LoopGate, running_loop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ...base.outcome import Outcome
    from ...batches.conduct import Conduct
    from ...batches.report import Report


async def ended(conduct: Conduct[T], *, block: bool = False) -> Report[T]:
    """The report of a run, once it is over; cancelling whoever awaits it cancels the run.

    Args:
        block: this is the end of its block.
    """
    gate = LoopGate(running_loop("await run"))
    try:
        if block and conduct.batch.unfinished():
            await _wait_for_inputs(gate, conduct)
        await _sleep(gate, conduct, conduct.watch_end)
        raise_error(conduct)
        return conduct.report()
    except asyncio.CancelledError as error:
        await give_up(conduct, error)
        raise
    finally:
        del conduct  # an error's traceback holds this frame: leave no cycle


async def give_up(conduct: Conduct[T], error: BaseException) -> None:
    """Cancel a run because of an error, and let that carry its report when all calls have ended."""
    try:
        conduct.cancel(f"the run was ended by {type(error).__name__}")
        await _sleep(LoopGate(running_loop("await run")), conduct, conduct.watch_end)
        if getattr(error, "report", None) is None:
            put_on(error, conduct.report())
    finally:
        del conduct, error  # an error's traceback holds this frame: leave no cycle


async def outcomes(conduct: Conduct[T]) -> AsyncGenerator[Outcome[T], None]:
    """The outcomes of a run as calls end."""
    gate = LoopGate(running_loop("async for"))
    place = 0
    try:
        while True:
            taken = conduct.taken()
            while place < len(taken):
                place += 1
                yield conduct.outcome(taken[place - 1])
            if conduct.over and place == len(conduct.taken()):
                break
            await _sleep(gate, conduct, partial(conduct.watch, place))
        raise_error(conduct)
    finally:
        del conduct  # an error's traceback holds this frame: leave no cycle


async def _wait_for_inputs(gate: LoopGate, conduct: Conduct[T]) -> None:
    """See ``Run._wait_for_inputs``."""
    from .. import unfed  # few programs need it

    try:
        for seconds in unfed.looks(conduct.batch):
            if not conduct.watch_end(gate.put):
                break
            await gate.wait(seconds)
            conduct.forget(gate.put)
    finally:
        conduct.forget(gate.put)
        del conduct  # an error's traceback holds this frame: leave no cycle


async def _sleep(gate: LoopGate, conduct: Conduct[T], watch: Callable[[Callable[[], object]], bool]) -> None:
    """Sleep until there is nothing more to watch for."""
    try:
        while watch(gate.put):
            await gate.wait()
    finally:
        conduct.forget(gate.put)
        del conduct, watch  # an error's traceback holds this frame: leave no cycle
