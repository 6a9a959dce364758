"""Calls under a breaker: who is let through, what it is told of each attempt, and how those end that it stops.

A breaker holds nobody back: a call that may not start is taken like any other, and ends where it would begin.

Guarantee: each pass that a call has from its breaker ends with one word to it, as the permits of its limits do.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial

from ..base.outcome import FAILED, PAYLOAD, START, STATUS, SUCCEEDED, TIMED_OUT
from ..events import log
from ..policies.breaker import OTHER, Heard, likeness
from ..policies.reading import Reading
from ..policies.retryable import never
from ..pool.deadline_timer import EVENT
from .outcomes import without_attempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.clock import Clock
    from ..base.outcome import Raw
    from ..limits.waitlist import Waiter
    from ..policies.breaker import Breaker, Pass
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .call_queue import Call
    from .policies import Policies
    from .policy_queue import PolicyQueue

_around: ContextVar[tuple[Breaker, Pass] | None] = ContextVar("threadfan_trial", default=None)
"""Of a call that is a trial: so those that it makes are a part of it, and not kept out by it."""


def admit(scheduler: Scheduler, call: Call, policies: Policies, waiter: Waiter, within: float = -1.0) -> bool:
    """Whether all that a call is under lets it be taken now; see ``Policies.admit``.  With the scheduler's lock held.

    One that its breaker shuts out is.
    """
    breaker, state, clock = policies.breaker, call.state, scheduler.clock
    if breaker is None:
        return policies.admit(state, waiter, clock, within)
    second = call.hedging is not None and call.hedging.call is not call  # which is no part of the first, a trial or not
    around = None if second else _part_of(breaker, call.context.get(_around))
    state.passed = breaker.take(clock.monotonic(), around)
    state.shut_out = state.passed is None
    taken = policies.admit(state, waiter, clock, within)
    if not taken:
        policies.give_back(state, clock)
    return taken


def mark_trial(breaker: Breaker, call: Call) -> None:
    """The attempt of a call is about to begin: if it is a trial, let the calls that it makes know."""
    passed = call.state.passed
    if passed is not None and passed[1] != OTHER:
        context = call.context.copy()  # which others may have too
        context.run(_around.set, (breaker, passed))
        call.context = context


def tell(
    queue: PolicyQueue, breaker: Breaker, call: Call, raw: Raw, said: Reading | None, counted: bool, after: Actions
) -> None:
    """An attempt has ended.

    Args:
        said: what its error says, if it has failed by itself.
        counted: False for a refusal that the limits of the call see to: they have all calls wait for it.
    """
    state, scheduler = call.state, queue.scheduler
    passed, state.passed = state.passed, None
    if passed is None:
        return
    heard = heard_of(raw, said) if counted else Heard.NOTHING
    last = likeness(raw[PAYLOAD]) if heard is Heard.DOWN else None
    news = breaker.tell(passed, scheduler.clock.monotonic(), heard, last)
    if news is not None and log.in_use():
        told = partial(log.breaker_changed, scheduler.name, queue.function_of(call), breaker.name, news, last)
        after.append(partial(scheduler.callbacks.tell, told, EVENT))


class Asking:
    """A ``with`` block around one request that is no call's.

    Args:
        limited: whether a limit sees to refusals.

    Raises:
        BreakerOpen: the breaker does not let it start.
    """

    __slots__ = ("_breaker", "_clock", "_limited", "_passed")

    def __init__(self, breaker: Breaker, clock: Clock, *, limited: bool) -> None:
        self._breaker, self._clock, self._limited = breaker, clock, limited

    def __enter__(self) -> None:
        now = self._clock.monotonic()
        passed = self._breaker.take(now, _part_of(self._breaker, _around.get()))
        if passed is None:
            raise self._breaker.refusal(now)
        self._passed = passed

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        heard, last = Heard.ANSWER, None
        if error is not None:
            said = Reading(error)
            heard = Heard.NOTHING if never(error) or (said.overload and self._limited) else _heard_of_error(said)
            last = likeness(error) if heard is Heard.DOWN else None
        self._breaker.tell(self._passed, self._clock.monotonic(), heard, last)


def _part_of(breaker: Breaker, around: tuple[Breaker, Pass] | None) -> Pass | None:
    return None if around is None or around[0] is not breaker else around[1]


def heard_of(raw: Raw, said: Reading | None) -> Heard:
    """What an attempt says of the service that it asked.

    A 4xx is an answer, but for those by which a server says that it cannot keep up (408, 429).  A bug of the function's
    says nothing, and so does a cancel.
    """
    if raw[START] is None:
        return Heard.NOTHING
    if raw[STATUS] is SUCCEEDED:
        return Heard.ANSWER
    if raw[STATUS] is TIMED_OUT:
        return Heard.DOWN
    return Heard.NOTHING if said is None or raw[STATUS] is not FAILED else _heard_of_error(said)


def _heard_of_error(said: Reading) -> Heard:
    if said.status is not None and said.status >= 400:
        return Heard.DOWN if said.status >= 500 or said.status in (408, 429) else Heard.ANSWER
    return Heard.DOWN if said.worth_retrying() else Heard.NOTHING


def would_shut_out(breaker: Breaker, due: float) -> bool:
    """Whether an attempt that is due then would not be made, as far as is known."""
    return due < breaker.shut_until()


def refused(breaker: Breaker, call: Call, now: float) -> Raw:
    """The outcome of a call that was not let through; what it has failed with itself is the cause."""
    attempts = call.state.attempts
    error = breaker.refusal(now, again=bool(attempts))
    if attempts:
        error.__cause__ = attempts[-1].error
    return without_attempt(call, FAILED, error, now)
