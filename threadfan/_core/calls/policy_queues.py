"""Queues of calls under policies: those that may be tried again, or wait for a rate limit, or are attempted twice.

The general path with three more steps: a permit before an attempt, a verdict after it, and a due time for the next.
What these queues have, and which other files do their work, is said in ``policy_queue``; here is where outcomes go.
"""

from __future__ import annotations

from functools import partial
from itertools import count

from ..base.clock import FOREVER
from ..base.outcome import INDEX, STATUS, SUCCEEDED
from ..events import log
from . import answers, endings
from .call_queue import CallQueue
from .inputs import Inputs
from .lane_backlog import LaneBacklog
from .long_waits import LongWaits
from .outcomes import cancelled
from .task_batch import TaskBatch, TaskCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Context

    from ..base.generic import OneInput
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..limits.waitlist import Waitlist
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, ConcurrencyLimit
    from ..scope.scope import Scope
    from .backlog import Backlog
    from .call_queue import Call
    from .policies import Policies


class PolicyCallQueue(CallQueue):
    """Single calls under the same policies."""

    backlog: Backlog
    until = FOREVER

    def __init__(self, scheduler: Scheduler, cap: ConcurrencyLimit, depth: int, waitlists: set[Waitlist]) -> None:
        super().__init__(scheduler, cap, depth)
        self.backlog = LaneBacklog(self, scheduler, waitlists)
        self.long_waits = LongWaits(scheduler)

    # -- the backlog: with the lock held -----------------------------------------------------------------------------

    pending, ready, waiting, mend = answers.pending, answers.ready, answers.waiting, answers.mend
    take = answers.take  # type: ignore[assignment]  # it may be ``STAY``
    limited, pauses, limits = answers.limited, answers.pauses, answers.limits

    def add(self, call: Call, after: Actions) -> None:
        """Queue a call."""
        call.queue = self
        now = self.scheduler.clock.monotonic()
        call.state.joins(now, self.backlog.limited(now))
        self.accepted += 1
        self.backlog.entries.append(call)
        if self.ready():
            self.scheduler.offer(self, after, eager=True)

    def remove(self, call: Call) -> bool:
        """Take a call out of the queue; False if it has left already."""
        found = self.backlog.take_out(call)
        if found:
            self.accepted -= 1
        return found

    # -- attempts and ends -------------------------------------------------------------------------------------------

    run, begins = answers.run, answers.begins
    inputs_under = answers.no_inputs_under

    def settle(self, key: Call, raw: Raw, after: Actions) -> bool:
        """An attempt was ended from outside."""
        return endings.settle(self, key, raw, after)

    def drop(self, call: Call) -> None:
        """Nobody waits for this call any more: do not wait with it.  Without the lock."""
        after: Actions = []
        with self.scheduler.lock:
            queue = call.queue  # which may be another by now, see ``registry``
            if isinstance(queue, PolicyCallQueue):
                queue.withdraw(call, after)
        self.scheduler.perform(after)

    def withdraw(self, call: Call, after: Actions) -> bool:
        """End a call that does not run; False if it is not here."""
        return endings.withdraw(self, call, after)

    def discard(self, reason: BaseException, after: Actions) -> None:
        """End every call that does not run."""
        endings.discard(self, reason, after)

    def orphan(self, reason: BaseException) -> None:
        """Each future tells the reason to whoever looks at it."""
        self.backlog.forget()
        super().orphan(reason)

    # -- where outcomes go -------------------------------------------------------------------------------------------

    def finish(self, call: Call, raw: Raw) -> None:
        """The call has its outcome.  In a worker, without the lock."""
        if raw[STATUS] is not SUCCEEDED:
            with self.scheduler.lock:
                self.failed += 1
        call.deliver(raw)

    def finish_locked(self, call: Call, raw: Raw, after: Actions) -> bool:
        """The same of a call that was ended from outside, and counted as failed."""
        return super().settle(call, raw, after)

    def abandon_locked(self, call: Call, reason: BaseException, after: Actions) -> None:
        """A call will not be tried (again)."""
        if call.state.attempts:  # begun
            self.failed += 1
            call.settle(self.scheduler, cancelled(call, reason, self.scheduler.clock.monotonic()), after)
        else:
            call.refuse(reason, after)
        self.left()

    # -- what is asked about a call ----------------------------------------------------------------------------------

    timeout_of, waited_of = answers.timeout_of, answers.waited_of
    permits_of, figures_of = answers.permits_of, answers.figures_of

    def add_usage(self, key: Call, usage: Usage) -> None:
        """Only the call's own thread notes any."""
        answers.note_usage(key, usage)
        super().add_usage(key, usage)


class PolicyBatch(TaskBatch):
    """A batch of calls under policies; those of ``gather`` may each have their own.

    Args:
        calls: all of them, if they are known; else inputs are fed.
        waitlists: all that they may stand in.
        make: the call of an input that is fed, by its place and when it was taken; None if each call has policies of
            its own.
    """

    backlog: LaneBacklog

    def __init__(
        self,
        scheduler: Scheduler,
        cap: ConcurrencyLimit,
        depth: int,
        fn: OneInput,
        *,
        calls: list[TaskCall] | None = None,
        waitlists: set[Waitlist],
        name: str,
        context: Context,
        outer: Scope | None = None,
        make: Callable[[object, int, float], TaskCall] | None = None,
    ) -> None:
        super().__init__(scheduler, cap, depth, fn, name=name, items=calls, timeout=None, context=context, outer=outer)
        self.collector.judged = True
        self.inputs = Inputs(None, self.since)  # which would know the calls
        self._make = make
        self.backlog = LaneBacklog(self, scheduler, waitlists)
        self.entries = self.backlog.entries
        self.long_waits = LongWaits(scheduler)
        for call in calls or ():
            self.backlog.entries.append(call)

    # -- the backlog: with the lock held, but for ``feed`` -------------------------------------------------------------

    pending, ready, waiting, mend = answers.pending, answers.ready, answers.waiting, answers.mend
    take = answers.take  # type: ignore[assignment]  # its entries are calls
    limited, pauses, limits = answers.limited, answers.pauses, answers.limits

    def feed(self, items: list[object], now: float, numbers: Sequence[int] | None = None) -> None:
        """See ``Batch``."""
        first, make = self.accepted, self._make
        places = zip(numbers or count(first), items, strict=False)
        calls = [] if make is None else [make(item, place, now) for place, item in places]
        after: Actions = []
        with self.scheduler.lock:
            for call in calls:
                call.state.joins(now, self.backlog.limited(now, call))
            last = first + len(items)
            self.inputs.feeding = first, items, now
            self.accepted = last
            for call in calls:
                self.backlog.entries.append(call)
            if self.ended:
                self.discard_late(after)
            elif self.ready():
                self.scheduler.offer(self, after)
        self.scheduler.perform(after)
        self.inputs.feeding = None

    # -- attempts and ends -------------------------------------------------------------------------------------------

    run, begins = answers.run, answers.begins
    inputs_under = answers.no_inputs_under

    def settle(self, key: Call, raw: Raw, after: Actions) -> bool:
        """Store the outcome of a call that was ended from outside, unless it is tried again."""
        final = endings.settle(self, key, raw, after)
        after.append(partial(self.reader.tell, raw[INDEX]))
        return final

    def discard(self, reason: BaseException, after: Actions) -> None:
        """End every call that does not run."""
        self._end(reason)
        endings.discard(self, reason, after)
        after.append(self.reader.wake)
        self.scheduler.check_done(self, after)

    def orphan(self, reason: BaseException) -> None:
        """In the child of a fork: what is missing was cancelled here; the consumer gets the reason."""
        self.backlog.forget()
        super().orphan(reason)

    # -- where outcomes go -------------------------------------------------------------------------------------------

    def finish(self, call: Call, raw: Raw) -> None:
        """The call has its outcome.  In a worker, without the lock."""
        self._note(call)
        if raw[STATUS] is SUCCEEDED:
            self.collector.results[raw[INDEX]] = raw
        else:
            self.store_failure(raw)
        call.forget()
        self.reader.tell(raw[INDEX])

    def finish_locked(self, call: Call, raw: Raw, after: Actions) -> bool:
        """The same of a call that was ended from outside, and counted as failed."""
        self._note(call)
        return super().settle(call, raw, after)

    def abandon_locked(self, call: Call, reason: BaseException, after: Actions) -> None:
        """A call will not be tried (again)."""
        self._note(call)
        raw = cancelled(call, reason, self.scheduler.clock.monotonic())
        self.collector.results[raw[INDEX]] = raw
        self.failed += 1
        self.collector.count(raw[STATUS])

    def _note(self, call: Call) -> None:
        if call.policies is not None and call.index is not None:
            self.collector.attempts[call.index] = call.state.attempts

    # -- what is asked about a call ----------------------------------------------------------------------------------

    timeout_of, waited_of = answers.timeout_of, answers.waited_of
    permits_of, figures_of = answers.permits_of, answers.figures_of

    def function_of(self, key: Call) -> str:
        """The name of the batch's function, or the task's own."""
        return self.name if self._make is not None else log.as_quiet(self.name, super().function_of(key))

    def add_usage(self, key: Call, usage: Usage) -> None:
        """Only the call's own thread notes any."""
        answers.note_usage(key, usage)
        super().add_usage(key, usage)


def policy_call(
    policies: Policies,
    timeout: float | None,
    fn: OneInput,
    several: bool,
    adapt: Callable[[Callable[..., object]], Callable[..., object]] | None,
    context: Context,
    item: object,
    index: int,
    now: float,
) -> TaskCall:
    """The call of a batch for one item.

    Args:
        several: whether the item is a tuple of what the user's function takes.
        adapt: makes of a fallback what takes the item.
    """
    call = TaskCall(item, index, fn, (item,), {}, context, timeout, now)
    args: tuple[object, ...] = item if several else (item,)  # type: ignore[assignment]  # what several says
    call.policies, call.state = policies, policies.state(args, {}, now)
    if policies.fallback is not None:
        call.adapt = adapt
    return call
