"""Texts that many calls make at once, for coroutines: ``astream_text``."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from functools import partial

from ...base import checks
from ...base.generic import TYPE_CHECKING
from ...batches import intake, metering
from ...batches.streamed import AsyncTextStream
from ...batches.telling import check, text_of
from ...batches.text_stream import make_texts
from .completion import Feeder
from .coroutines import taker
from .items import at_hand
from .loops import LoopGate, running_loop
from .streams import end_early, feed_stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ...base.outcome import Raw
    from ...batches.metering import Shown
    from ...batches.pieces import Piece, Teller
    from ...batches.text_stream import BatchOfTexts
    from ...calls.options import Options
    from ...events.progress import Meter
    from ...pool.scheduler import Scheduler
    from .items import Given
    from .streams import Feed


def astream_text(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., object],
    given: Given,
    *,
    buffer: int | None,
    star: bool,
    owner: object,
    progress: Shown = False,
) -> AsyncTextStream:
    """See ``Fan.astream_text``.  ``owner`` is kept alive until the stream ends."""
    where, by_name = "fan.astream_text", None
    called: Callable[..., object] = fn
    if checks.is_coroutine_function(fn) and not checks.is_coroutine_function(fn, generators=False):
        intake.check(where, fn, at_hand(given), star=star)
        called, by_name = taker(running_loop(where))(where, partial(_drained, fn)), True
    else:
        check(where, fn, at_hand(given), star=star)
    progress = metering.wanted(progress, options)
    mixed = any(hasattr(one, "__aiter__") for one in given)
    made = make_texts(
        scheduler, options, called, given, buffer=buffer, star=star, fed_by_owner=mixed, by_name=by_name, name=fn
    )
    return AsyncTextStream(_pieces(made, partial(feed_stream, made, given) if mixed else None, owner, progress), made)


async def _drained(fn: Callable[..., object], *args: object, on_text: Teller) -> str:
    """Hand in all pieces of an asynchronous generator; its loop never waits in a thread's way, as others do."""
    parts: list[str] = []
    gate = LoopGate(asyncio.get_running_loop())
    made: AsyncGenerator[object, None] = fn(*args)  # type: ignore[assignment]  # it is one that makes such
    async with aclosing(made):
        async for piece in made:
            text = text_of(piece)
            if text:
                parts.append(text)
                while on_text.pieces.wait_for_room(gate.put):
                    await gate.wait()
                on_text.put(text)
    return "".join(parts)


async def _pieces(
    stream: BatchOfTexts, feed: Feed | None, owner: object, progress: Shown
) -> AsyncGenerator[Piece, None]:
    """What is iterated over."""
    meter: Meter | None = None
    stream.batch.cancel_at_close = True
    pieces = stream.pieces
    gate, room = LoopGate(running_loop("fan.astream_text")), asyncio.Event()
    feeder: Feeder | None = None
    ready: deque[Raw] = deque()
    try:
        stream.enlist([gate.put])
        if progress is not False:
            meter = metering.begin(stream.batch, progress, partial(getattr, stream, "yielded"))
        feeder = None if feed is None else Feeder(feed(room), gate)
        stream.fill()
        while not stream.read:
            for _ in range(len(pieces)):
                yield pieces.take()
            stream.take_outcomes()
            room.set()
            if feeder is not None:
                feeder.check()
            if stream.idle():
                stream.fill()
                if stream.watch(gate.put):
                    await gate.wait()
        stream.check_complete()
    except GeneratorExit:  # the reader has gone, and nobody sees what is raised here
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
        del owner, stream, pieces, feeder, meter  # an error's traceback holds this frame: leave no cycle
