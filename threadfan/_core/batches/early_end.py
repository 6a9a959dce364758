"""Why a stream is ended before all of its inputs are done, if that is no error: on a condition, or as its reader wants.

Its reader then gets what is left, with outcomes that say why, and no error.
"""

from __future__ import annotations

from ..base.generic import TYPE_CHECKING, Generic
from ..base.outcome import CANCELLED
from .completion import B

if TYPE_CHECKING:
    from .halting import Stops, Tally
    from .stopper import StreamTally


class EarlyEnd(Generic[B]):
    """That of one stream.

    Attributes:
        all_taken: there are no more inputs.
        moving: counts the outcomes that are handed out, if that is to be done.
    """

    __slots__ = ("_batch", "_reason", "_stops", "_tally", "all_taken", "moving")

    def __init__(self, batch: B) -> None:
        self._batch = batch
        self._reason: str | None = None
        self._stops: Stops | None = None
        self._tally: Tally | None = None
        self.all_taken: bool = False
        self.moving: StreamTally | None = None

    def stop_at(self, stops: Stops | None, tally: Tally | None = None) -> None:
        """Stop on conditions; to be said before any call can start.

        Args:
            tally: what they are asked of, if outcomes that are handed out need not be counted.
        """
        if stops is None:
            return
        self._stops, self._tally = stops, tally
        if tally is None:
            from .stopper import StreamTally  # on first use

            self._tally = self.moving = StreamTally(self._batch.collector)

    def begin(self) -> None:
        """The stream was enlisted: have the conditions looked after, from before the first call."""
        if self._stops is not None and self._tally is not None:
            from .stopper import Stopper

            Stopper(self._batch, self._stops, self._tally, self.end).begin()

    def end(self, message: str, *, running: bool) -> None:
        """End it, in whichever thread has seen that it is time to; the first reason is kept."""
        if self._reason is None:
            self._reason = message
        if not self._batch.done:
            self._batch.scheduler.timer.cancel(self._batch, None, message, running=running)

    def cancel(self) -> bool:
        """End it as its reader wants; False if there is nothing left."""
        found = not self._batch.done
        if found:
            self.all_taken = False  # for all that one knows
            self.end("the stream was cancelled", running=True)
        return found

    def why(self) -> str | None:
        """What has ended it."""
        reason = self._reason
        if reason is None and self._stops is not None and self._tally is not None and self._batch.ended:
            reason = self._stops.why(self._tally)  # nobody has had the time to look
        return reason

    def stopped(self) -> str | None:
        """Why inputs were left out; None if none was."""
        return None if self.all_taken and CANCELLED not in self._batch.collector.failures else self.why()
