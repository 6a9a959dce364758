"""What a stream or a ``map`` has done and not handed out when it is ended early: a report on the error that ends it."""

from __future__ import annotations

from operator import itemgetter

from ..base.generic import TYPE_CHECKING, T
from ..base.outcome import INDEX
from ..base.static import is_a
from ..base.unwinding import exception_leaving
from .figures import parts
from .report import Report, put_on

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from types import FrameType

    from ..base.clock import Gate
    from ..base.outcome import Raw
    from ..calls.batch import Batch
    from .completion import B
    from .stream import Stream


def put_left_on(stream: Stream[B, T], error: BaseException, ready: deque[Raw]) -> None:
    """Let what ends a stream early carry what was not handed out, ``ready`` among it."""
    raws = sorted([*ready, *stream.left()], key=itemgetter(INDEX))
    put_on(error, stream.report(raws))


def end_early(stream: Stream[B, T], error: BaseException, ready: deque[Raw], gate: Gate) -> None:
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


def end_taking_early(stream: Stream[B, T], error: BaseException, ready: deque[Raw], gate: Gate) -> None:
    """As ``end_map_early``, of a ``map`` whose inputs are taken as its results are read."""
    if is_a(error, Exception):
        stream.cut(running=False)
        put_left_on(stream, error, ready)
    else:
        end_early(stream, error, ready, gate)


def end_map_early(error: BaseException, batch: Batch, gate: Gate) -> None:
    """Let the error that ends a ``map`` carry the outcomes that were not handed out, each with its index.

    Calls that run are cancelled if the user wants out; else they go on, as in the standard library.
    """
    scheduler = batch.scheduler
    wanted = is_a(error, Exception)
    scheduler.timer.cancel(batch, None, f"the batch was ended by {type(error).__name__}", running=not wanted)
    try:
        while not batch.done and not wanted:
            scheduler.clock.wait(gate)
    except BaseException as again:  # a second Ctrl-C
        end_map_early(again, batch, gate)
        raise
    report: Report[object] = Report(batch.collector.so_far(), **parts(batch, scheduler.clock.monotonic() - batch.since))
    put_on(error, report)
