"""Where calls under rules wait: for a slot, for a rate limit, for the end of a back-off.

Guarantees: a call that backs off or waits for a limit holds neither a thread nor a slot; it counts as pending, so that
nothing is done before it is.  A permit is taken only by a thread that has a slot.
"""

from __future__ import annotations

from functools import partial

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED
from ..events import log
from ..policies.retry_after import LONG, LONGEST
from ..pool.deadline_timer import EVENT
from ..pool.work_queue import GRACE
from ..scope.alarms import set_alarm
from .hedging import HedgeAttempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from typing import Any

    from ..base.outcome import Raw
    from ..limits.waitlist import Waitlist
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, WorkQueue
    from .backlog import Lane
    from .call_queue import Call
    from .policies import Policies

    Base = WorkQueue
else:
    Base = object

NOBODY = "nobody waited for this call any more"


class PolicyQueue(Base):
    """What is mixed into a queue of calls that wait for more than a slot.

    Guarded by ``scheduler.lock``: all of it.  ``entries`` are the calls in their order; one that is tried again comes
    first. ``undecided`` are calls whose time was up and of which a policy of the user's is to be asked; they need no
    permit.
    """

    scheduler: Scheduler
    entries: Any  # a Backlog
    undecided: deque[Call]
    told_until = -FOREVER  # when the longest wait is over that an answer has asked for, and that has been said
    discards = 0  # how often all that waited was ended: what ran then is not tried again
    backing_off: dict[Call, Callable[[], None]]  # with what takes back the alarm
    held_since: float | None = None  # no entry may start before a line invites
    held_for = 0.0  # seconds, all in all
    pauses_before = 0
    lines: set[Waitlist]  # all that its calls may stand in
    until: float  # when the batch's time is up: no attempt is waited for beyond it

    # -- pulling -----------------------------------------------------------------------------------------------------

    def mend(self) -> None:
        """See ``WorkQueue.mend``."""
        self.entries.mend()

    def pending(self) -> int:
        """How many calls have not ended and do not run."""
        return len(self.entries) + len(self.undecided) + len(self.backing_off)

    def ready(self) -> int:
        """How many of them wait for a slot alone."""
        return len(self.undecided) + int(self.entries.ready)

    def take(self) -> Call | None:
        """The first call that its limit lets through, with its permit."""
        if self.undecided:
            return self._taken(self.undecided.popleft())
        entries = self.entries
        lane: Lane | None
        while (lane := entries.next_lane()) is not None:
            call = lane.first
            if call.policies is not None:
                lane.queue = self  # first: it may be invited at once
                if not self._let(call, call.policies, lane):
                    entries.shut(lane)
                    continue
                lane.queue = None
            entries.take(lane)
            self._let_through()
            return self._taken(call)
        if entries:
            self._hold()
        return None

    def _let(self, call: Call, policies: Policies, waiter: Any) -> bool:
        """Whether all limits let the call start now, which then has their permits; else the waiter stands in line."""
        state, clock, line, pace = call.state, self.scheduler.clock, policies.line, policies.pace
        if state.flaw is not None:
            return True
        if line is not None:
            state.permit = line.take(waiter, state.cost, clock)
            if state.permit is None:
                return False
        if pace is not None:
            state.start = pace.take(waiter, None, clock)
            if state.start is None:
                self._give_back(call)
                return False
        return True

    def _give_back(self, call: Call) -> None:
        state, policies, clock = call.state, call.policies, self.scheduler.clock
        (permit, state.permit), (start, state.start) = (state.permit, None), (state.start, None)
        if policies is not None and policies.line is not None and permit is not None:
            policies.line.give_back(permit, clock)
        if policies is not None and policies.pace is not None and start is not None:
            policies.pace.give_back(start, clock)

    def _taken(self, call: Call) -> Call:
        if call.policies is not None:
            call.state.discards = self.discards
        return call

    def limited(self, now: float) -> float:
        """Seconds that it has waited for limits until now."""
        return self.held_for + (0.0 if self.held_since is None else now - self.held_since)

    def limited_for(self, call: Call, now: float) -> float:
        """The same for those limits that this call stands in line for, where not all stand in the same."""
        return self.limited(now)

    def _hold(self) -> None:
        if self.held_since is None:
            self.held_since = self.scheduler.clock.monotonic()

    def _let_through(self) -> None:
        if self.held_since is not None:
            self.held_for += self.scheduler.clock.monotonic() - self.held_since
            self.held_since = None

    # -- as one who waits in lines -----------------------------------------------------------------------------------

    def can_start(self) -> bool:
        """Whether there is a slot for one of its calls, or a thread on its way that may take one."""
        free = self.scheduler.slots.free > 0 or self.scheduler.slots.waking > 0
        return free and self.group.active < self.group.limit

    def invite(self, lane: Lane) -> None:
        """A limit is open for the first call of a lane."""
        after: Actions = []
        with self.scheduler.lock:
            if self.entries.open(lane):
                self.scheduler.offer(self, after)
            else:
                lane.leave(self.scheduler.clock)
        self.scheduler.perform(after)

    def _leave_lines(self) -> None:
        self._let_through()
        self.entries.leave_lines()

    # -- between attempts: with the lock held, but for ``drop`` --------------------------------------------------------

    def _postpone(self, call: Call, wait: float, raw: Raw, after: Actions) -> bool:
        """Have another attempt made after so many seconds; False if nobody would wait for it."""
        now = self.scheduler.clock.monotonic()
        due = now + wait
        if not self.may_go_on(call) or due >= self.until:
            return False
        outer = self.outer_of(call)
        if outer is not None and outer.live and due >= outer.deadline:
            return False
        if wait > 0:
            self.backing_off[call] = set_alarm(self.scheduler.clock, due, partial(self._due, call, now), quick=True)
        else:
            self.put_first(call, after)
        self.scheduler.figures.count_retry()
        if log.in_use():
            tell = partial(
                log.call_retried, self.scheduler.name, self.function_of(call), raw, len(call.state.attempts), wait
            )
            after.append(lambda: self.scheduler.callbacks.tell(tell, EVENT))
        return True

    def may_go_on(self, call: Call) -> bool:
        """Whether nothing has happened since the attempt began that ends the call with it."""
        ended = self.ended or self.scheduler.broken or call.unwanted
        return not ended and call.state.discards == self.discards

    def _due(self, call: Call, since: float) -> None:
        after: Actions = []
        with self.scheduler.lock:
            if self.backing_off.pop(call, None) is not None:
                call.state.backoff = self.scheduler.clock.monotonic() - since
                self.put_first(call, after)
        self.scheduler.perform(after)

    def take_out(self, call: Call) -> bool:
        """Take a call out of the queue; False if a thread has it."""
        if call in self.entries:
            self.entries.remove(call)
            if not self.entries:
                self._leave_lines()
            return True
        return False

    def put_first(self, call: Call, after: Actions) -> None:
        """Queue a call before the others."""
        now = self.scheduler.clock.monotonic()
        call.state.joins(now, self.limited_for(call, now))
        self._queue_first(call, after)

    def _queue_first(self, call: Call, after: Actions) -> None:
        (self.entries if call.state.undecided is None else self.undecided).appendleft(call)
        if self.ready():
            self.scheduler.offer(self, after)

    def drop(self, call: Call) -> None:
        """Nobody waits for this call any more: do not wait with it."""
        after: Actions = []
        with self.scheduler.lock:
            queue: Any = call.queue  # which may be another by now, see ``Scheduler.promote``
            queue.withdraw(call, after)
        self.scheduler.perform(after)

    def withdraw(self, call: Call, after: Actions) -> bool:
        """End a call that does not run; False if it is not here."""
        take_back = self.backing_off.pop(call, None)
        if take_back is not None:
            take_back()
        elif call in self.entries:
            self.entries.remove(call)
        elif call in self.undecided:
            self.undecided.remove(call)
        else:
            session = call.session
            if session is not None and call.state is not None and call.state.asking:
                self.scheduler.timer.end(session, call, CANCELLED, TaskCancelled(NOBODY), after, grace=GRACE)
            return False
        if not self.entries:
            self._leave_lines()
        self._abandon(call, TaskCancelled(NOBODY), after)
        if self.scheduler.closing:  # it may have been the last, and no thread would notice
            self.scheduler.dismiss_if_quiet(after)
        return True

    def discard(self, reason: BaseException, after: Actions) -> None:
        """End every call that does not run."""
        backing_off, self.backing_off = self.backing_off, {}
        for take_back in backing_off.values():
            take_back()
        waiting = [*self.entries, *self.undecided, *backing_off]
        self.entries.clear()
        self.undecided.clear()
        self.discards += 1
        self._leave_lines()
        for session in [session for session in self.scheduler.draining if session.queue is self]:
            for call in session.claim.copy():
                if call.state is not None and call.state.asking:  # it has not begun
                    self.scheduler.timer.end(session, call, CANCELLED, reason, after, grace=GRACE)
        for call in waiting:
            if isinstance(call, HedgeAttempt) and call.race is not None:
                call.race.drop(call)
            else:
                self._abandon(call, reason, after)
        if self.scheduler.closing:  # these may have been the last that anybody waited for
            self.scheduler.dismiss_if_quiet(after)

    def _abandon(self, call: Call, reason: BaseException, after: Actions) -> None:
        """A call will not be tried (again)."""
        raise NotImplementedError

    def told_to_wait(self, call: Call, seconds: float) -> None:
        """An answer asks to wait so long; one that asks for a long time is said once.  In a worker, without a lock."""
        if seconds < LONG:
            return
        until = self.scheduler.clock.monotonic() + seconds
        with self.scheduler.lock:
            news = until > self.told_until + LONG
            self.told_until = max(until, self.told_until)
        if news:
            log.told_to_wait(self.scheduler.name, self.function_of(call), seconds, LONGEST)

    def pauses(self) -> int:
        """How often its limits have had all calls pause since it was made."""
        return sum(int(line.limit.overloads) for line in self.lines) - self.pauses_before

    def limits(self) -> set[Waitlist]:
        """What its calls may stand in line for."""
        return self.lines

    def waiting(self) -> int:
        """How many back off or wait for a limit."""
        return len(self.backing_off) + len(self.entries) - int(self.entries.ready)
