"""Outcomes one by one, for coroutines: ``astream``."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial

from ...base import checks
from ...base.generic import TYPE_CHECKING, T
from ...batches import metering
from ...batches.halting import stops
from ...batches.left import put_left_on
from ...batches.streamed import AsyncRunStream, kind_of
from ...batches.window import BatchStream, make_stream, window_of
from .completion import Feeder
from .coroutines import taker
from .items import check, items_of
from .loops import LoopGate, running_loop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ...base.generic import Coro
    from ...base.outcome import Outcome, Raw
    from ...batches.asked_journal import Asked
    from ...batches.completion import B
    from ...batches.halting import Stops
    from ...batches.metering import Shown
    from ...batches.stream import Stream
    from ...calls.options import Options
    from ...events.progress import Meter
    from ...pool.scheduler import Scheduler
    from .items import Given

    Feed = Callable[[asyncio.Event], Coro[None]]
    """Feeds a stream; the event is set when an outcome was handed out."""


def astream(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    given: Given,
    *,
    ordered: bool,
    window: int | None,
    star: bool,
    owner: object,
    progress: Shown = False,
    keep: bool = False,
    halt: str | Stops | None = None,
    said: Asked | None = None,
) -> AsyncRunStream[T]:
    """See ``Fan.astream``.  ``owner`` is kept alive until the stream ends."""
    asked = fn
    if checks.is_coroutine_function(fn, generators=False):
        fn = taker(running_loop("fan.astream"))("fan.astream", fn)
    checks.function("fan.astream", fn)
    check("fan.astream", asked, given, star=star)
    progress = metering.wanted(progress, options)
    mixed = any(hasattr(one, "__aiter__") for one in given)
    size, ordered, halting = window_of(scheduler, window), checks.flag("ordered", ordered), stops(halt)
    if said is None:
        made = make_stream(
            scheduler, options, fn, given, window=size, elastic=window is None, ordered=ordered, strict=True, star=star,
            fed_by_owner=mixed, halt=halting, kind=kind_of(BatchStream, keep),
        )  # fmt: skip
    else:
        from ...batches import journaled_stream

        made = journaled_stream.make_stream(
            scheduler, options, fn, given, said, window=size, elastic=window is None, ordered=ordered, star=star,
            fed_by_owner=mixed, halt=halting, said=asked, kind=kind_of(journaled_stream.JournaledStream, keep),
        )  # fmt: skip
    return AsyncRunStream(
        outcomes_of(made, partial(feed_stream, made, given) if mixed else None, owner, progress), made
    )


async def outcomes_of(
    stream: Stream[B, T], feed: Feed | None, owner: object, progress: Shown = False
) -> AsyncGenerator[Outcome[T], None]:
    """The outcomes of a stream.

    Args:
        feed: feeds it, if it does not read its inputs by itself.
        owner: kept alive until it ends.
        progress: how it is shown.
    """
    meter: Meter | None = None
    batch = stream.batch
    batch.cancel_at_close = True
    gate = LoopGate(running_loop("fan.astream"))
    room = asyncio.Event()
    feeder: Feeder | None = None
    ready: deque[Raw] = deque()
    try:
        if stream.prepare is not None:
            await asyncio.to_thread(stream.prepare)
        stream.enlist([gate.put])
        if progress is not False:
            meter = metering.begin(batch, progress, partial(getattr, stream, "yielded"))
        feeder = None if feed is None else Feeder(feed(room), gate)
        stream.fill()
        while True:
            stream.harvest(ready)
            outcome = stream.maker()
            while ready:
                yield outcome(ready.popleft())
                stream.handed_out(stream.yielded + 1)
                room.set()
            if stream.over:
                break
            if feeder is not None:
                feeder.check()
            if stream.idle():
                stream.fill()
                if stream.watch(gate.put):
                    await gate.wait()
        stream.check_complete()
    except GeneratorExit:  # the consumer has gone, and nobody sees what is raised here
        raise
    except BaseException as error:
        await end_early(stream, ready, gate, feeder, error)
        raise
    finally:
        # Not by the collector, who leaves asynchronous generators to their loop.
        stream.cut(running=True)
        stream.tell_end()
        if meter is not None:
            meter.close()
        if feeder is not None:
            await feeder.stop()
        # An error's traceback holds this frame: leave no cycle.
        outcome = None  # type: ignore[assignment]
        del owner, stream, batch, feeder, meter, ready


async def end_early(
    stream: Stream[B, T], ready: deque[Raw], gate: LoopGate, feeder: Feeder | None, error: BaseException
) -> None:
    """Cancel what is left and, when all has ended, let the error carry it."""
    stream.cut(running=True)
    try:
        if feeder is not None:
            await feeder.stop()  # first: what was taken has an outcome
        while not stream.batch.done:
            await gate.wait()
    except BaseException as again:  # cancelled once more
        await end_early(stream, ready, gate, feeder, again)
        raise
    put_left_on(stream, error, ready)


async def feed_stream(stream: BatchStream[T], given: Given, room: asyncio.Event) -> None:
    """Hand inputs in as there is room, which the event tells."""
    batch = stream.batch
    async for item in items_of(given, strict=True):
        stream.feed([item], batch.scheduler.clock.monotonic())  # first: what was taken has an outcome
        if batch.scheduler.closing or batch.ended:
            return
        while stream.room <= 0:
            room.clear()
            await room.wait()
    stream.early.all_taken = True
    batch.close()
