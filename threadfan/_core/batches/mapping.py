"""Values one by one: ``map``, as of the standard library's executors.

What ends it early carries what had ended and was not handed out, as with ``stream``; but an error that is the outcome
of a call is raised as it is.
"""

from __future__ import annotations

import sys
from collections import deque
from functools import partial
from queue import SimpleQueue

from ..base.generic import TYPE_CHECKING, T
from ..base.outcome import INDEX, PAYLOAD, STATUS, SUCCEEDED
from . import intake, loop_here
from .iteration import Iteration
from .left import end_dropped, end_map_early, end_taking_early
from .lifetime import enlist, tell_end
from .making import new_batch
from .reading import sleep
from .stream import cut
from .window import make_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Any

    from ..base.clock import Gate
    from ..base.outcome import Raw
    from ..calls.batch import Batch
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from .intake import Given
    from .window import BatchStream

CLOSED = "the iterator was closed"


def mapped(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    given: Given,
    *,
    timeout: float | None,
    buffersize: int | None,
    star: bool,
    owner: object,
) -> Iterator[T]:
    """See ``Fan.map``.  ``owner`` is kept alive while inputs are still to be taken."""
    end = None if timeout is None else scheduler.clock.monotonic() + timeout
    gate: Gate = SimpleQueue()
    wake = partial(gate.put, None)
    if buffersize is not None:
        made = make_stream(scheduler, options, fn, given, window=buffersize, ordered=True, strict=False, star=star)
        try:
            made.enlist([wake])
            made.fill()
        except BaseException as error:
            if made.batch.enlisted:
                end_taking_early(made, error, deque(), gate)
            raise
        return Iteration(_values_as_taken(made, gate, end, owner), partial(made.cut, running=False))
    items = intake.everything(given, strict=False)
    batch = new_batch(scheduler, options, fn, given, items=items, star=star)
    try:
        enlist(batch, [wake])
        scheduler.crew.recruit(batch)
    except BaseException as error:
        if batch.enlisted:
            end_map_early(error, batch, gate)
        raise
    return Iteration(_values(batch, gate, end), partial(cut, batch, CLOSED, running=False))


def _values_as_taken(stream: BatchStream[T], gate: Gate, end: float | None, owner: object) -> Generator[T, None, None]:
    """Of inputs that are taken as the values are read."""
    ready: deque[Raw] = deque()
    failed: BaseException | None = None
    finalizing = False
    try:
        loop_here.check(stream.batch.scheduler)
        while True:
            stream.check_wanted()
            stream.harvest(ready)
            while ready:
                stream.forget(ready[0][INDEX])
                if ready[0][STATUS] is not SUCCEEDED:
                    failed = ready[0][PAYLOAD]
                yield _value(ready.popleft())
                stream.handed_out(stream.yielded + 1)
            if stream.over:
                break
            if stream.idle():
                stream.fill()
                sleep(stream.batch, stream.watch, stream.idle, gate, end)
        stream.check_complete()
    except GeneratorExit:
        finalizing = True
        if not stream.batch.ended:
            end_dropped(sys._getframe(1), partial(end_taking_early, stream, ready=ready, gate=gate))
        raise
    except BaseException as error:
        if error is not failed:
            end_taking_early(stream, error, ready, gate)
        raise
    finally:
        failed = None  # its traceback holds this frame: leave no cycle
        stream.cut(running=False, finalizing=finalizing)
        stream.tell_end()
        del owner, stream, ready


def _values(batch: Batch, gate: Gate, end: float | None) -> Generator[T, None, None]:
    """Of inputs that are all known."""
    results, scheduler = batch.collector.in_order_of_inputs(), batch.scheduler
    handing: list[T] = []
    failed: BaseException | None = None
    finalizing = False
    try:
        loop_here.check(scheduler)
        for index in range(len(results)):
            while (raw := results[index]) is None:
                if batch.outer is not None:
                    batch.outer.check()
                idle = _Missing(results, index)
                sleep(batch, partial(batch.reader.wait_for, wanted=index, idle=idle), idle, gate, end)
            if raw[STATUS] is not SUCCEEDED:
                _check_goes_on(batch)
                failed = raw[PAYLOAD]
                results[index] = None
                _value(raw)
            results[index] = None  # whoever iterates may be the only one to hold the value
            handing.append(raw[PAYLOAD])
            raw = None
            yield handing.pop()
    except GeneratorExit:
        finalizing = True
        if not batch.ended:
            end_dropped(sys._getframe(1), partial(end_map_early, batch=batch, gate=gate))
        raise
    except BaseException as error:
        if error is not failed:
            end_map_early(error, batch, gate)
        raise
    finally:
        failed = None  # its traceback holds this frame: leave no cycle
        batch.reader.clear()
        cut(batch, CLOSED, running=False, finalizing=finalizing)
        tell_end(batch, scheduler.clock.monotonic() - batch.since)
        raw = idle = results = batch = None  # type: ignore[assignment]


def _check_goes_on(batch: Batch) -> None:
    """Raise what has ended the whole batch, if anything has."""
    if batch.outer is not None:
        batch.outer.check()
    if batch.reason is not None:
        raise batch.reason


class _Missing:
    """Whether the outcome at an index is not there yet."""

    __slots__ = ("_index", "_results")

    def __init__(self, results: list[Raw | None], index: int) -> None:
        self._results = results
        self._index = index

    def __call__(self) -> bool:
        return self._results[self._index] is None


def _value(raw: Raw) -> Any:
    """The value of an outcome; raises its error."""
    if raw[STATUS] is SUCCEEDED:
        return raw[PAYLOAD]
    try:
        raise raw[PAYLOAD]
    finally:
        del raw  # the traceback holds this frame: leave no cycle
