"""Single calls under policies whose first attempt is as cheap as a call under none.

Most calls succeed at once, and then nothing needs to be known of them but their outcome.  So they are run by a loop
like that of ``CallQueue``, with a permit before and a look after (``first_call_loop``).  A call gets a state of its own
(``Call.state``) only when something happens to it: its first attempt fails or is ended from outside, a limit does not
let it start, it is attempted a second time, or its function asks for its scope.  What has a state waits in the backlog,
and goes the general way, see ``Attempts``.

Guarantees: those of ``PolicyCallQueue``.  Calls that are tried again go before those that have not begun; and of those
one is taken only by who has a permit for it, so that they start in their order.
"""

from __future__ import annotations

from collections import OrderedDict

from ..base.errors import TaskCancelled
from . import answers, endings, first_call_loop
from .call_queue import Call, CallQueue
from .first_calls import FirstCalls
from .near import NEAR
from .outcomes import NOBODY
from .policies import AttemptState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..limits.rate_waitlist import RateWaitlist
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, ConcurrencyLimit, Session
    from .policies import Policies

    Waiting = OrderedDict[Call, None]
else:
    Waiting = OrderedDict


class Entries(Waiting):
    """Calls in their order, as a deque has them; each can be taken out at once, however many there are."""

    def append(self, call: Call) -> None:
        """Add a call behind all others."""
        self[call] = None

    def popleft(self) -> Call:
        """Take out the first; IndexError if there is none."""
        try:
            return self.popitem(last=False)[0]
        except KeyError:
            raise IndexError from None

    def remove(self, call: Call) -> None:
        """Take a call out; ValueError if it is not there."""
        try:
            del self[call]
        except KeyError:
            raise ValueError from None


class FirstCallQueue(FirstCalls):
    """The queue of them."""

    def __init__(self, scheduler: Scheduler, cap: ConcurrencyLimit, depth: int, policies: Policies) -> None:
        super().__init__(scheduler, cap, depth, policies)
        self.entries = Entries()  # type: ignore[assignment]  # as far as it is used

    # -- who waits: with the lock held -------------------------------------------------------------------------------

    def pending(self) -> int:
        """How many calls have not ended and do not run."""
        return self.backlog.pending() + len(self.entries)

    def ready(self) -> int:
        """How many of them wait for a slot alone: none that has not begun while a limit holds back the first."""
        return self.backlog.ready() + (0 if self.lane.shut else len(self.entries))

    def waiting(self) -> int:
        """How many of them back off or wait for a limit."""
        return self.backlog.waiting() + (len(self.entries) if self.lane.shut else 0)

    def add(self, call: Call, after: Actions) -> None:
        """Queue a call."""
        backlog = self.backlog
        if call.state is not None:
            super().add(call, after)
            return
        if backlog.discards or call.taken is not Call.taken:
            call.taken = backlog.discards, None, 0.0
        if backlog.held_for or self.lane.shut:
            call.mark = backlog.limited(self.scheduler.clock.monotonic())
        if self.lane.shut:  # who is invited comes for it too
            call.queue = self
            self.accepted += 1
            self.entries.append(call)
        else:
            CallQueue.add(self, call, after)

    def take(self) -> Call | tuple[()] | None:  # type: ignore[override]  # it may be ``STAY``
        """A call with its permits, if it needs any, or ``STAY``; the next one stands in line then, if it has to."""
        found = self.take_one()
        if found:
            self._line_up_next()
        return found

    def take_one(self) -> Call | tuple[()] | None:
        """The same, by a worker that stays, so that none is woken for the next one."""
        lane, backlog, waitlist, clock = self.lane, self.backlog, self.policies.waitlist, self.scheduler.clock
        if lane.shut or lane.calls or backlog.undecided:
            found = backlog.take()
            if found is not None or lane.shut:
                return found
        if waitlist is None:
            return CallQueue.take(self)
        if not self.entries:
            return None
        permit = waitlist.try_take(clock)
        call = self.entries.popleft()
        if permit is None:
            backlog.entries.append(self._waits(call))
            return backlog.take()
        call.taken = call.taken[0], permit, backlog.held_for
        return call

    def _line_up_next(self) -> None:
        """Put the next call in line if it has to wait: else a worker would be woken only to see that it has."""
        waitlist, lane = self.policies.waitlist, self.lane
        if waitlist is None or lane.shut or lane.calls or not self.entries:
            return
        if not waitlist.is_near(self.scheduler.clock, NEAR):
            self.backlog.line_up(self._waits(self.entries.popleft()))

    def _waits(self, call: Call) -> Call:
        """The limit does not let it start: it is to stand in line, and those behind it wait for it."""
        state = call.state = AttemptState(None, call.since)
        state.mark = call.mark
        return call

    def remove(self, call: Call) -> bool:
        """Take a call out of the queue; False if it has left already."""
        if call.state is None:
            return CallQueue.remove(self, call)
        found = super().remove(call)
        self._fill_line()
        return found

    def withdraw(self, call: Call, after: Actions) -> bool:
        """End a call that does not run; False if it is not here."""
        if call.state is not None:
            return super().withdraw(call, after)
        found = self.entries.pop(call, call) is None
        if found:
            call.refuse(TaskCancelled(NOBODY), after)
            self.left()
            endings.notice_last(self, after)
        return found

    def abandon_locked(self, call: Call, reason: BaseException, after: Actions) -> None:
        """A call will not be tried (again)."""
        self._fill_line()  # first: whoever looks whether anything is left to do finds those behind it waiting
        super().abandon_locked(call, reason, after)

    def _fill_line(self) -> None:
        """If it was the one in line that has gone, the next one takes its place."""
        lane = self.lane
        if self.policies.waitlist is not None and self.entries and not lane.calls and not lane.shut:
            self.backlog.line_up(self._waits(self.entries.popleft()))

    def discard(self, reason: BaseException, after: Actions) -> None:
        """End every call that does not run."""
        while (call := CallQueue.take(self)) is not None:
            call.refuse(reason, after)
        super().discard(reason, after)

    def inputs_under(self, waitlist: RateWaitlist) -> list[Call]:
        """Take out all that has not begun, if it waits for this limit."""
        found = list(iter(lambda: CallQueue.take(self), None)) if self.policies.waitlist is waitlist else []
        for call in found:
            self.state_of(call, call.since)
        return found

    # -- attempts: without the lock ------------------------------------------------------------------------------------

    def run(self, session: Session) -> None:
        """Run calls one after another: those that have not begun by a loop of their own."""
        try:
            if session.first is None:  # it was sent here for whatever there is, see ``Crew.send``
                self.take_next(session)
            if session.first and session.first.state is None:
                first_call_loop.run(self, session)
            if session.first is not None:
                answers.run(self, session)
        finally:
            del self, session  # leave no cycle: see ``call_queue``
