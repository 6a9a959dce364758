"""What one can see of a batch while it runs, and do about it; the same for runs and for streams."""

from __future__ import annotations

from ..base.generic import TYPE_CHECKING, Generic, T
from ..base.given import whole
from ..base.texts import brief
from . import metering

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..calls.batch import Batch
    from ..events.progress import Gauge, Progress
    from .report import Report
    from .running import RunningCall


class Handle(Generic[T]):
    """A batch that runs."""

    _batch: Batch
    _gauge: Gauge | None = None  # made when first asked

    def done(self) -> bool:
        """Whether all calls have ended."""
        return self._batch.done

    def progress(self) -> Progress:
        """How far it is now: how many calls are done, failed, running and waiting, and how long it will take."""
        gauge = self._gauge
        if gauge is None:
            gauge = self._gauge = metering.gauge(self._batch, self._handed_out())
        return gauge.progress()

    def _handed_out(self) -> Callable[[], int]:
        """How many outcomes are no more in the batch."""
        return int

    def running(self) -> list[RunningCall]:
        """The calls that run now, oldest first, each with its input, its seconds and the line that its thread is in."""
        from .running import running

        return running(self._batch.scheduler, self._batch)

    def report(self) -> Report[T]:
        """The outcomes of the calls that have ended so far, in input order."""
        raise NotImplementedError

    # -- steering ----------------------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Whether it is paused."""
        return self._batch.paused and not self._batch.done

    def pause(self) -> None:
        """Start no further call until ``resume``; those that run go on.

        Closing the fan cancels the calls of a paused batch.

        Raises:
            RuntimeError: the fan is closed by now.
        """
        from ..calls.steering import pause

        pause(self._batch)

    def resume(self) -> None:
        """Start calls again after ``pause``."""
        from ..calls.steering import resume

        resume(self._batch)

    def cancel(self, index: int | None = None) -> bool:
        """Cancel one call, or all that are left: a queued call never starts, and a running one's scope is cancelled.

        A cancelled call has an outcome with the status ``cancelled``.

        Args:
            index: of the input; None for all that are left.

        Returns:
            Whether there was anything to cancel.

        Raises:
            IndexError: there is no such input, or it was not taken yet.
        """
        if index is None:
            return self._cancel_all()
        from ..calls.steering import cancel_call

        number = whole(index)
        if number is None:
            raise TypeError(f"index must be the place of an input, a whole number, not {brief(index)}")
        taken = self._taken_inputs()
        if not 0 <= number < taken:
            raise IndexError(f"there is no input {number}: {taken} were taken so far")
        return cancel_call(self._batch, number, self._has_ended)

    def _has_ended(self, index: int) -> bool:
        """Whether an outcome was taken out of the batch."""
        return False

    def _cancel_all(self) -> bool:
        raise NotImplementedError

    def _taken_inputs(self) -> int:
        return self._batch.accepted

    def __repr__(self) -> str:
        now = self.progress()
        of = "" if now.total is None else f" of {now.total}"
        state = "over" if self.done() else "paused" if self.paused else f"{now.running} running"
        return f"<{type(self).__name__} of {now.name}: {now.done}{of} done, {now.failed} failed, {state}>"
