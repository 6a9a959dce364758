"""Outcomes handed out one by one, in the order of the inputs or as calls end."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import count

from ..base.errors import FanClosed
from ..base.generic import TYPE_CHECKING, Generic, T
from ..base.outcome import INDEX, Outcome
from .completion import B
from .early_end import EarlyEnd
from .figures import parts
from .lifetime import enlist, tell_end
from .report import Report

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator, Sized

    from ..base.outcome import Raw
    from ..calls.batch import Batch
    from ..pool.work_queue import Actions
    from .task_group import TaskGroup


class Stream(Generic[B, T]):
    """Hands out the outcomes of a batch, or of a group of tasks, as calls end; used by one consumer, sync or async.

    A subclass says how inputs are taken meanwhile.

    Args:
        inputs: an iterator over items; None if nobody has to take them, or the owner feeds the batch itself.
        ordered: hand out outcomes in input order, not in completion order.
    """

    make: Callable[..., Report[T]] = Report
    """Makes a report of outcomes and figures."""

    def __init__(self, batch: B, inputs: Iterator[object] | None, *, ordered: bool) -> None:
        self.batch = batch
        self._collector = batch.collector
        self._results = batch.collector.in_order_of_ends()
        self._inputs = inputs
        self._ordered = ordered
        self._clock = batch.scheduler.clock.monotonic
        self._cut_short = self._finalizing = False
        self.early: EarlyEnd[B] = EarlyEnd(batch)
        self._wall: float | None = None  # seconds from the start to the end
        self.yielded = 0
        self.due: float = 0
        """``handed_out`` is to be called when so many are."""
        self.step = 1
        """How many may be handed out before one looks whether that is so."""
        self.entries: Sized = ()
        """The inputs that no thread has begun; when there are none, ``handed_out`` is to be called as well."""

    # -- what subclasses say -----------------------------------------------------------------------------------------

    def handed_out(self, number: int) -> float:
        """So many outcomes are handed out: take more inputs if it is time to; what is ``due`` now."""
        raise NotImplementedError

    def fill(self) -> None:
        """Take inputs until there is no room, they end, or outcomes are ready that should not wait any longer."""
        raise NotImplementedError

    def watch(self, wake: Callable[[], object]) -> bool:
        """Have ``wake()`` called when there is something to hand out; False if there is no need to wait."""
        raise NotImplementedError

    def stop_watching(self) -> None:
        """Nobody waits any more."""
        raise NotImplementedError

    # -- handing out -------------------------------------------------------------------------------------------------

    prepare: Callable[[], object] | None = None
    """To be done before it is enlisted, if anything is; may block."""
    rest: Callable[[], object] | None = None
    """To be done before a thread waits for the next outcome, if anything is; may sleep for a moment."""
    finish: Callable[[], object] | None = None
    """To be done at the very end, if anything is; may block, so that it is done elsewhere for the garbage collector."""

    def enlist(self, listeners: Actions) -> None:
        """Let threads at it; the listeners are called when it is done."""
        enlist(self.batch, listeners)
        self.early.begin()

    def harvest(self, ready: deque[Raw]) -> None:
        """Add to ``ready`` the outcomes that can be handed out now.

        Guarantee: no exception of a signal loses any.  One call of C takes them from the one place to the other.
        """
        moving = self.early.moving
        if moving is None:
            self._move(ready)
        else:
            with moving.moving(ready):
                self._move(ready)

    def _move(self, ready: deque[Raw]) -> None:
        results = self._results
        if not self._ordered:
            ready.extend(map(results.pop, list(results)))
        elif self.yielded in results:
            with suppress(KeyError):  # of the first that is not there; those before it are in ``ready``
                ready.extend(map(results.pop, count(self.yielded)))

    def maker(self) -> Callable[[Raw], Outcome[T]]:
        """What makes the outcomes of calls that have ended by now: most often nothing more was noted of them."""
        return self.outcome if self._collector.usages or self._collector.attempts else Outcome

    def outcome(self, raw: Raw) -> Outcome[T]:
        """An outcome, as it is handed out."""
        collector = self._collector
        usage = collector.take_usage(raw[INDEX]) if collector.usages else None
        return Outcome(raw, None, usage, collector.take_attempts(raw[INDEX]) if collector.attempts else None)

    def forget(self, index: int) -> None:
        """What was noted of a call whose value alone is handed out: inputs may be endless."""
        collector = self._collector
        if collector.usages:
            collector.take_usage(index)
        if collector.attempts:
            collector.take_attempts(index)

    def idle(self) -> bool:
        """Whether there is nothing to hand out although more may come: the consumer should wait."""
        if self.batch.done:
            return False
        return self.yielded not in self._results if self._ordered else not self._results

    # -- ending ------------------------------------------------------------------------------------------------------

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
        if (self._cut_short or self.batch.ended) and self.early.why() is None:
            raise FanClosed("the fan was closed before this stream had ended; what was left is cancelled")

    def check_wanted(self) -> None:
        """Raise if the call or block that consumes the stream has ended."""
        if self.batch.outer is not None:
            self.batch.outer.check()

    def _end_of_inputs(self, *, all_taken: bool = False) -> None:
        self._inputs = None
        self.early.all_taken = all_taken
        self.batch.close()

    def cut(self, *, running: bool, finalizing: bool = False) -> None:
        """The consumer has gone: cancel what is queued, and what runs too if ``running``.

        Args:
            finalizing: whether it may be the garbage collector who says so.
        """
        self._finalizing = finalizing
        self.stop_watching()  # it may lead back here
        cut(self.batch, "the stream was closed", running=running, finalizing=finalizing)

    def left(self) -> list[Raw]:
        """The outcomes that were not taken by ``harvest``; complete once the batch is done."""
        return list(self._results.values())

    def report(self, raws: list[Raw]) -> Report[T]:
        """A report of these outcomes."""
        wall = self._clock() - self.batch.since if self._wall is None else self._wall
        found = parts(self.batch, wall, taken=True)
        found["usages"], found["attempts"] = dict(found["usages"]), dict(found["attempts"])  # which may go on
        stopped = self.early.stopped()
        if stopped is not None:
            found["stopped"] = stopped
        return self.make(raws, **found)

    def tell_end(self) -> None:
        """It has ended; the event of the batch."""
        self._wall = self._clock() - self.batch.since
        tell_end(self.batch, self._wall)
        finish, self.finish = self.finish, None
        if finish is not None and self._finalizing:
            self.batch.scheduler.decisions.hand_over(finish)
        elif finish is not None:
            finish()


def cut(batch: Batch | TaskGroup, message: str, *, running: bool, finalizing: bool = False) -> None:
    """Cancel what is queued of a batch that nobody reads any more, and what runs too if ``running``."""
    if not batch.done:
        cancel = partial(batch.scheduler.timer.cancel, batch, None, message, running=running)
        if finalizing:
            batch.scheduler.decisions.hand_over(cancel)
        else:
            cancel()
