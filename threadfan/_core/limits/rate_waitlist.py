"""Who waits for a ``RateLimit``: its requests leave apart, and other processes may have a say."""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

from ..policies.cost import Permit
from .waitlist import Waitlist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..base.clock import Clock
    from ..base.usage import Usage
    from ..policies.rate_limit import RateLimit
    from .request_end import RequestEnd

_ALONE = nullcontext()
STALL = 0.5
"""Seconds that a call waits, with its slot, for what other processes say.  Arbitrary: far more than they take, and not
long for those who wait for the slot."""


class Standing(NamedTuple):
    """How a limit stands after refusals.

    Args:
        hopeless: waiting for it makes no sense any more.
        fruitless: probes that were refused in a row.
        openings: pauses that a success has ended.
        paused_for: seconds until a probe may go out, 0.0 if it has; None without a pause.
    """

    hopeless: bool
    fruitless: int
    openings: int
    paused_for: float | None


class RateWaitlist(Waitlist[Permit]):
    """The one waitlist of a rate limit, see ``waitlist_of``."""

    limit: RateLimit

    def __init__(self, limit: RateLimit) -> None:
        super().__init__(limit)
        self._warned = False

    def _forked(self) -> None:
        """In the child of a fork: a probe is the parent's too."""
        super()._forked()
        self.limit.pause.ended(self.limit.pause.epoch)

    # -- who need not wait --------------------------------------------------------------------------------------------

    def try_take(self, clock: Clock) -> Permit | None:
        """A permit for one request, if there is one and nobody waits; nobody is put into the list."""
        with self._lock:
            if self._waiting:
                return None
            limit = self.limit
            return limit.try_take(clock.monotonic(), limit.cost())

    def is_near(self, clock: Clock, within: float) -> bool:
        """Whether nobody waits, and there will be a permit in so many seconds at most."""
        with self._lock:
            return not self._waiting and self.limit.wait(clock.monotonic(), self.limit.cost()) <= within

    def succeeded(self, permit: Permit, clock: Clock, usage: Usage | None) -> None:
        """``note``, of a request that was answered and of whose answer no client has told."""
        with self._lock:
            now = clock.monotonic()
            self.limit.succeeded(permit, now, usage)
            if self._waiting:
                self._plan(clock, now)
        if not self._warned and self.limit.untold:
            self._warn()

    def demands(self, number: int, clock: Clock) -> float:
        """See ``Waitlist``."""
        with self._lock:
            now = clock.monotonic()
            return max(self.limit.pause.left(now), self.limit.buckets.demands(now, number))

    # -- other processes: here there are none ------------------------------------------------------------------------

    def confirm(self, permit: Permit, clock: Clock) -> bool:
        """See ``Waitlist``."""
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

    def stalls(self) -> None:
        """They have not answered for ``STALL`` seconds."""

    # -- requests as they leave --------------------------------------------------------------------------------------

    def unattached(self) -> None:
        """A call has ended well and told of no request that it has made."""

    def departing(self) -> AbstractContextManager[None]:
        """While a request that has its permit waits until it may leave."""
        return _ALONE

    def departs(self, clock: Clock) -> float:
        """Seconds that a request with a permit should still wait before it leaves."""
        with self._lock:
            return self.limit.departs(clock.monotonic())

    def leaves(self, clock: Clock) -> float:
        """Seconds until the request before is far enough away; 0.0 counts this one as gone now."""
        with self._lock:
            return self.limit.leaves(clock.monotonic())

    def left(self, clock: Clock) -> None:
        """A request was written only now."""
        with self._lock:
            self.limit.left(clock.monotonic())

    # -- after them --------------------------------------------------------------------------------------------------

    def note(self, permit: Permit, clock: Clock, end: RequestEnd) -> None:
        """What became of the request; a warning if nothing ever tells of tokens that are limited."""
        super().note(permit, clock, end)
        if self.limit.untold and not self._warned:
            self._warn()

    def _warn(self) -> None:
        with self._lock:
            news, self._warned = not self._warned, True
        if news:
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

    def standing(self, clock: Clock) -> Standing:
        """What its refusals have come to."""
        with self._lock:
            pause = self.limit.pause
            paused_for = pause.left(clock.monotonic()) if pause.paused else None
            return Standing(self.limit.hopeless, pause.fruitless, pause.openings, paused_for)

    def rates(self) -> dict[str, float]:
        """What the limit lets through per minute, by unit."""
        with self._lock:
            return self.limit.buckets.rates()
