"""What a stream or a ``map`` has done and not handed out when it is ended early: a report on the error that ends it."""

from __future__ import annotations

from operator import itemgetter

from ..base.static import is_a
from ..base.unwinding import exception_leaving
from .figures import figures
from .report import Report, put_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from queue import SimpleQueue
    from types import FrameType
    from typing import Any

    from ..base.outcome import Raw
    from ..calls.batch import Batch
    from .stream import Stream


def put_left_on(stream: Stream, error: BaseException, ready: list[Raw]) -> None:
    """Let what ends a stream early carry what was not handed out, ``ready`` among it."""
    raws = sorted([*ready, *stream.left()], key=itemgetter(0))
    put_on(error, stream.report(raws, **_figures(stream.batch, taken=True)))


def end_early(stream: Stream, error: BaseException, ready: list[Raw], gate: SimpleQueue[None]) -> None:
    """Cancel what is left of a stream and, when all has ended, let the error carry it."""
    stream.cut(running=True)
    try:
        while not stream.batch.done:
            stream.batch.scheduler.clock.wait(gate)
    except BaseException as again:  # a second Ctrl-C
        end_early(stream, again, ready, gate)
        raise
    put_left_on(stream, error, ready)


def end_dropped(frame: FrameType, end: Callable[[BaseException], object]) -> None:
    """A stream or a ``map`` is dropped: if that is because a Ctrl-C leaves its loop, let that carry what is left.

    So with whatever else is no ``Exception``.  An error of the body's own does not: it mostly is that of an outcome,
    which a variable of the body's keeps, and would keep all others.

    Args:
        frame: that of the loop.
        end: ends what is left, and lets an error carry it; where that is interrupted it has put on that one.
    """
    error = exception_leaving(frame)
    if error is None or is_a(error, Exception) or getattr(error, "report", None) is not None:
        return
    try:
        end(error)
    except BaseException as again:  # a second Ctrl-C; nobody would see it, and the first goes on
        report = getattr(again, "report", None)
        if report is not None:
            put_on(error, report)


def end_taking_early(stream: Stream, error: BaseException, ready: list[Raw], gate: SimpleQueue[None]) -> None:
    """As ``end_map_early``, of a ``map`` whose inputs are taken as its results are read."""
    if isinstance(error, Exception):
        stream.cut(running=False)
        put_left_on(stream, error, ready)
    else:
        end_early(stream, error, ready, gate)


def end_map_early(error: BaseException, batch: Batch, gate: SimpleQueue[None]) -> None:
    """Let the error that ends a ``map`` carry the outcomes that were not handed out, each with its index.

    Calls that run are cancelled if the user wants out; else they go on, as in the standard library.
    """
    scheduler = batch.scheduler
    wanted = isinstance(error, Exception)
    scheduler.timer.cancel(batch, None, f"the batch was ended by {type(error).__name__}", running=not wanted)
    try:
        while not batch.done and not wanted:
            scheduler.clock.wait(gate)
    except BaseException as again:  # a second Ctrl-C
        end_map_early(again, batch, gate)
        raise
    put_on(error, Report(batch.collector.so_far(), **_figures(batch)))


def _figures(batch: Batch, *, taken: bool = False) -> dict[str, Any]:
    """What reports say besides outcomes."""
    wall = batch.scheduler.clock.monotonic() - batch.since
    return {"usages": batch.collector.usages, "notes": batch.collector.attempts, **figures(batch, wall, taken=taken)}
