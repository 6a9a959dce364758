"""Calls that are handed in as others end: what graphs and pipelines stand on.

A relay is waited for like any batch (``Ending``), and like one it ends at its deadline, at a first failure, with the
scope it was made in, or with its fan.  Its calls, *steps*, wait in the fan's queues of single calls, each under its own
options.

Guarantees: each step has exactly one end, and ``follow`` is told of it once, outside of every lock, in the thread of
the step or, if it was ended from outside, in one that may run users' code.  The relay is done when no step is left and
``follow`` has handed in none.  Once it was ended no step starts.
"""

from __future__ import annotations

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, SKIPPED, SUCCEEDED
from ..base.variables import capture, renewed
from ..calls.call_queue import Call
from ..pool.session import GRACE, here
from ..pool.work_queue import Source
from ..scope.scope import scope_around

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..base.attempt import Attempt
    from ..base.outcome import Raw, Status
    from ..base.usage import Usage
    from ..calls.call_queue import Calls
    from ..calls.options import Options
    from ..limits.waitlist import Line
    from ..pool.scheduler import Hub
    from ..pool.session import Drain
    from ..pool.work_queue import After


class Step(Call):
    """One call of a relay.

    Args:
        index: the place of its outcome.
        item: what its outcome calls its input.
        tag: whatever ``follow`` wants to know of it.
    """

    counted = True  # among those that are active in its relay

    def __init__(
        self,
        relay: Relay,
        options: Options,
        index: int,
        fn: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        item: Any = None,
        tag: Any = None,
    ) -> None:
        self.relay = relay
        self.group = options.group
        self.index, self.item, self.tag = index, item, tag
        self.fn = options.dressed(fn) if options.interrupt else fn
        self.args, self.kwargs = args, kwargs or {}
        self.context = renewed(relay.context)
        self.timeout = options.timeout
        self.outer = relay.outer
        self.since = relay.hub.clock.monotonic()
        if options.rules is not None:
            self.rules, self.progress = options.rules, options.rules.progress(self.args, self.kwargs, self.since)

    def begin(self, drain: Drain) -> bool:
        """Start, unless the relay was ended."""
        self.drain = drain  # first: whoever ends the relay marks the step and then looks here
        if self.unwanted:
            self.deliver(self._cancelled(TaskCancelled("nobody waited for this call any more")))
        return not self.unwanted

    def deliver(self, raw: Raw) -> None:
        """In the step's own thread."""
        self.relay.step_ended(self, raw)

    def settle(self, hub: Hub, raw: Raw, after: After) -> None:
        """What follows may run users' code."""
        after.append(lambda: hub.callbacks.tell(lambda: self.relay.step_ended(self, raw)))

    def refuse(self, reason: BaseException, after: After) -> None:
        """The same."""
        self.settle(self.relay.hub, self._cancelled(reason), after)

    def withdraw(self, reason: BaseException, after: After) -> None:
        """Leave the queue, if it still is in one; it does not start any more.  With the hub's lock held."""
        self.unwanted = True
        queue: Any = self.queue
        if queue is not None and (queue.withdraw(self, after) if self.rules is not None else queue.remove(self)):
            if self.rules is None:
                self.refuse(reason, after)
        elif self.drain is None:  # it is about to begin, and then sees that it is unwanted; or was never quite queued
            self.refuse(reason, after)

    def _cancelled(self, reason: BaseException) -> Raw:
        now = self.relay.hub.clock.monotonic()
        error = TaskCancelled(str(reason))
        return (self.index, self.item, self.since, CANCELLED, error, None, now, None)


class Relay(Source):
    """Steps whose ends decide which others follow.  A subclass says how, in ``follow``.

    Guarded by ``hub.lock``: ``steps``, ``active`` (the number of them) and ``accepted`` (calls known to follow, which
    the fan counts as waiting).

    Args:
        name: by which events call it.
    """

    def __init__(self, hub: Hub, options: Options, name: str) -> None:
        super().__init__(hub, options.group, hub.depth())
        self.options = options
        self.name = name
        self.outer = scope_around()
        self.context = capture()
        self.since = hub.clock.monotonic()
        self.processor = hub.clock.processor()  # what had been computed by then
        self.until = FOREVER
        self.steps: set[Step] = set()
        self.results: Any = {}  # index -> Raw
        self.names: dict[int, str] = {}
        self.usages: dict[int, Usage] = {}
        self.notes: dict[int, list[Attempt]] = {}
        self.failures: dict[Status, int] = {}
        self.first_failure: Raw | None = None  # with fail_fast
        self.fail_fast = False
        self.alarms: After = []  # called once, at the first failure
        self._queues: dict[Any, tuple[float, int]] = {}  # under rules, with their figures when it came to them

    # -- what subclasses say -----------------------------------------------------------------------------------------

    def follow(self, step: Step, raw: Raw) -> None:
        """A step has ended: hand in what can start now."""
        raise NotImplementedError

    def in_order(self) -> list[Raw]:
        """The outcomes, once it is done."""
        return [self.results[index] for index in sorted(self.results)]

    def parts(self) -> dict[str, Any]:
        """What a report is made of, once it is done."""
        raws = self.in_order()
        return {"raws": raws, "names": self.names, "usages": self.usages, "notes": self.notes}

    def forget(self) -> None:
        """The report is made; see ``Batch.forget``."""
        self.results, self.usages, self.notes, self.first_failure, self.reason = {}, {}, {}, None, None

    # -- what they do ------------------------------------------------------------------------------------------------

    def expect(self, number: int) -> None:
        """So many more calls will follow, or fewer if it is negative."""
        with self.hub.lock:
            if not self.ended:  # else nothing follows
                self.accepted += number

    def hand_in(self, steps: Sequence[Step], *, expected: int | None = None, ended: Step | None = None) -> bool:
        """Have steps run; False if the relay was ended, and then none of them will.

        Args:
            expected: how many fewer will follow now; as many as there are steps by default.
            ended: the step that they follow, if ``follow`` does nothing more after this: its thread then takes one of
                them itself, and wakes others for the rest.
        """
        hub = self.hub
        drain: Drain | None = None if ended is None else getattr(here, "drain", None)
        after: After = []
        with hub.lock:
            if self.ended:
                return False
            self.accepted -= len(steps) if expected is None else expected
            if ended is not None and steps:
                self.active -= 1
                ended.counted = False
            for step in steps:
                self.active += 1
                self.steps.add(step)  # by the very next instruction, see ``Hub``
                queue = self.queue_for(step)
                if step.rules is not None and queue not in self._queues:
                    self._queues[queue] = self._figures(queue)
                if drain is not None and drain.source is queue and step.rules is None:
                    queue.add_own(step)  # it takes the first, and the others wake threads
                    drain = None
                else:
                    queue.add(step, after)
        if after:
            hub.perform(after)
        return True

    def queue_for(self, step: Step) -> Calls:
        """Where a step waits for its slot.  With the lock held."""
        return self.hub.calls(step.group, self.depth, step.rules)

    def record(self, raw: Raw, step: Step | None = None) -> None:
        """Keep an outcome; the first that has no value may end the relay."""
        index, status = raw[0], raw[3]
        self.results[index] = raw
        if step is not None and step.rules is not None:
            self.notes[index] = step.progress.attempts
        if step is not None and step.usage is not None:
            self.usages[index] = step.usage
        if status is SUCCEEDED:
            return
        after: After = []
        with self.hub.lock:
            self.failures[status] = self.failures.get(status, 0) + 1
            if self.fail_fast and self.first_failure is None and status is not SKIPPED:  # which is what failed, or none
                self.first_failure = raw
                self.ended.append(True)
                after.extend(self.alarms)
        self.hub.perform(after)

    def close(self) -> None:
        """Nothing follows but what follows from steps."""
        after: After = []
        with self.hub.lock:
            self.closed = True
            self._check_done(after)
        self.hub.perform(after)

    # -- how a step ends ---------------------------------------------------------------------------------------------

    def step_ended(self, step: Step, raw: Raw) -> None:
        """A step has ended, by itself or not."""
        try:
            self.steps.remove(step)  # atomic
        except KeyError:  # told before
            return
        try:
            self.follow(step, raw)
        except BaseException as error:  # of the user's code, or of ours: then no outcome may be missing silently
            self.hub.watchdog.cancel(self, error, f"the batch was ended by {type(error).__name__}")
        step.forget()
        if not step.counted:
            return
        after: After = []
        hub = self.hub
        with hub.lock:
            self.active -= 1
            if not self.active:
                self._check_done(after)
        if after:
            hub.perform(after)

    def _check_done(self, after: After) -> None:
        if self.closed and not self.active:
            self.accepted = 0  # nobody is left whom anything could follow
        self.hub.check_done(self, after)

    # -- as a source -------------------------------------------------------------------------------------------------

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

    def discard(self, reason: BaseException, after: After) -> None:
        """No step starts any more."""
        if not isinstance(reason, TaskCancelled):
            self.reason = reason if self.reason is None else self.reason
        self.ended.append(True)
        self.closed = True
        self.accepted = 0
        for step in list(self.steps):
            step.withdraw(reason, after)
        self.hub.check_done(self, after)

    def end_running(self, message: str, after: After) -> None:
        """End the steps that run."""
        for step in list(self.steps):
            drain = step.drain
            if drain is not None:
                self.hub.watchdog.end(drain, step, CANCELLED, TaskCancelled(message), after, grace=GRACE)

    def orphan(self, reason: BaseException) -> None:
        """In the child of a fork: its steps go on in the parent only."""
        self.reason = reason
        self.closed = self.done = True
        for act in self.listeners:
            act()

    # -- figures -----------------------------------------------------------------------------------------------------

    def counts(self) -> dict[Status, int]:
        """How many outcomes there are of each status."""
        return {**self.failures, SUCCEEDED: len(self.results) - sum(self.failures.values())}

    def retries(self) -> int:
        """How many attempts were not the first of their call."""
        return sum(max(0, len(attempts) - 1) for attempts in self.notes.values())

    def limited(self, now: float) -> float:
        """Seconds in which no step could start because of a rate limit: those of the limit that took longest."""
        return max((queue.limited(now) - before for queue, (before, _) in self._queues.items()), default=0.0)

    def pauses(self) -> int:
        """How often its limits have had all calls pause."""
        return sum(queue.pauses() - before for queue, (_, before) in self._queues.items())

    def limits(self) -> set[Line]:
        """What its steps may stand in line for."""
        return {line for queue in self._queues for line in queue.limits()}

    def _figures(self, queue: Calls) -> tuple[float, int]:
        governed: Any = queue
        return governed.limited(self.hub.clock.monotonic()), governed.pauses()
