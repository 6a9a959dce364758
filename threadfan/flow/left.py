"""What a stream or a ``map`` has done and not handed out when it is ended early: a report on the error that ends it."""

from __future__ import annotations

from operator import itemgetter

from .figures import figures
from .report import Report, put_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from queue import SimpleQueue
    from typing import Any

    from ..base.outcome import Raw
    from ..executor.batch import Batch
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
            stream.batch.hub.clock.wait(gate)
    except BaseException as again:  # a second Ctrl-C
        end_early(stream, again, ready, gate)
        raise
    put_left_on(stream, error, ready)


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
    hub = batch.hub
    wanted = isinstance(error, Exception)
    hub.watchdog.cancel(batch, None, f"the batch was ended by {type(error).__name__}", running=not wanted)
    try:
        while not batch.done and not wanted:
            hub.clock.wait(gate)
    except BaseException as again:  # a second Ctrl-C
        end_map_early(again, batch, gate)
        raise
    put_on(error, Report([raw for raw in batch.results if raw is not None], **_figures(batch)))


def _figures(batch: Batch, *, taken: bool = False) -> dict[str, Any]:
    """What reports say besides outcomes."""
    wall = batch.hub.clock.monotonic() - batch.since
    return {"usages": batch.usages, "notes": batch.notes, **figures(batch, wall, taken=taken)}
