"""Who may use a rate limit next: first come, first served, whatever fan they come from.

Waiting holds no thread and no slot.  A queue of calls (or a call that makes one more request) asks; if the limit does
not let it through, it stands in line, and is *invited* when its turn has come.  The permit is taken only by a thread
that has a slot and starts the call at once: handed out earlier, permits would pile up before busy slots and go off in
bursts.

Guarantees, from any thread: who came first is invited first, passing over those whose fan has no slot to use the
permit with; while permits are to be had, somebody in line is invited; who leaves the line passes the invitation on.
"""

from __future__ import annotations

from contextlib import nullcontext

from ..base import forks
from ..base.clock import FOREVER
from ..base.locks import Lock
from ..scope.alarms import set_alarm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from typing import Any, Protocol

    from ..base.clock import Clock
    from ..base.usage import Usage
    from ..policies.cost import Cost
    from ..policies.rate_limit import RateLimit
    from .adaptive_limit import AdaptiveLimit

    Permit = Any  # what the limit gives out

    class Waiter(Protocol):
        """Who stands in line."""

        def can_start(self) -> bool:
            """Whether it could use a permit now."""

        def invite(self) -> None:
            """It is its turn: it should ask again, or leave.  Called without any lock."""


_ALONE = nullcontext()
_NOTHING = 1e-9  # seconds; a wait shorter than the rounding of a clock is none
LATE = 0.02
"""Seconds after which an invitation that was not used no longer keeps others waiting.  Arbitrary: a hundred times what
it takes a parked thread to come."""
STALL = 0.5
"""Seconds that a call waits, with its slot, for what other processes say.  Arbitrary: far more than they take, and not
long for those who wait for the slot."""


class Waitlist:
    """The line before one limit.  Guarded by ``_lock``: everything, the limit's figures too.

    The lock is taken inside the lock of a scheduler, never the other way round.
    """

    shared = False
    """Whether permits need to be confirmed."""

    def __init__(self, limit: RateLimit | AdaptiveLimit) -> None:
        self.limit: Any = limit
        self._warned = False
        self._reset()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork: those in line and the requests under way are the parent's."""
        self._reset()
        self.limit._forked()

    def _reset(self) -> None:
        self._lock = Lock()
        self._waiting: dict[Waiter, Cost] = {}  # in order of arrival
        self._invited: set[Waiter] = set()
        self._due = FOREVER  # when the alarm goes off
        self._take_back: Callable[[], None] | None = None

    def take(self, waiter: Waiter, cost: Cost | None, clock: Clock) -> Permit | None:
        """A permit for one request, or None: then the waiter stands in line and will be invited.

        Args:
            cost: of the request; None for what the limit has learned to expect.
        """
        with self._lock:
            now = clock.monotonic()
            cost = cost or self.limit.cost()
            permit: Permit | None
            if (not self._waiting or waiter in self._invited) and self.limit.wait(now, cost) <= _NOTHING:
                self._step_out(waiter)
                permit = self.limit.take(now, cost)
            else:
                self._invited.discard(waiter)
                self._waiting[waiter] = cost  # in the place that it has, if it has one
                permit = None
            self._plan(clock, now)
        return permit

    def confirm(self, permit: Permit, clock: Clock) -> bool:
        """Whether other processes leave room for the request; else the permit is void and is to be asked for again.

        It may take a while: to be called without any lock, right before the request.
        """
        wait = self.ask(clock)
        if wait > 0.0:
            self.postpone(permit, wait, clock)
        return wait <= 0.0

    def ask(self, clock: Clock) -> float:
        """Seconds until other processes leave room for a request; 0.0 counts it.  May take a while, as ``confirm``."""
        return 0.0

    def postpone(self, permit: Permit, wait: float, clock: Clock) -> None:
        """They leave none for so long: the permit is void, and nobody else need ask before."""
        with self._lock:
            now = clock.monotonic()
            self.limit.give_back(permit, now)
            self.limit.hold(now + wait)
            self._plan(clock, now)

    def unattached(self) -> None:
        """A call has ended well and told of no request that it has made."""

    def stalls(self) -> None:
        """They have not answered for ``STALL`` seconds."""

    def leave(self, waiter: Waiter, clock: Clock) -> None:
        """It needs no permit any more."""
        with self._lock:
            if waiter in self._waiting:
                self._step_out(waiter)
                self._plan(clock, clock.monotonic())
            if not self._waiting and self._take_back is not None:
                self._take_back()  # or its thread would last as long as the wait
                self._due, self._take_back = FOREVER, None

    def give_back(self, permit: Permit, clock: Clock) -> None:
        """The request was never made."""
        with self._lock:
            now = clock.monotonic()
            self.limit.give_back(permit, now)
            self._plan(clock, now)

    def note(
        self,
        permit: Permit,
        clock: Clock,
        end: str,
        *,
        usage: Usage | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """What became of the request: ``"succeeded"``, ``"overloaded"`` or ``"failed"``."""
        if headers is not None:
            from ..policies.headers import copied  # on first use, as most programs have none

            headers = copied(headers)
        with self._lock:
            now = clock.monotonic()
            if end == "succeeded":
                self.limit.succeeded(permit, now, usage, headers)
            elif end == "overloaded":
                self.limit.overloaded(permit, now, retry_after, headers)
            else:
                self.limit.failed(permit, now)
            self._plan(clock, now)
            untold = self.limit.untold and not self._warned
            self._warned = self._warned or untold
        if untold:
            import logging

            logging.getLogger("threadfan").warning(
                "nothing tells how many tokens the calls under %r use, so its limit of tokens holds nothing "
                "back; right is estimate=…, an attached client, or calls that return the response with its usage",
                self.limit,
            )

    def lift(self, clock: Clock) -> None:
        """The refusal that was told last was none of too many requests."""
        with self._lock:
            now = clock.monotonic()
            self.limit.lift(now)
            self._plan(clock, now)

    def departing(self) -> AbstractContextManager[None]:
        """While a request that has its permit waits until it may leave."""
        return _ALONE

    def departs(self, clock: Clock) -> float:
        """Seconds that a request with a permit should still wait before it leaves."""
        with self._lock:
            return float(self.limit.departs(clock.monotonic()))

    def leaves(self, clock: Clock) -> float:
        """Seconds until the request before is far enough away; 0.0 counts this one as gone now."""
        with self._lock:
            return float(self.limit.leaves(clock.monotonic()))

    def left(self, clock: Clock) -> None:
        """A request was written only now."""
        with self._lock:
            self.limit.left(clock.monotonic())

    def rates(self) -> dict[str, float] | None:
        """What the limit lets through per minute, by unit; None if it has found its pace by itself."""
        with self._lock:
            rates: dict[str, float] | None = self.limit._rates()
        return rates

    def hopeless(self) -> bool:
        """Whether waiting for the limit makes no sense any more."""
        with self._lock:
            return bool(self.limit.hopeless)

    # -- with the lock held ------------------------------------------------------------------------------------------

    def _step_out(self, waiter: Waiter) -> None:
        self._waiting.pop(waiter, None)
        self._invited.discard(waiter)

    def _plan(self, clock: Clock, now: float) -> None:
        """See to it that the next in line is invited in time."""
        uninvited = next((waiter for waiter in self._waiting if waiter not in self._invited), None)
        if uninvited is None:
            self._forget_alarm()
            return
        wait = self.limit.wait(now, self._waiting[uninvited])
        if wait <= _NOTHING:  # let those go first who were invited before, unless all their slots are busy
            wait = LATE if any(waiter.can_start() for waiter in self._invited) else 0.0
        if wait == FOREVER or now + wait >= self._due > now:
            return
        self._forget_alarm()
        self._take_back = set_alarm(clock, now + wait, lambda: self._call(clock), quick=True)
        self._due = now + wait

    def _forget_alarm(self) -> None:
        if self._take_back is not None:
            self._take_back()
        self._due, self._take_back = FOREVER, None

    def _call(self, clock: Clock) -> None:
        with self._lock:
            self._due, self._take_back = FOREVER, None
            now = clock.monotonic()
            invited = self._next(now)
            self._invited.update(invited)
            self._plan(clock, now)
        for waiter in invited:
            waiter.invite()

    def _next(self, now: float) -> list[Any]:
        uninvited = [waiter for waiter in self._waiting if waiter not in self._invited]
        if not uninvited or self.limit.wait(now, self._waiting[uninvited[0]]) > _NOTHING:
            return []
        able = next((waiter for waiter in uninvited if waiter.can_start()), None)
        return uninvited if able is None else [able]


_making = Lock()


def _in_child() -> None:
    global _making
    _making = Lock()


forks.in_child(_in_child)


def waitlist_of(limit: RateLimit) -> Waitlist:
    """The one line before a limit.

    Raises:
        ImportError, OSError, ValueError: the limit is to be shared, and the place where cannot be reached.
    """
    made = _line_before(limit) if limit.line is None else None
    with _making:
        if limit.line is None:
            limit.line = made
        line: Waitlist = limit.line
    return line


def _line_before(limit: RateLimit) -> Waitlist:
    if limit.shared is None:
        return Waitlist(limit)
    from .shared_waitlist import SharedWaitlist

    return SharedWaitlist(limit, limit.shared)
