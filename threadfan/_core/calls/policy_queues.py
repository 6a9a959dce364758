"""Queues of calls under rules: those that may be tried again, or wait for a rate limit, or are attempted twice.

The general path with three more steps: a permit before an attempt, a verdict after it, and a due time for the next.
"""

from __future__ import annotations

from collections import deque
from functools import partial

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.outcome import SUCCEEDED
from .attempts import PolicyAttempts
from .backlog import Backlog
from .call_queue import CallQueue
from .inputs import Inputs
from .task_batch import TaskBatch, TaskCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context
    from typing import Any

    from ..base.outcome import Raw
    from ..limits.waitlist import Waitlist
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, ConcurrencyLimit
    from .call_queue import Call
    from .options import Options


class PolicyCallQueue(PolicyAttempts, CallQueue):
    """Single calls under the same rules."""

    until = FOREVER

    def __init__(self, scheduler: Scheduler, group: ConcurrencyLimit, depth: int, lines: set[Waitlist]) -> None:
        super().__init__(scheduler, group, depth)
        self.backing_off, self.undecided = {}, deque()
        self.entries: Any = Backlog(scheduler.clock)
        self.lines = lines

    def add(self, call: Call, after: Actions) -> None:
        """Queue a call.  With the lock held."""
        call.queue = self
        now = self.scheduler.clock.monotonic()
        call.state.joins(now, self.limited(now))
        self.accepted += 1
        self.entries.append(call)
        if self.ready():
            self.scheduler.offer(self, after, eager=True)

    def remove(self, call: Call) -> bool:
        """Take a call out of the queue; False if it has left already.  With the lock held."""
        found = super().remove(call)
        if found and not self.entries:
            self._leave_lines()
        return found

    def _finish(self, call: Call, raw: Raw) -> None:
        if raw[3] is not SUCCEEDED:
            with self.scheduler.lock:
                self.failed += 1
        call.deliver(raw)

    def _abandon(self, call: Call, reason: BaseException, after: Actions) -> None:
        if call.state.attempts:  # begun
            self.failed += 1
            call.settle(self.scheduler, self._cancelled(call, reason), after)
        else:
            call.refuse(reason, after)
        self.left()

    def orphan(self, reason: BaseException) -> None:
        """Each future tells the reason to whoever looks at it."""
        self.backing_off.clear()
        self.undecided.clear()
        super().orphan(reason)


class PolicyBatch(PolicyAttempts, TaskBatch):  # type: ignore[misc]  # entries are calls
    """A batch of calls under rules; those of ``gather`` may each have their own."""

    def __init__(
        self,
        *args: Any,
        calls: list[TaskCall] | None,
        lines: set[Waitlist],
        make: Callable[..., TaskCall] | None = None,
        **options: Any,
    ) -> None:
        self.backing_off, self.undecided = {}, deque()
        self.lines = lines
        self.pauses_before = 0
        self.pauses_before = self.pauses()
        self._make: Any = make  # a call of an item that is fed; None if each call has rules of its own
        super().__init__(*args, items=calls, timeout=None, **options)
        self.inputs = Inputs(None, self.since)  # which would know the calls
        self.entries: Any = Backlog(self.scheduler.clock)
        self.entries.extend(calls or ())

    def feed(self, items: list[Any], now: float) -> None:
        """Add items, taken at ``now``; only one thread may."""
        first = self.accepted
        calls = [self._make(item, first + place, now) for place, item in enumerate(items)]
        after: Actions = []
        with self.scheduler.lock:
            for call in calls:
                call.state.joins(now, self.limited(now))
            last = first + len(items)
            self.inputs.feeding = first, items, now
            self.accepted = last
            self.entries.extend(calls)
            if self.ended:
                self.discard_late(after)
            elif self.ready():
                self.scheduler.offer(self, after)
        self.scheduler.perform(after)
        self.inputs.feeding = None

    def function_of(self, key: Any) -> str:
        """The name of the batch's function, or the task's own."""
        return self.name if self._make is not None else super().function_of(key)

    def _finish(self, call: Call, raw: Raw) -> None:
        self._note(call)
        if raw[3] is SUCCEEDED:
            self.collector.results[raw[0]] = raw
        else:
            self.store_failure(raw)
        call.forget()
        self.wish.tell(raw[0])

    def _note(self, call: Call) -> None:
        if call.policies is not None and call.index is not None:
            self.collector.attempts[call.index] = call.state.attempts

    def _abandon(self, call: Call, reason: BaseException, after: Actions) -> None:
        self._note(call)
        raw = self._cancelled(call, reason)
        self.collector.results[raw[0]] = raw
        self.failed += 1
        self.collector.count(raw[3])

    def settle(self, key: Any, raw: Raw, after: Actions) -> bool:
        """Store the outcome of a call that was ended from outside, unless it is tried again."""
        final = super().settle(key, raw, after)
        after.append(partial(self.wish.tell, raw[0]))
        return final

    def discard(self, reason: BaseException, after: Actions) -> None:
        """End every call that does not run; other reasons than a cancel are kept for the batch to raise."""
        if not isinstance(reason, TaskCancelled):
            self.reason = reason if self.reason is None else self.reason
        self.ended.append(True)
        self.closed = True
        super().discard(reason, after)
        after.append(self.wish.wake)
        self.scheduler.check_done(self, after)

    def orphan(self, reason: BaseException) -> None:
        """In the child of a fork: what is missing was cancelled here; the consumer gets the reason."""
        self.backing_off.clear()
        self.undecided.clear()
        super().orphan(reason)


def item_call(
    options: Options, fn: Callable[[Any], Any], several: bool, context: Context, item: Any, index: int, now: float
) -> TaskCall:
    """The call of a batch for one item.

    Args:
        several: whether the item is a tuple of what the user's function takes.
    """
    call = TaskCall(item, index, fn, (item,), {}, context, options.timeout, now)
    policies = options.policies
    if policies is not None:
        call.policies, call.state = policies, policies.state(item if several else (item,), {}, now)
    return call
