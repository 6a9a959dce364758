"""What stops a stream on a condition, whoever reads it: the threads that end calls look whether it is met.

A stream's reader may be long about an outcome, or have gone away for a while; and calls that are to be paid for do not
wait for him.  So each call after which a condition may be met has its thread look; where failures are counted, that is
each failure.

Guarantees: whoever changes what is counted does so first and then looks, so none is missed.  Outcomes that are handed
out meanwhile are counted once.  When the stream has ended, nothing leads from the engine to it any more.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

from ..base import forks
from ..base.generic import TYPE_CHECKING
from ..base.locks import Lock
from ..base.outcome import START, STATUS, SUCCEEDED
from ..calls.batch import Batch
from ..calls.reader import Reader
from .lifetime import at_end

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from ..base.outcome import Raw
    from ..calls.collector import Collector
    from .halting import Stops, Tally
    from .task_group import TaskGroup

    class End(Protocol):
        """Ends what is to stop."""

        def __call__(self, message: str, *, running: bool) -> object:
            """For this reason; with the calls that run, if ``running``."""


class Stopper:
    """Looks whether a batch is to stop, from the moment that it is enlisted until it has ended.

    Args:
        stops: the conditions.
        tally: what they are asked of.
        end: called when one is met.
    """

    def __init__(self, batch: Batch | TaskGroup, stops: Stops, tally: Tally, end: End) -> None:
        self._batch, self._stops, self._tally, self._end = batch, stops, tally, end
        self._kinds = stops.kinds()

    def begin(self) -> None:
        """Look from now on; to be called before any call can start."""
        batch, spending = self._batch, self._stops.spending
        batch.ended_by = partial(self._stops.why, self._tally)
        batch.collector.most_failures = self._stops.failures()
        if not isinstance(batch, Batch):
            batch.told = self.look if self._kinds else None
        elif self._kinds - {"fail"}:
            batch.reader = WatchedReader(self.look)
        if spending is not None:
            batch.collector.spending = spending
            spending.begin((batch.ended, batch.barred) if isinstance(batch, Batch) else (batch.ended,), self.look)
        at_end(batch, self._let_go)
        self.look()

    def look(self) -> None:
        """Stop it if it is time to."""
        batch = self._batch
        if batch.done:
            return
        # Be told of the next failure first: one sees the other.  Who is in the list already will be told.
        if "fail" in self._kinds and self.look not in batch.collector.on_first_failure:
            with batch.scheduler.lock:
                told = batch.collector.on_first_failure
                if self.look not in told:
                    told.append(self.look)
        reached = self._stops.reached(self._tally)
        if reached is not None:
            message, now = reached
            self._kinds = set()
            self._end(message, running=now)

    def _let_go(self) -> None:
        batch, spending = self._batch, self._stops.spending
        with batch.scheduler.lock:
            told = batch.collector.on_first_failure
            if self.look in told:
                told.remove(self.look)
        if isinstance(batch, Batch):
            batch.reader.let_go()
        else:
            batch.told = None
        if spending is not None:
            spending.let_go()


class WatchedReader(Reader):
    """A reader beside somebody who looks at each call that has ended.

    Args:
        look: called then.
    """

    __slots__ = ("_waiting",)

    def __init__(self, look: Callable[[], object]) -> None:
        super().__init__()
        self.wakes.append(look)  # so that threads tell of every call
        self._waiting: list[Callable[[], object]] = []  # what wakes the reader, while it waits

    def wait_for(self, wake: Callable[[], object], *, wanted: int | None, idle: Callable[[], bool]) -> bool:
        """As of any."""
        self.wanted = wanted
        self._waiting.append(wake)
        if idle():
            return True
        self._waiting.clear()
        return False

    def waiting(self) -> list[Callable[[], object]]:
        """As of any."""
        return self._waiting

    def tell(self, index: int) -> None:
        """As of any; but first somebody looks."""
        for look in self.wakes.copy():
            look()
        super().tell(index)

    def wake(self) -> None:
        """As of any."""
        try:
            wake = self._waiting.pop()
        except IndexError:  # another thread was first
            return
        wake()

    def clear(self) -> None:
        """As of any."""
        self._waiting.clear()

    def let_go(self) -> None:
        """There is nothing more to look at."""
        self.wakes.clear()


class StreamTally:
    """The calls of a stream that have ended, whether or not their outcomes were handed out.

    Args:
        collector: has those that were not.
    """

    unit: str = "call"

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._out = self._out_with_value = 0  # guarded by the lock
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork too, nobody is just counting."""
        self.lock: Lock = Lock()  # also held while outcomes go from the collector to the reader: each is counted once

    @contextmanager
    def moving(self, ready: deque[Raw]) -> Iterator[None]:
        """A block in which outcomes go from the collector to the end of ``ready``."""
        with self.lock:
            before = len(ready)
            yield
            new = [ready[place] for place in range(before - len(ready), 0)]
            self._out += len(new)
            self._out_with_value += sum(map(_was_called, new))

    def failed(self) -> int:
        """See ``Tally``."""
        return self._collector.failed()

    def without(self) -> int:
        """See ``Tally``."""
        return self._collector.without()

    def ended(self) -> int:
        """See ``Tally``."""
        with self.lock:
            return self._out + self._collector.ended()

    def succeeded(self) -> int:
        """See ``Tally``."""
        with self.lock:
            return self._out_with_value + sum(map(_was_called, self._collector.in_order_of_ends().copy().values()))


def _was_called(raw: Raw) -> bool:
    """Whether it has a value from a call of this run, and not from a journal."""
    return raw[STATUS] is SUCCEEDED and raw[START] is not None
