"""One machine: a fan's worth of slots, and jobs whose calls go through the real policies.

Played is what a thread does: it takes a call of the job whose turn it is, asks what the call is under, and is busy
until the answer is there.  What is decided, and when, is up to the policies, as in ``calls/attempts.py``,
``calls/limit_reports.py`` and ``calls/verdicts.py``.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from threadfan._core.base.usage import Usage
from threadfan._core.calls.breakers import would_shut_out
from threadfan._core.limits.adaptive_limit import PATIENCE
from threadfan._core.limits.request_end import FAILED, RequestEnd
from threadfan._core.policies.breaker import Breaker, Heard
from threadfan._core.policies.reading import Reading
from threadfan._core.policies.retry_state import pause_before

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.planning.provider import Provider, Refused
    from benchmarks.planning.stores import Store
    from benchmarks.planning.world import World
    from threadfan import Adaptive
    from threadfan._core.calls.keyed_inputs import KeyedInputs
    from threadfan._core.limits.waitlist import Waitlist
    from threadfan._core.policies.breaker import Pass
    from threadfan._core.policies.retry_state import Policy, RetryState

SECONDS, SPREAD = 2.0, 0.5  # that a call takes on average; by which part of it more or less
WORDS, LONG = 1_000, 0.6  # tokens that a request has on average, and how far they spread


@dataclass
class Ends:
    """What has become of all calls so far."""

    answered: Counter[str] = field(default_factory=Counter)
    """By the name of the job."""
    failed: Counter[str] = field(default_factory=Counter)
    by_machine: Counter[int] = field(default_factory=Counter)
    """How many were answered."""
    unfinished: int = 0
    last: float = 0.0
    """When the last one ended."""


@dataclass
class Under:
    """What the calls of one machine are under.

    Args:
        slots: how many calls at once, if no ``Adaptive`` says so.
        waitlist: of a rate limit.
        pace: of an ``Adaptive``.
        store: where the rate limit is shared.
        tokens: whether answers tell how many tokens they took.
    """

    slots: int
    retry: Policy | None = None
    waitlist: Waitlist | None = None
    adaptive: Adaptive | None = None
    pace: Waitlist | None = None
    store: Store | None = None
    breaker: Breaker | None = None
    tokens: bool = False


class Call:
    """One item, and what its attempts have come to."""

    __slots__ = ("begun", "passed", "permit", "refusals", "retry", "seats", "start", "tokens")

    def __init__(self, tokens: float, seats: list[None] | None = None) -> None:
        self.tokens = tokens
        self.seats = seats
        self.refusals = 0
        self.begun = 0.0
        self.retry: RetryState | None = None
        self.permit: object = None
        self.start: object = None
        self.passed: Pass | None = None


class Job:
    """A batch of calls on one machine, which stands in the waitlists of its limits; see ``Lane``.

    Args:
        items: how many; or with ``by=``, the inputs themselves, and the name of the job that each is counted for.
    """

    comes_at: float | None = None

    def __init__(self, machine: Machine, name: str, items: int, keyed: tuple[KeyedInputs, list[str]] | None = None):
        self.machine, self.name, self.left, self.keyed = machine, name, items, keyed
        self.again: deque[Call] = deque()  # what is made first
        self.shut = False  # a limit has refused its first call, and will invite it
        self.names: dict[Call, str] = {}

    def can_start(self) -> bool:
        """See ``Waiter``."""
        return self.machine.has_room() and (bool(self.again) or self.left > 0)

    def invite(self) -> None:
        """See ``Waiter``."""
        self.shut = False
        self.machine.pump()

    def next(self) -> Call | None:
        """The call that comes next; None if there is none."""
        if self.again:
            return self.again.popleft()
        if self.left <= 0:
            return None
        if self.keyed is None:
            self.left -= 1
            return Call(self.machine.tokens())
        inputs, names = self.keyed
        entry = inputs.take()
        if entry is None:
            return None
        self.left -= 1
        call = Call(self.machine.tokens(), inputs.seats[entry[0]])
        self.names[call] = names[entry[0]]
        return call

    def ended(self, call: Call, ok: bool) -> None:
        """A call has its outcome."""
        ends, name = self.machine.ends, self.names.pop(call, self.name)
        (ends.answered if ok else ends.failed)[name] += 1
        if ok:
            ends.by_machine[self.machine.number] += 1
        ends.unfinished -= 1
        ends.last = self.machine.world.now
        if self.keyed is not None and call.seats is not None:
            self.keyed[0].free(call.seats)

    def give_up(self) -> None:
        """All that wait would wait for nothing."""
        waiting, self.again, self.left = len(self.again) + self.left, deque(), 0
        self.machine.ends.failed[self.name] += waiting
        self.machine.ends.unfinished -= waiting


class Machine:
    """See above."""

    def __init__(self, number: int, world: World, provider: Provider, ends: Ends, under: Under) -> None:
        self.number, self.world, self.provider, self.ends, self.under = number, world, provider, ends, under
        self.running = 0
        self.jobs: deque[Job] = deque()

    def add(self, name: str, items: int, keyed: tuple[KeyedInputs, list[str]] | None = None) -> None:
        """One more job."""
        self.jobs.append(Job(self, name, items, keyed))
        self.ends.unfinished += items

    def tokens(self) -> float:
        """Of the next request."""
        return WORDS * self.world.random.lognormvariate(-(LONG**2) / 2, LONG) if self.under.tokens else WORDS

    def has_room(self) -> bool:
        """Whether it has a slot."""
        adaptive = self.under.adaptive
        return self.running < (self.under.slots if adaptive is None else adaptive.limit)

    def pump(self) -> None:
        """Start what may start: a call of each job in turn."""
        jobs, idle = self.jobs, 0
        while idle < len(jobs) and self.has_room():
            job = jobs[0]
            jobs.rotate(-1)
            idle = 0 if self._take(job) else idle + 1

    # -- one attempt -------------------------------------------------------------------------------------------------

    def _take(self, job: Job) -> bool:
        """Whether a call of the job was taken; see ``LaneBacklog.take_entry``."""
        call = None if job.shut else job.next()
        if call is None:
            return False
        under, now = self.under, self.world.now
        if under.breaker is not None:
            call.passed = under.breaker.take(now)
            if call.passed is None:
                job.ended(call, ok=False)
                return True
        late = self._admitted(job, call)
        if late is None:
            if under.breaker is not None and call.passed is not None:
                under.breaker.give_back(call.passed, now)
            job.again.appendleft(call)
            return not job.shut
        self.running += 1
        call.begun = now
        self.world.at(now + late + self.world.transit(), lambda: self._arrive(job, call))
        return True

    def _admitted(self, job: Job, call: Call) -> float | None:
        """Seconds until the request leaves, with the permits of all limits; None if it may not."""
        under, world = self.under, self.world
        if under.waitlist is not None:
            call.permit = under.waitlist.take(job, None, world)
            if call.permit is None:
                job.shut = True
                return None
            if under.store is not None:
                if not under.waitlist.confirm(call.permit, world):
                    call.permit = None
                    return None
                return under.store.late
        if under.pace is not None:
            call.start = under.pace.take(job, None, world)
            if call.start is None:
                job.shut = True
                return None
        return 0.0

    def _arrive(self, job: Job, call: Call) -> None:
        world, error = self.world, self.provider.ask(call.tokens)
        took = SECONDS * (1 + SPREAD * world.random.uniform(-1, 1)) if error is None else 0.0
        world.at(world.now + took + world.transit(), lambda: self._back(job, call, error))

    def _back(self, job: Job, call: Call, error: Refused | None) -> None:
        """See ``tell_limits`` and ``Verdicts``."""
        self.running -= 1
        said = None if error is None else Reading(error)
        refused = said is not None and said.overload
        call.refusals = call.refusals + 1 if refused else 0
        counted = self._told(call, said)
        if error is None or said is None:
            job.ended(call, ok=True)
        else:
            wait = self._again_in(call, error, said, counted)
            if wait is None:
                job.ended(call, ok=False)
                if refused and self.under.waitlist is not None and self.under.waitlist.hopeless():
                    self.under.waitlist.leave(job, self.world)
                    job.give_up()
            elif wait > 0:
                self.world.at(self.world.now + wait, lambda: self._put_first(job, call))
            else:
                job.again.appendleft(call)
        self.pump()

    def _put_first(self, job: Job, call: Call) -> None:
        job.again.appendleft(call)
        self.pump()

    def _told(self, call: Call, said: Reading | None) -> bool:
        under, world = self.under, self.world
        if said is None:
            end = RequestEnd("succeeded", Usage(round(call.tokens), 0) if under.tokens else None)
        else:
            end = RequestEnd("overloaded", retry_after=said.asked) if said.overload else FAILED
        if under.waitlist is not None:
            under.waitlist.note(call.permit, world, end)
        if under.pace is not None:
            under.pace.note(call.start, world, end)
        counted = True
        if said is not None and said.overload and (under.waitlist is not None or under.pace is not None):
            counted = call.refusals >= PATIENCE if under.waitlist is None else under.waitlist.hopeless()
        if under.breaker is not None and call.passed is not None:
            passed, call.passed = call.passed, None
            heard = Heard.ANSWER if said is None else Heard.DOWN if counted else Heard.NOTHING
            under.breaker.tell(passed, world.now, heard)
        return counted

    def _again_in(self, call: Call, error: Refused, said: Reading, counted: bool) -> float | None:
        """Seconds until the next attempt; None if there is none."""
        under, now = self.under, self.world.now
        if not counted and under.waitlist is None:
            return pause_before(call.refusals, said.asked, self.world.random.random)
        if under.retry is None:
            return None if counted else 0.0
        if call.retry is None:
            call.retry = under.retry.new_state(call.begun, _call, (), {})
            call.retry.begin(call.begun)
        wait, _, _ = call.retry.decide(now, False, error, counted=counted, said=said)
        if wait is not None and under.breaker is not None and would_shut_out(under.breaker, now + wait):
            return None
        return wait


def _call() -> None:
    """What is called."""


def started(machines: list[Machine], world: World, within: float) -> None:
    """Have all machines begin, at some moment of the first seconds each."""
    pump: Callable[[Machine], Callable[[], None]] = lambda machine: machine.pump  # noqa: E731
    for machine in machines:
        world.at(world.random.random() * within, pump(machine))
