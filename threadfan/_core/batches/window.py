"""The window between inputs and outcomes, which bounds how many are held between the two.

Inputs are taken only by whoever reads the outcomes, and at most ``window`` of them are taken and not yet handed out, so
that inputs may be endless and memory stays bounded.

Reader and threads take turns once a window, which costs some 50 microseconds: far more than short calls do.  So one
that nobody has asked for grows while calls are short and the reader is quick, and is as small as at first when not.
"""

from __future__ import annotations

from itertools import islice

from ..base import checks
from ..base.clock import FOREVER
from ..base.generic import TYPE_CHECKING, T
from ..pool.leaving import refuses
from . import intake
from .making import new_batch
from .stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sized
    from typing import Any

    from ..calls.batch import Batch
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from .halting import Stops
    from .intake import Given

PATIENCE = 0.001
"""Seconds that filling the window may take before outcomes that are ready go first.  Arbitrary: far above what it
takes to fill a window from memory, far below what a user notices."""

AHEAD = 0.002
"""Seconds between the taking of an input and the handing out of its outcome that a window may grow to.  Arbitrary: far
above what taking turns costs, far below what a user notices."""

WIDEST = 1024
"""Inputs in a window that has grown.  Arbitrary: wider ones are hardly faster."""

STEPS = 16
"""In so many a window that has grown is handed out.  Arbitrary: many against the two in which it is filled, few enough
that what is done between them costs nothing."""

_END = object()


class BatchStream(Stream["Batch", T]):
    """The window between the inputs and the outcomes of one function.

    Args:
        window: how many inputs may be taken and not yet handed out.
        elastic: whether it may be more of them while calls are short.
        quick: whether taking inputs neither blocks nor raises.
    """

    def __init__(
        self, batch: Batch, inputs: Iterator[object] | None, *, window: int, elastic: bool, ordered: bool, quick: bool
    ) -> None:
        super().__init__(batch, inputs, ordered=ordered)
        self.entries = batch.entries
        self._window = self._least = window
        self._elastic = elastic
        self._quick = quick
        self._mark = 0  # when so many outcomes are handed out, look how long that has taken
        self._marked = -FOREVER  # since this moment

    entries: Sized
    due: float
    step: int

    ahead = AHEAD
    """Seconds that a window may grow to, see there."""

    keeps = False
    """Whether outcomes that were handed out are kept."""

    def has_handed_out(self, index: int) -> bool:
        """Whether an outcome is no more in the batch, as far as that is known."""
        return self._ordered and index < self.yielded

    @property
    def taken(self) -> int:
        """How many inputs were taken."""
        return self.batch.accepted

    @property
    def room(self) -> int:
        """How many more inputs may be taken."""
        return self._window - (self.taken - self.yielded)

    def feed(self, items: list[object], now: float) -> None:
        """Have inputs called that were taken ``now``."""
        self.batch.feed(items, now)

    def handed_out(self, number: int) -> float:
        """So many are: take more inputs if half the window is free, or if there is room and threads have none left."""
        self.yielded = number
        if self._inputs is not None and (number >= self.due or (not self.entries and self.room > 0)):
            self.fill()
        return self.due

    def fill(self) -> None:
        """Take inputs until the window is full, they end, or outcomes are ready that should not wait any longer."""
        if self._inputs is None or self._must_end():
            return
        now = self._clock()
        if self._elastic:
            self._fit(now)
        self._take(self._inputs, max(0, self.room), now)
        self.due = FOREVER if self._inputs is None else self.taken - self._window / 2

    def _fit(self, now: float) -> None:
        """Make the window twice as wide if half of it was taken and handed out in ``ahead`` seconds, smaller if not.

        It is never more than twice what has shown so: one slow call in a hundred has to be in it.  And only what was
        taken since the last look shows anything: outcomes that have waited for a slow one, or for the reader, go out in
        no time.
        """
        took = now - self._marked
        if took < self.ahead and self.yielded < self._mark:
            return  # it is too early to tell
        wide = 2 * self._window if took < self.ahead else int(self._window * self.ahead / took)
        self._window = max(self._least, min(wide, WIDEST))
        self.step = max(1, (self._window - self._least) // STEPS)
        self._mark, self._marked = self.taken + self._window // 2, now

    def _take(self, inputs: Iterator[object], room: int, now: float) -> None:
        if self._quick:
            items = list(islice(inputs, room))
            if items:
                self.feed(items, now)
            if len(items) < room:
                self._end_of_inputs(all_taken=True)
            return
        for item in islice(inputs, room):
            self.feed([item], self._clock())
            room -= 1
            if self._must_end() or (self._has_next() and self._clock() - now > PATIENCE):
                return
        if room:
            self._end_of_inputs(all_taken=True)

    def _has_next(self) -> bool:
        """Whether an outcome can be handed out, which with ``ordered`` is the next one alone."""
        return self.yielded in self._results if self._ordered else bool(self._results)

    def _must_end(self) -> bool:
        """Whether no further input may be taken; then it was cut short."""
        batch = self.batch
        if batch.scheduler.closing or refuses(batch.scheduler.broken, batch.depth) or batch.ended:
            self._cut_short = True
            self._end_of_inputs(all_taken=self._quick and next(self._inputs or iter(()), _END) is _END)
        return self._cut_short

    def watch(self, wake: Callable[[], object]) -> bool:
        """See ``Reader.wait_for``."""
        return self.batch.reader.wait_for(wake, wanted=self.yielded if self._ordered else None, idle=self.idle)

    def stop_watching(self) -> None:
        """Nobody waits any more."""
        self.batch.reader.clear()


def window_of(scheduler: Scheduler, window: int | None) -> int:
    """How many inputs may be taken and not yet yielded; by default at first."""
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
    elastic: bool = False,
    star: bool = False,
    fed_by_owner: bool = False,
    halt: Stops | None = None,
    kind: type[BatchStream[Any]] | None = None,
) -> BatchStream[T]:
    """Check that calls may be handed in, and capture the context; work starts later."""
    with scheduler.lock:
        scheduler.check_open()
    inputs = None if fed_by_owner else intake.one_by_one(given, strict=strict)
    around = None if halt is None else halt.around()
    batch = new_batch(scheduler, options, fn, given, items=None, star=star, around=around)
    quick = intake.known(given)
    kind = BatchStream if kind is None else kind
    made = kind(batch, inputs, window=window, elastic=elastic, ordered=ordered, quick=quick)
    made.early.stop_at(halt)
    return made
