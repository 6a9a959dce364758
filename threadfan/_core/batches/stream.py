"""Outcomes one by one: ``stream`` and ``map``.

Inputs are taken only in the consumer's own thread, and at most ``window`` of them are taken and not yet yielded, so
that inputs may be endless and memory stays bounded.

What ends one early while its consumer waits for the next (a Ctrl-C, an exception of the inputs, a fan that was closed)
carries what had ended and was not handed out, in its attribute ``report``.  An exception in the consumer's own code
cannot: the iterator is then closed without being told of it.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import islice
from queue import SimpleQueue

from ..base import checks
from ..base.errors import FanClosed
from ..base.outcome import SUCCEEDED, Outcome
from . import intake
from .iteration import Iteration
from .left import end_dropped, end_early, end_map_early, end_taking_early
from .report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Any

    from ..base.outcome import Raw
    from ..calls.batch import Batch
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .intake import Given

PATIENCE = 0.001
"""Seconds that filling the window may take before outcomes that are ready go first.  Arbitrary: far above what it
takes to fill a window from memory, far below what a user notices."""


class Stream:
    """The window between inputs and outcomes; used by one consumer, sync or async.

    Args:
        inputs: an iterator over items; None if the owner feeds the batch itself.
        ordered: hand out outcomes in input order, not in completion order.
    """

    def __init__(self, batch: Batch, inputs: Iterator[Any] | None, *, window: int, ordered: bool, quick: bool) -> None:
        self.batch = batch
        self._collector = batch.collector
        self._results = batch.collector.in_order_of_ends()
        self._inputs = inputs
        self._window = window
        self._ordered = ordered
        self._quick = quick  # taking inputs neither blocks nor raises
        self._clock = batch.scheduler.clock.monotonic
        self._cut_short = False
        self.yielded = 0

    def enlist(self, listeners: Actions) -> None:
        """Let threads at it; the listeners are called when it is done."""
        intake.enlist(self.batch, listeners)

    @property
    def room(self) -> int:
        """How many more inputs may be taken."""
        return self._window - (self.batch.accepted - self.yielded)

    def harvest(self) -> list[Raw]:
        """Take the outcomes that can be handed out now, the first of them last."""
        results = self._results
        if not self._ordered:
            return [results.pop(index) for index in reversed(list(results))]
        ready = []
        index = self.yielded
        while (raw := results.pop(index, None)) is not None:
            ready.append(raw)
            index += 1
        ready.reverse()
        return ready

    def after_yield(self) -> None:
        """One outcome was handed out: take more inputs if half the window is free or the threads have none left."""
        self.yielded += 1
        if self._inputs is not None and (2 * self.room >= self._window or not self.batch.entries):
            self.fill()

    def fill(self) -> None:
        """Take inputs until the window is full, they end, or outcomes are ready that should not wait any longer."""
        batch, inputs = self.batch, self._inputs
        if inputs is None:
            return
        if self._must_end():
            return
        room, now = self.room, self._clock()
        if self._quick:
            items = list(islice(inputs, room))
            if items:
                batch.feed(items, now)
            if len(items) < room:
                self._end_of_inputs()
            return
        for item in islice(inputs, room):
            batch.feed([item], self._clock())
            room -= 1
            if self._must_end() or (self._results and self._clock() - now > PATIENCE):
                return
        if room:
            self._end_of_inputs()

    def _must_end(self) -> bool:
        """Whether no further input may be taken; then it was cut short."""
        batch = self.batch
        if batch.scheduler.closing or batch.scheduler.broken or batch.ended:
            self._cut_short = True
            self._end_of_inputs()
        return self._cut_short

    def _end_of_inputs(self) -> None:
        self._inputs = None
        self.batch.close()

    def idle(self) -> bool:
        """Whether there is nothing to hand out although more may come: the consumer should wait."""
        batch = self.batch
        if batch.done:
            return False
        return self.yielded not in self._results if self._ordered else not self._results

    def wish(self, wake: Callable[[], object]) -> bool:
        """See ``Waiter.wait_for``."""
        return self.batch.wish.wait_for(wake, wanted=self.yielded if self._ordered else None, idle=self.idle)

    @property
    def over(self) -> bool:
        """Whether every outcome was handed out, or what is left can never be; to be asked after ``harvest``."""
        return self.batch.done and (not self._results or self.batch.reason is not None)

    def check_complete(self) -> None:
        """At the end: raise if the stream was cut short, so that nobody takes a part for the whole."""
        self.check_wanted()
        if self.batch.reason is not None:
            try:
                raise self.batch.reason
            finally:
                del self  # the traceback holds this frame: leave no cycle
        if self._cut_short or self.batch.ended:
            raise FanClosed("the fan was closed before this stream had ended; what was left is cancelled")

    def check_wanted(self) -> None:
        """Raise if the call or block that consumes the stream has ended."""
        if self.batch.outer is not None:
            self.batch.outer.check()

    def outcome(self, raw: Raw) -> Outcome[Any]:
        """An outcome, as it is handed out."""
        index, usages, attempts = raw[0], self._collector.usages, self._collector.attempts
        usage = usages.pop(index, None) if usages else None
        return Outcome(raw, None, usage, attempts.pop(index, None) if attempts else None)

    def forget(self, index: int) -> None:
        """What was noted of a call whose value alone is handed out: inputs may be endless."""
        self._collector.usages.pop(index, None)
        self._collector.attempts.pop(index, None)

    def tell_end(self) -> None:
        """The event of the batch."""
        intake.tell_end(self.batch, self._clock() - self.batch.since)

    def cut(self, *, running: bool, finalizing: bool = False) -> None:
        """The consumer has gone: cancel what is queued, and what runs too if ``running``.

        Args:
            finalizing: whether it may be the garbage collector who says so.
        """
        self.batch.wish.clear()  # nobody waits any more, and it may lead back here
        cut(self.batch, "the stream was closed", running=running, finalizing=finalizing)

    def left(self) -> list[Raw]:
        """The outcomes that were not taken by ``harvest``; complete once the batch is done."""
        return list(self._results.values())

    report: Callable[..., Report[Any]] = Report
    """Makes one of outcomes and figures."""


def cut(batch: Batch, message: str, *, running: bool, finalizing: bool = False) -> None:
    """Cancel what is queued of a batch that nobody reads any more, and what runs too if ``running``."""
    if not batch.done:
        cancel = partial(batch.scheduler.timer.cancel, batch, None, message, running=running)
        if finalizing:
            batch.scheduler.decisions.hand_over(cancel)
        else:
            cancel()


def stream(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., Any],
    given: Given,
    *,
    ordered: bool,
    window: int | None,
    star: bool,
    owner: object,
) -> Generator[Outcome[Any], None, None]:
    """See ``Fan.stream``.  ``owner`` is kept alive until the stream ends."""
    checks.function("fan.stream", fn)
    intake.check("fan.stream", fn, given, star=star)
    size, ordered = window_of(scheduler, window), checks.flag("ordered", ordered)
    made = make_stream(scheduler, options, fn, given, window=size, ordered=ordered, strict=True, star=star)
    return Iteration(_outcomes(made, owner), partial(made.cut, running=True))


def mapped(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., Any],
    given: Given,
    *,
    timeout: float | None,
    buffersize: int | None,
    star: bool,
    owner: object,
) -> Iterator[Any]:
    """See ``Fan.map``.  ``owner`` is kept alive while inputs are still to be taken."""
    end = None if timeout is None else scheduler.clock.monotonic() + timeout
    gate: SimpleQueue[None] = SimpleQueue()
    if buffersize is not None:
        made = make_stream(scheduler, options, fn, given, window=buffersize, ordered=True, strict=False, star=star)
        try:
            _enlist(made, gate)
            made.fill()
        except BaseException as error:
            if made.batch.enlisted:
                end_taking_early(made, error, [], gate)
            raise
        return Iteration(_values_as_taken(made, gate, end, owner), partial(made.cut, running=False))
    items = intake.everything(given, strict=False)
    batch = intake.new_batch(scheduler, options, fn, given, items=items, star=star)
    try:
        intake.enlist(batch, [lambda: gate.put(None)])
        scheduler.crew.recruit(batch)
    except BaseException as error:
        if batch.enlisted:
            end_map_early(error, batch, gate)
        raise
    ending = partial(cut, batch, "the iterator was closed", running=False)
    return Iteration(_values(batch, gate, end), ending)


def window_of(scheduler: Scheduler, window: int | None) -> int:
    """How many inputs may be taken and not yet yielded."""
    return max(64, 4 * scheduler.slots.total) if window is None else checks.count("window", window)


def make_stream(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., Any],
    given: Given,
    *,
    window: int,
    ordered: bool,
    strict: bool,
    star: bool = False,
    fed_by_owner: bool = False,
) -> Stream:
    """Check that calls may be handed in, and capture the context; work starts later."""
    with scheduler.lock:
        scheduler.check_open()
    inputs = None if fed_by_owner else intake.one_by_one(given, strict=strict)
    batch = intake.new_batch(scheduler, options, fn, given, items=None, star=star)
    return Stream(batch, inputs, window=window, ordered=ordered, quick=intake.known(given))


def _enlist(stream: Stream, gate: SimpleQueue[None]) -> None:
    stream.enlist([lambda: gate.put(None)])


def _outcomes(stream: Stream, owner: object) -> Generator[Outcome[Any], None, None]:
    finalizing = False
    stream.batch.cancel_at_close = True
    after_yield, outcome = stream.after_yield, stream.outcome
    ready: list[Raw] = []
    gate: SimpleQueue[None] = SimpleQueue()
    try:
        _enlist(stream, gate)
        stream.fill()
        while True:
            stream.check_wanted()
            ready = stream.harvest()
            while ready:
                yield outcome(ready.pop())  # whoever iterates may be the only one to hold it
                after_yield()
            if stream.over:
                break
            if stream.idle():
                stream.fill()
                _sleep(stream.batch, stream.wish, stream.idle, gate, None)
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
        del owner, stream, after_yield, outcome, ready  # an error's traceback holds this frame: leave no cycle


def _values_as_taken(
    stream: Stream, gate: SimpleQueue[None], end: float | None, owner: object
) -> Generator[Any, None, None]:
    ready: list[Raw] = []
    failed: BaseException | None = None
    finalizing = False
    try:
        while True:
            stream.check_wanted()
            ready = stream.harvest()
            while ready:
                stream.forget(ready[-1][0])
                if ready[-1][3] is not SUCCEEDED:
                    failed = ready[-1][4]
                yield _value(ready.pop())
                stream.after_yield()
            if stream.over:
                break
            if stream.idle():
                stream.fill()
                _sleep(stream.batch, stream.wish, stream.idle, gate, end)
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


def _values(batch: Batch, gate: SimpleQueue[None], end: float | None) -> Generator[Any, None, None]:
    results, scheduler = batch.collector.in_order_of_inputs(), batch.scheduler
    handing: list[Any] = []
    failed: BaseException | None = None
    finalizing = False
    try:
        for index in range(len(results)):
            while (raw := results[index]) is None:
                if batch.outer is not None:
                    batch.outer.check()
                idle = _Missing(results, index)
                _sleep(batch, partial(batch.wish.wait_for, wanted=index, idle=idle), idle, gate, end)
            if raw[3] is not SUCCEEDED:
                _check_goes_on(batch)
                failed = raw[4]
                results[index] = None
                _value(raw)
            results[index] = None  # whoever iterates may be the only one to hold the value
            handing.append(raw[4])
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
        cut(batch, "the iterator was closed", running=False, finalizing=finalizing)
        intake.tell_end(batch, scheduler.clock.monotonic() - batch.since)
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
    if raw[3] is SUCCEEDED:
        return raw[4]
    try:
        raise raw[4]
    finally:
        del raw  # the traceback holds this frame: leave no cycle


def _sleep(
    batch: Batch,
    wish: Callable[[Callable[[], object]], bool],
    idle: Callable[[], bool],
    gate: SimpleQueue[None],
    end: float | None,
) -> None:
    """Sleep until there is something to hand out, lending the slot if this is a call; may wake for nothing."""
    scheduler = batch.scheduler
    loan = scheduler.lending.take_out()

    def wake() -> None:
        if loan is not None:
            scheduler.lending.finish(loan)
        gate.put(None)

    if loan is not None:
        scheduler.lending.await_done(loan, batch)
    if not wish(wake):
        return
    try:
        if loan is not None:
            scheduler.lending.lend(loan, unless=lambda: not idle())
        if not scheduler.clock.wait(gate, None if end is None else end - scheduler.clock.monotonic()):
            batch.wish.clear()
            raise TimeoutError
    finally:
        if loan is not None:
            scheduler.lending.take_back(loan)
