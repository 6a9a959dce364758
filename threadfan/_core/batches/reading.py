"""Outcomes one by one: ``stream``.

What ends one early while its consumer waits for the next (a Ctrl-C, an exception of the inputs, a fan that was closed)
carries what had ended and was not handed out, in its attribute ``report``.  An exception in the consumer's own code
cannot: the iterator is then closed without being told of it.
"""

from __future__ import annotations

import sys
from collections import deque
from functools import partial
from itertools import repeat, starmap
from queue import SimpleQueue

from ..base import checks
from ..base.generic import TYPE_CHECKING, T
from . import intake, loop_here, metering
from .halting import stops
from .left import end_dropped, end_early
from .streamed import RunStream, kind_of
from .window import BatchStream, make_stream, window_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ..base.clock import Gate
    from ..base.outcome import Outcome, Raw
    from ..calls.batch import Batch
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from .asked_journal import Asked
    from .completion import B
    from .halting import Stops
    from .intake import Given
    from .metering import Shown
    from .stream import Stream
    from .task_group import TaskGroup


def stream(
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
    asked: Asked | None = None,
) -> RunStream[T]:
    """See ``Fan.stream``.  ``owner`` is kept alive until the stream ends."""
    checks.function("fan.stream", fn)
    intake.check("fan.stream", fn, given, star=star)
    progress = metering.wanted(progress, options)
    size, ordered, halting = window_of(scheduler, window), checks.flag("ordered", ordered), stops(halt)
    if asked is None:
        made = make_stream(
            scheduler, options, fn, given, window=size, elastic=window is None, ordered=ordered, strict=True, star=star,
            halt=halting, kind=kind_of(BatchStream, keep),
        )  # fmt: skip
    else:
        from . import journaled_stream

        made = journaled_stream.make_stream(
            scheduler, options, fn, given, asked, window=size, elastic=window is None, ordered=ordered, star=star,
            halt=halting, kind=kind_of(journaled_stream.JournaledStream, keep),
        )  # fmt: skip
    return RunStream(outcomes(made, owner, progress), made)


def outcomes(stream: Stream[B, T], owner: object, progress: Shown = False) -> Generator[Outcome[T], None, None]:
    """What is iterated over; a finalizer of it may be the garbage collector.

    Args:
        owner: kept alive until it ends.
        progress: how it is shown.
    """
    finalizing, meter = False, None
    stream.batch.cancel_at_close = True
    ready: deque[Raw] = deque()
    take, entries, handed_out = ready.popleft, stream.entries, stream.handed_out
    gate: Gate = SimpleQueue()
    try:
        loop_here.check(stream.batch.scheduler)
        if stream.prepare is not None:
            stream.prepare()
        stream.enlist([partial(gate.put, None)])
        if progress is not False:
            meter = metering.begin(stream.batch, progress, partial(getattr, stream, "yielded"))
        stream.fill()
        while True:
            stream.check_wanted()
            stream.harvest(ready)
            number, due, outcome = stream.yielded, stream.due, stream.maker()
            while ready:
                # Whoever iterates may be the only one to hold what he gets.
                if stream.step > 1:
                    step = min(stream.step, len(ready))
                    yield from map(outcome, starmap(take, repeat((), step)))
                    number += step
                else:
                    yield outcome(take())
                    number += 1
                stream.yielded = number
                if number >= due or not entries:
                    due = handed_out(number)
            if stream.over:
                break
            if stream.idle():
                stream.fill()
                if stream.rest is not None:
                    stream.rest()
                sleep(stream.batch, stream.watch, stream.idle, gate, None)
        stream.check_complete()
    except GeneratorExit:  # the consumer has gone, and nobody sees what is raised here
        finalizing = True
        if not stream.batch.ended:
            end_dropped(sys._getframe(1), partial(end_early, stream, ready=ready, gate=gate))
        raise
    except BaseException as error:
        end_early(stream, error, ready, gate)
        raise
    finally:
        stream.cut(running=True, finalizing=finalizing)
        stream.tell_end()
        if meter is not None:
            meter.close(wait=not finalizing)
        # An error's traceback holds this frame: leave no cycle.
        outcome = None  # type: ignore[assignment]
        del owner, meter, stream, ready, take, entries, handed_out


def sleep(
    queue: Batch | TaskGroup,
    watch: Callable[[Callable[[], object]], bool],
    idle: Callable[[], bool],
    gate: Gate,
    end: float | None,
) -> None:
    """Sleep until there is something to do, lending the slot if this is a call; may wake for nothing.

    Args:
        queue: whose calls are waited for.
        watch: has a function called when there is something to do; False if there is no need to wait.
        idle: whether there is nothing to do.
        end: when to give up.

    Raises:
        TimeoutError: there is nothing to do at the end; to stop watching is left to the caller.
    """
    scheduler = queue.scheduler
    loan = scheduler.lending.take_out()

    def wake() -> None:
        if loan is not None:
            scheduler.lending.finish(loan)
        gate.put(None)

    if loan is not None:
        scheduler.lending.await_done(loan, queue)
    if not watch(wake):
        return
    try:
        if loan is not None:
            scheduler.lending.lend(loan, unless=lambda: not idle())
        if not scheduler.clock.wait_until(gate, end):
            raise TimeoutError
    finally:
        if loan is not None:
            scheduler.lending.take_back(loan)
