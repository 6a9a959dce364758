"""Who may use a limit next: first come, first served, whatever fan they come from.

A queue of calls asks; if the limit does not let its first call through, it stands in the list, and is *invited* when
its turn has come.  So a call that waits holds neither thread nor slot.  A call that runs and makes one more request
asks as well, and waits at a gate, with its thread and its slot.  The permit is taken only by a thread that has a slot
and starts the request at once: handed out earlier, permits would pile up before busy slots and go off in bursts.

Guarantees, from any thread: who came first is invited first, passing over those whose fan has no slot to use the
permit with; if nobody has one, all are invited, and who gets a slot first asks first.  While permits are to be had,
somebody in the list is invited; who leaves it passes the invitation on.
"""

from __future__ import annotations

from ..base import forks
from ..base.clock import FOREVER
from ..base.generic import Generic
from ..base.locks import Lock
from ..scope.alarms import set_alarm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Protocol

    from typing_extensions import TypeVar

    from ..base.clock import Clock
    from ..base.usage import Usage
    from ..policies.cost import Cost
    from .request_end import RequestEnd

    P = TypeVar("P", default=Any)
    """The permits; any, where a waitlist may be that of any limit."""

    class Waiter(Protocol):
        """Who stands in a waitlist."""

        comes_at: float | None
        """When he comes without being invited."""

        def can_start(self) -> bool:
            """Whether it could use a permit now."""

        def invite(self) -> None:
            """It is its turn: it should ask again, or leave.  Called without any lock."""

    class Limit(Protocol[P]):
        """What is waited for; ``P`` are its permits.  All of it is asked and told under the waitlist's lock."""

        in_flight: int
        overloads: int

        @property
        def hopeless(self) -> bool:
            """Whether waiting for it makes no sense any more."""

        def cost(self) -> Cost:
            """What it has learned to expect of a request."""

        def wait(self, now: float, cost: Cost) -> float:
            """Seconds until a request of this cost may start."""

        def try_take(self, now: float, cost: Cost) -> P | None:
            """A permit, if ``wait`` answers 0; else None."""

        def give_back(self, permit: P, /, now: float) -> None:
            """The request was never made."""

        def succeeded(self, permit: P, /, now: float, usage: Usage | None, headers: Mapping[str, str] | None) -> None:
            """The request was answered."""

        def overloaded(
            self, permit: P, /, now: float, retry_after: float | None, headers: Mapping[str, str] | None
        ) -> None:
            """The request was refused."""

        def failed(self, permit: P, /, now: float) -> None:
            """The request ended otherwise."""


else:
    P = None

NOTHING = 1e-9  # seconds; a wait shorter than the rounding of a clock is none
LATE = 0.02
"""Seconds after which an invitation that was not used no longer keeps others waiting.  Arbitrary: a hundred times what
it takes a parked thread to come."""


class Waitlist(Generic[P]):
    """Those who wait for one limit.  Guarded by ``_lock``: everything, the limit's figures too.

    The lock is taken inside the lock of a scheduler, never the other way round.
    """

    shared = False
    """Whether permits need to be confirmed."""

    def __init__(self, limit: Limit[P]) -> None:
        self.limit = limit
        self._reset()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork: those in the list and the requests under way are the parent's."""
        self._reset()
        self.limit.in_flight = 0

    def _reset(self) -> None:
        self._lock = Lock()
        self._waiting: dict[Waiter, Cost] = {}  # in order of arrival
        self._invited: set[Waiter] = set()
        self._due = FOREVER  # when the alarm goes off
        self._take_back: Callable[[], None] | None = None

    def take(self, waiter: Waiter, cost: Cost | None, clock: Clock, within: float = -1.0) -> P | None:
        """A permit for one request, or None: then the waiter stands in the list and will be invited.

        Args:
            cost: of the request; None for what the limit has learned to expect.
            within: if he is first, and it is no more than these seconds until his turn, he is not invited: he has to
                come by himself at the moment that he is told (``comes_at``), or to leave.
        """
        with self._lock:
            now = clock.monotonic()
            cost = cost or self.limit.cost()
            permit: P | None = None
            if not self._waiting or waiter in self._invited:
                permit = self.limit.try_take(now, cost)
            self._invited.discard(waiter)
            if permit is not None:
                self._waiting.pop(waiter, None)
            else:
                self._waiting[waiter] = cost  # in the place that it has, if it has one
                if within >= 0.0 and next(iter(self._waiting)) is waiter:
                    wait = self.limit.wait(now, cost)
                    if wait <= within:
                        self._invited.add(waiter)
                        waiter.comes_at = now + wait
            if self._waiting or self._take_back is not None:
                self._plan(clock, now)
        return permit

    def stand(self, waiter: Waiter, cost: Cost | None, clock: Clock) -> None:
        """Have him stand in the list, and invited when it is his turn."""
        with self._lock:
            self._waiting.setdefault(waiter, cost or self.limit.cost())
            self._plan(clock, clock.monotonic())

    def confirm(self, permit: P, clock: Clock) -> bool:
        """Whether other processes leave room for the request; else the permit is void and is to be asked for again.

        It may take a while: to be called without any lock, right before the request.
        """
        return True

    def leave(self, waiter: Waiter, clock: Clock) -> None:
        """It needs no permit any more."""
        with self._lock:
            if waiter in self._waiting:
                self._step_out(waiter)
                self._plan(clock, clock.monotonic())
            if not self._waiting and self._take_back is not None:
                self._take_back()  # or its thread would last as long as the wait
                self._due, self._take_back = FOREVER, None

    def give_back(self, permit: P, clock: Clock) -> None:
        """The request was never made."""
        with self._lock:
            now = clock.monotonic()
            self.limit.give_back(permit, now)
            self._plan(clock, now)

    def note(self, permit: P, clock: Clock, end: RequestEnd) -> None:
        """What became of the request."""
        headers = end.plain_headers()
        with self._lock:
            now = clock.monotonic()
            if end.how == "succeeded":
                self.limit.succeeded(permit, now, end.usage, headers)
            elif end.how == "overloaded":
                self.limit.overloaded(permit, now, end.retry_after, headers)
            else:
                self.limit.failed(permit, now)
            self._plan(clock, now)

    def rates(self) -> dict[str, float] | None:
        """What the limit lets through per minute, by unit; None if it has found its pace by itself."""
        return None

    def demands(self, number: int, clock: Clock) -> float:
        """Seconds that it takes at least until so many requests have started, as far as that is known."""
        return 0.0

    def hopeless(self) -> bool:
        """Whether waiting for the limit makes no sense any more."""
        with self._lock:
            return self.limit.hopeless

    # -- with the lock held ------------------------------------------------------------------------------------------

    def _step_out(self, waiter: Waiter) -> None:
        self._waiting.pop(waiter, None)
        self._invited.discard(waiter)

    def _plan(self, clock: Clock, now: float) -> None:
        """See to it that the next in the list is invited in time.  To be called after whatever may change that."""
        first = next(self._uninvited(), None)
        if first is None:
            self._forget_alarm()
            return
        wait = self.limit.wait(now, self._waiting[first])
        if wait <= NOTHING:
            wait = self._head_start()
        alarm_in_time = now < self._due <= now + wait
        if wait == FOREVER or alarm_in_time:
            return
        self._forget_alarm()
        self._take_back = set_alarm(clock, now + wait, lambda: self._invite_next(clock), quick=True)
        self._due = now + wait

    def _uninvited(self) -> Iterator[Waiter]:
        """Those in the list who were not told to come, in order of arrival."""
        return (waiter for waiter in self._waiting if waiter not in self._invited)

    def _head_start(self) -> float:
        """Seconds that those have who were invited before; none if all their slots are busy."""
        return LATE if any(waiter.can_start() for waiter in self._invited) else 0.0

    def _forget_alarm(self) -> None:
        if self._take_back is not None:
            self._take_back()
        self._due, self._take_back = FOREVER, None

    def _next(self, now: float) -> list[Waiter]:
        """Whom to invite now: nobody while the first must wait, else the first who can start, or all if nobody can."""
        uninvited = list(self._uninvited())
        if not uninvited or self.limit.wait(now, self._waiting[uninvited[0]]) > NOTHING:
            return []
        able = next((waiter for waiter in uninvited if waiter.can_start()), None)
        return uninvited if able is None else [able]

    # -- without it, in the thread of alarms -------------------------------------------------------------------------

    def _invite_next(self, clock: Clock) -> None:
        with self._lock:
            self._due, self._take_back = FOREVER, None
            now = clock.monotonic()
            invited = self._next(now)
            self._invited.update(invited)
            self._plan(clock, now)
        for waiter in invited:
            waiter.invite()
