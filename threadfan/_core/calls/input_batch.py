"""A batch of one function under policies, whose inputs are first attempted as cheaply as under none.

``first_attempts`` runs inputs, and ``Attempts`` what has become a call, see ``input_calls``.

Guarantees: those of ``PolicyBatch``.  Calls that are tried again go before inputs; and an input is taken only by who
has a permit for it, so that they start in their order.
"""

from __future__ import annotations

from . import answers, endings, first_attempts, short_waits
from .batch import Batch
from .call_queue import Call
from .input_calls import InputCalls
from .near import NEAR, STAY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..limits.rate_waitlist import RateWaitlist
    from ..policies.cost import Permit
    from ..pool.work_queue import Actions, Session
    from .inputs import Entry

    Taken = Call | tuple[Entry, Permit | None] | tuple[()]


class InputBatch(InputCalls):
    """The queue of them."""

    def pending(self) -> int:
        """How many calls have not ended and do not run."""
        backlog = self.backlog
        return len(self.lane.calls) + len(backlog.undecided) + len(backlog.backing_off) + self.inputs.left()

    def ready(self) -> int:
        """How many of them wait for a slot alone: no inputs while a limit holds back the first, or it is paused."""
        if self.paused:
            return 0
        undecided, lane = len(self.backlog.undecided), self.lane
        return undecided if lane.shut else undecided + len(lane.calls) + self.inputs.left()

    def waiting(self) -> int:
        """How many of them back off or wait for a limit."""
        backing_off, lane = len(self.backlog.backing_off), self.lane
        return backing_off + len(lane.calls) + self.inputs.left() if lane.shut else backing_off

    def take(self) -> Taken | None:  # type: ignore[override]  # of several kinds
        """A call, an input with its permit, or ``STAY``."""
        found = self._take()
        if found:
            self._line_up_next()
        return found

    def _take(self) -> Taken | None:
        lane, backlog = self.lane, self.backlog
        if lane.shut or lane.calls or backlog.undecided:
            call = backlog.take()
            if call is not None or lane.shut:
                return call
        if not self.inputs.left():
            return None
        waitlist, clock = self.policies.waitlist, self.scheduler.clock
        if waitlist is None:
            entry = self.inputs.take()
            return None if entry is None else (entry, None)
        permit = waitlist.try_take(clock)
        if permit is None and short_waits.is_near(self):
            return STAY
        entry = self.inputs.take()
        if entry is None:
            if permit is not None:
                waitlist.give_back(permit, clock)
            return None
        if permit is None:
            backlog.entries.append(self.waits(entry))
            return backlog.take()
        return entry, permit

    def _line_up_next(self) -> None:
        """Put the next input in line if it has to wait: else a worker would come only to see that it has."""
        waitlist, lane = self.policies.waitlist, self.lane
        if waitlist is None or lane.shut or lane.calls or not self.inputs.left():
            return
        if not waitlist.is_near(self.scheduler.clock, NEAR):
            entry = self.inputs.take()
            if entry is not None:
                self.backlog.line_up(self.waits(entry))

    def feed(self, items: list[Any], now: float, numbers: Sequence[int] | None = None) -> None:
        """See ``Batch``."""
        if self.policies.waitlist is not None:
            with self.scheduler.lock:
                mark = self.backlog.limited(now)
            if mark:
                places = numbers or range(self.accepted, self.accepted + len(items))
                self.marks.update(dict.fromkeys(places, mark))
        Batch.feed(self, items, now, numbers)

    def discard(self, reason: BaseException, after: Actions) -> None:
        """End every call that does not run, and every input."""
        self._end(reason)
        endings.discard(self, reason, after)
        Batch.discard(self, reason, after)

    def inputs_under(self, waitlist: RateWaitlist) -> list[Call]:
        """Take out all inputs, if they wait for this limit."""
        if self.policies.waitlist is not waitlist:
            return []
        return [self.waits(entry) for entry in iter(self.inputs.take, None)]

    def run(self, session: Session) -> None:
        """Run what the session was sent for, and what follows."""
        try:
            if isinstance(session.first, Call):
                answers.run(self, session)
            else:
                first_attempts.run(self, session)
        finally:
            del self, session  # leave no cycle: see ``call_queue``
