"""The window between inputs and outcomes, which bounds how many are held between the two.

Inputs are taken only by whoever reads the outcomes, and at most ``window`` of them are taken and not yet handed out, so
that inputs may be endless and memory stays bounded.
"""

from __future__ import annotations

from itertools import islice

from ..base import checks
from ..base.generic import TYPE_CHECKING, T
from . import intake
from .making import new_batch
from .stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..calls.batch import Batch
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from .intake import Given

PATIENCE = 0.001
"""Seconds that filling the window may take before outcomes that are ready go first.  Arbitrary: far above what it
takes to fill a window from memory, far below what a user notices."""


class BatchStream(Stream["Batch", T]):
    """The window between the inputs and the outcomes of one function.

    Args:
        window: how many inputs may be taken and not yet handed out.
        quick: whether taking inputs neither blocks nor raises.
    """

    def __init__(
        self, batch: Batch, inputs: Iterator[object] | None, *, window: int, ordered: bool, quick: bool
    ) -> None:
        super().__init__(batch, inputs, ordered=ordered)
        self._window = window
        self._quick = quick

    @property
    def room(self) -> int:
        """How many more inputs may be taken."""
        return self._window - (self.batch.accepted - self.yielded)

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

    def watch(self, wake: Callable[[], object]) -> bool:
        """See ``Waiter.wait_for``."""
        return self.batch.waiter.wait_for(wake, wanted=self.yielded if self._ordered else None, idle=self.idle)

    def stop_watching(self) -> None:
        """Nobody waits any more."""
        self.batch.waiter.clear()


def window_of(scheduler: Scheduler, window: int | None) -> int:
    """How many inputs may be taken and not yet yielded."""
    return max(64, 4 * scheduler.slots.total) if window is None else checks.count("window", window)


def make_stream(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    given: Given,
    *,
    window: int,
    ordered: bool,
    strict: bool,
    star: bool = False,
    fed_by_owner: bool = False,
) -> BatchStream[T]:
    """Check that calls may be handed in, and capture the context; work starts later."""
    with scheduler.lock:
        scheduler.check_open()
    inputs = None if fed_by_owner else intake.one_by_one(given, strict=strict)
    batch = new_batch(scheduler, options, fn, given, items=None, star=star)
    return BatchStream(batch, inputs, window=window, ordered=ordered, quick=intake.known(given))
