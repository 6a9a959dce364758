"""Calls that are handed in as others end: what graphs and pipelines stand on.

A group is waited for like any batch (see ``completion``), and like one it ends at its deadline, at a first failure,
with the scope it was made in, or with its fan.  Its calls, *steps*, wait in queues of its own (``queue_for``), each
under its own options.

Guarantees: each step has exactly one end, and ``follow`` is told of it once, outside of every lock, in the thread of
the step or, if it was ended from outside, in one that may run users' code.  The group is done when no step is left and
``follow`` has handed in none.  Once it was ended no step starts.
"""

from __future__ import annotations

from operator import itemgetter

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.locks import Briefly
from ..base.outcome import CANCELLED, INDEX, PAYLOAD, START, STATUS, SUCCEEDED
from ..base.variables import capture, renewed
from ..calls.call_queue import Call
from ..calls.collector import Collector
from ..pool.work_queue import GRACE, WorkQueue, here
from ..scope.scope import scope_around

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..base.attempt import Status
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..calls.call_queue import CallQueue
    from ..calls.options import Options
    from ..limits.waitlist import Waitlist
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, Session


class Step(Call):
    """One call of a group.

    Args:
        index: the place of its outcome.
        item: what its outcome calls its input.
        tag: whatever ``follow`` wants to know of it.
    """

    why: BaseException | None = None  # it is unwanted

    def __init__(
        self,
        task_group: TaskGroup,
        options: Options,
        index: int,
        fn: Callable[..., object],
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
        *,
        item: object = None,
        tag: Any = None,
    ) -> None:
        self.task_group = task_group
        self.cap = options.cap
        self.index, self.item, self.tag = index, item, tag
        self.fn = options.dressed(fn) if options.dresses else fn
        self.args, self.kwargs = args, kwargs or {}
        self.context = renewed(task_group.context)
        self.timeout = options.timeout
        self.outer = task_group.outer
        self.since = task_group.scheduler.clock.monotonic()
        if options.policies is not None:
            self.policies, self.state = options.policies, options.policies.state(self.args, self.kwargs, self.since)

    def begin(self, session: Session) -> bool:
        """Start, unless the group was ended."""
        self.session = session  # first: whoever ends the group marks the step and then looks here
        if self.unwanted:
            self.deliver(self._cancelled(TaskCancelled("nobody waited for this call any more")))
        return not self.unwanted

    def spend(self, usage: Usage) -> None:
        """From the budget of its group."""
        spending = self.task_group.collector.spending
        if spending is not None:
            spending.note(usage)

    def deliver(self, raw: Raw) -> None:
        """In the step's own thread."""
        self.task_group.step_ended(self, raw)

    def settle(self, scheduler: Scheduler, raw: Raw, after: Actions) -> None:
        """What follows may run users' code."""
        after.append(lambda: scheduler.callbacks.tell(lambda: self.task_group.step_ended(self, raw)))

    def refuse(self, reason: BaseException, after: Actions) -> None:
        """The same."""
        self.settle(self.task_group.scheduler, self._cancelled(reason), after)

    def withdraw(self, reason: BaseException, after: Actions) -> None:
        """Leave the queue, if it still is in one; it does not start any more.  With the scheduler's lock held."""
        self.why = reason
        self.unwanted = True
        queue: Any = self.queue
        if queue is not None and (queue.withdraw(self, after) if self.policies is not None else queue.remove(self)):
            if self.policies is None:
                self.refuse(reason, after)
        elif self.session is None:  # it is about to begin, and then sees that it is unwanted; or was never quite queued
            self.refuse(reason, after)

    def _cancelled(self, reason: BaseException) -> Raw:
        now = self.task_group.scheduler.clock.monotonic()
        error = TaskCancelled(str(reason))
        return (self.index, self.item, self.since, CANCELLED, error, None, now, None)


class TaskGroup(WorkQueue):
    """Steps whose ends decide which others follow.  A subclass says how, in ``follow``.

    Guarded by ``scheduler.lock``: ``steps``, ``active`` (the number of them) and ``accepted`` (calls known to follow,
    which the fan counts as waiting).

    Args:
        name: by which events call it.
    """

    scheduler: Scheduler
    told: Callable[[], object] | None = None
    """Called after each outcome, if somebody wants to look then."""

    def __init__(self, scheduler: Scheduler, options: Options, name: str) -> None:
        super().__init__(scheduler, options.cap, scheduler.depth())
        self.options = options
        self.name = name
        self.outer = scope_around()
        self.context = capture()
        self.since = scheduler.clock.monotonic()
        self.processor = scheduler.clock.processor()  # what had been computed by then
        self.until = FOREVER
        self.steps: set[Step] = set()  # those whose end was not told
        self._lock = Briefly(scheduler.lock)
        self._following: list[None] = []  # as many as are being followed; a list, for it changes without a lock
        self.collector = Collector()
        self.values: list[None] = []  # while somebody is told, as many as there are values that are not recorded
        self._queues: dict[Any, tuple[float, int]] = {}  # under policies, with their figures when it came to them

    @property
    def active(self) -> int:
        """How many steps there are that something may follow; with the lock held none is missed.

        No session is ever at the group itself.
        """
        return len(self.steps) + len(self._following)  # in this order: a step is in both before it leaves the first

    @active.setter
    def active(self, _: int) -> None: ...  # as every queue's is set in the beginning

    # -- what subclasses say -----------------------------------------------------------------------------------------

    def follow(self, step: Step, raw: Raw) -> None:
        """A step has ended: hand in what can start now."""
        raise NotImplementedError

    def in_order(self) -> list[Raw]:
        """The outcomes, once it is done."""
        return sorted(self.collector.so_far(), key=itemgetter(INDEX))

    def forget(self) -> None:
        """The report is made; see ``Collector.forget``."""
        self.collector.forget()
        self.reason = None

    # -- what they do ------------------------------------------------------------------------------------------------

    def expect(self, number: int) -> None:
        """So many more calls will follow, or fewer if it is negative."""
        with self.scheduler.lock:
            if not self.ended:  # else nothing follows
                self.accepted += number

    def hand_in(self, steps: Sequence[Step], *, expected: int | None = None, ended: Step | None = None) -> bool:
        """Have steps run; False if the group was ended, and then none of them will.

        Args:
            expected: how many fewer will follow now; as many as there are steps by default.
            ended: the step that they follow, if ``follow`` does nothing more after this: its thread then takes one of
                them itself, and wakes others for the rest.
        """
        scheduler = self.scheduler
        session = None if ended is None else own_session(ended)
        after: Actions = []
        with self._lock:
            if self.ended:
                return False
            self.accepted -= len(steps) if expected is None else expected
            for step in steps:
                self.steps.add(step)
                queue = self.queue_for(step)
                if step.policies is None:
                    if session is not None and session.queue is queue:
                        queue.add_own(step)  # it takes the first, and the others wake threads
                        session = None
                        continue
                elif queue not in self._queues:
                    self._queues[queue] = _figures(queue, scheduler.clock.monotonic())
                queue.add(step, after)
        if after:
            scheduler.perform(after)
        return True

    def queue_for(self, step: Step) -> CallQueue:
        """Where a step waits for its slot.  With the lock held."""
        raise NotImplementedError

    def record(self, raw: Raw, step: Step | None = None) -> None:
        """Keep an outcome; the first that has no value may end the group."""
        index, collector = raw[INDEX], self.collector
        collector.results[index] = raw
        if step is not None and step.policies is not None:
            collector.attempts[index] = step.state.attempts
            collector.judged = True
        if step is not None and step.usage is not None:
            collector.usages[index] = step.usage
        if raw[STATUS] is not SUCCEEDED:
            after: Actions = []
            with self.scheduler.lock:
                collector.note_failure(raw, self.ended, after)
            self.scheduler.perform(after)
        if self.told is not None:
            self.told()

    def close(self) -> None:
        """Nothing follows but what follows from steps."""
        after: Actions = []
        with self.scheduler.lock:
            self.closed = True
            _check_done_locked(self, after)
        self.scheduler.perform(after)

    # -- how a step ends ---------------------------------------------------------------------------------------------

    def step_ended(self, step: Step, raw: Raw) -> None:
        """A step has ended, by itself or not."""
        self._following.append(None)
        try:
            self.steps.remove(step)  # atomic
        except KeyError:  # told before
            pass
        else:
            if raw[STATUS] is CANCELLED and step.why is not None:  # its queue knows no more than that it is unwanted
                raw = (*raw[:PAYLOAD], TaskCancelled(str(step.why)), *raw[START:])
            try:
                self.follow(step, raw)
            except BaseException as error:  # of the user's code, or of ours: no outcome may be missing silently
                self.scheduler.timer.cancel(self, error, f"the batch was ended by {type(error).__name__}")
            step.forget()
        self._following.pop()
        if not self._following and not self.steps:  # of two that end at once, one sees it
            after: Actions = []
            with self.scheduler.lock:
                _check_done_locked(self, after)
            self.scheduler.perform(after)

    # -- as a queue --------------------------------------------------------------------------------------------------

    def pending(self) -> int:
        """How many calls are known to follow."""
        return self.accepted

    waiting = pending

    def ready(self) -> int:
        """Its steps are in other queues."""
        return 0

    def unfinished(self) -> bool:
        """What follows from its steps must find threads."""
        return self.active > 0

    def discard(self, reason: BaseException, after: Actions) -> None:
        """No step starts any more."""
        if not isinstance(reason, TaskCancelled):
            self.reason = reason if self.reason is None else self.reason
        self.ended.append(True)
        self.closed = True
        self.accepted = 0
        for step in list(self.steps):
            step.withdraw(reason, after)
        self.scheduler.check_done(self, after)

    def end_running(self, message: str, after: Actions) -> None:
        """End the steps that run."""
        for step in list(self.steps):
            session = step.session
            if session is not None:
                self.scheduler.timer.end(session, step, CANCELLED, TaskCancelled(message), after, grace=GRACE)

    def orphan(self, reason: BaseException) -> None:
        """In the child of a fork: its steps go on in the parent only."""
        self.reason = reason
        self.closed = self.done = True
        for act in self.listeners:
            act()

    # -- figures -----------------------------------------------------------------------------------------------------

    def outcomes(self) -> int:
        """How many outcomes there are that nobody has taken out."""
        return self.collector.ended()

    def total(self) -> int | None:
        """How many outcomes there are in the end; None as long as that is open."""
        return None

    def counts(self) -> dict[Status, int]:
        """How many outcomes there are of each status."""
        return self.collector.counts(len(self.collector.results))

    def limited(self, now: float) -> float:
        """Seconds in which no step could start because of a rate limit: those of the limit that took longest."""
        return max((queue.limited(now) - before for queue, (before, _) in self._queues.items()), default=0.0)

    def pauses(self) -> int:
        """How often its limits have had all calls pause."""
        return sum(queue.pauses() - before for queue, (_, before) in self._queues.items())

    def limits(self) -> set[Waitlist]:
        """Where its steps may wait for permits."""
        return {waitlist for queue in self._queues for waitlist in queue.limits()}


def own_session(step: Step) -> Session | None:
    """The session in which this very thread has run a step that has just ended; None if it was ended from outside."""
    session = step.session
    return session if session is getattr(here, "session", None) else None


def _check_done_locked(group: TaskGroup, after: Actions) -> None:
    if group.closed and not group.active:
        group.accepted = 0  # nobody is left whom anything could follow
    group.scheduler.check_done(group, after)


def _figures(queue: CallQueue, now: float) -> tuple[float, int]:
    """For how long and how often limits have held up a queue under policies."""
    return queue.limited(now), queue.pauses()
