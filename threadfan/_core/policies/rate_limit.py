"""``RateLimit``: how many requests and tokens a minute, and who must wait how long for that.

It answers with numbers and never waits itself.  Guarantees, if every call but ``cost`` and ``repr`` is made with the
lock of its waitlist held (see ``limits``) and with ``now`` from one monotonic clock: what was reserved at ``take`` is
what was used once the request has ended; every permit ends in exactly one of ``give_back``, ``succeeded``,
``overloaded`` and ``failed``.

A limit is made of four parts: the ``Buckets`` of what it counts, the ``Costs`` of requests, the ``Pause`` after a
refusal, and the ``Feedback`` of refusals, which says how far below the limit to stay; besides, ``Departures`` keep
requests apart of which it is known when they are written.

The margin below the limit, ``1 + margin`` times the interval, is what jitter on the way asks for.
"""

from __future__ import annotations

from ..base import arguments
from ..base.texts import brief
from .buckets import Buckets
from .cost import FREE, Cost, Costs, Permit
from .departures import Departures
from .feedback import IDLE, SHARED_IDLE, Feedback
from .pause import Pause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Never

    from ..base.usage import Usage

# For burst=1 each gap by itself must be long enough for a strict server, for one 429 with a Retry-After of 1 s costs
# 8 % of 15 s.  Simulated (tests/support/virtual_servers.py): 600/min, 15 s, 60 runs, a bucket of 1 that lets 151
# through, transit of 0.2 ms and exponential jitter; the share of runs below 97 % of it:
#     mean jitter   margin 2 %    2.25 %    2.5 %    2.65 %
#     0.2 ms               0 %       0 %      0 %       0 %
#     0.3 ms              10 %       3 %      2 %       0 %
#     0.4 ms              45 %      20 %     13 %       8 %
# More margin than 2.7 % cannot reach 97 %; less than 2.3 % is refused too often.
SINGLE_MARGIN = 0.025
SHARED_MARGIN = 0.04  # for burst=1, when the next request may be another process's, and nobody tells of the writing
BURST_MARGIN = 0.003  # for more: the server's bucket takes up jitter, and needs to be filled only a little faster
SENT_MARGIN = 0.014  # for burst=1, when each gap counts from the moment at which the request before was written
SHARED_SENT_MARGIN = 0.02  # the same where another process is to know of that moment: it does so a little later

UNITS = ("requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute")


class RateLimit:
    """Limits requests and tokens per minute, for all fans that are given this object; a refusal pauses all of them.

    Without any number it still pauses after a refusal (429, 529) and follows the provider's headers.

    Args:
        requests_per_minute: requests, which are spaced evenly once the burst is used up; None for no limit.
        input_tokens_per_minute: tokens sent.  Tokens written to a prompt cache count, those read from it do not, as
            for most of Anthropic's models.
        output_tokens_per_minute: tokens received.
        burst: how many requests may start at once after a quiet time; 1 spaces all of them.  Tokens may come in bursts
            of a second's worth, or of as much as ``burst`` mean requests use if that is more.
        estimate: a function of a call's arguments that returns the (input tokens, output tokens) which the call will
            use.  By default the mean of the last requests is taken, and before the first answer a second's worth of the
            limit.  Either is corrected when the true usage is known.  If no client tells the usage and there is no
            ``estimate``, a warning says so, and the limit of tokens holds nothing back.
        shared: where the limit is kept for several processes: "sqlite:///path" (as "sqlite:////tmp/path" if it is
            absolute) for processes of one machine, "redis://…" or "rediss://…".  Limits with the same place and
            ``name`` are one limit, of requests, bursts and pauses.  Each process counts tokens for itself: give each
            its part.  If the place cannot be reached, making the fan fails; if it is lost later, each process keeps to
            the limit for itself, and a warning is logged.  Redis needs the extra ``shared``: ``pip install
            "threadfan[shared]"``.
        name: for events and reports, and to tell limits apart that are kept in one place.

    Raises:
        TypeError, ValueError: an argument is wrong; the message says what would be right.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        *,
        input_tokens_per_minute: float | None = None,
        output_tokens_per_minute: float | None = None,
        burst: int = 1,
        estimate: Callable[..., tuple[float, float]] | None = None,
        shared: str | None = None,
        name: str | None = None,
        **misplaced: Never,
    ) -> None:
        if misplaced:
            raise arguments.unknown("RateLimit", misplaced, UNITS)
        configured = {
            "requests": arguments.per_minute("requests_per_minute", requests_per_minute),
            "input_tokens": arguments.per_minute("input_tokens_per_minute", input_tokens_per_minute),
            "output_tokens": arguments.per_minute("output_tokens_per_minute", output_tokens_per_minute),
            "tokens": None,  # both together; only ever known from headers
        }
        self.burst: int = arguments.whole("burst", burst)
        if estimate is not None and not callable(estimate):
            raise TypeError(f"estimate must be a function of the call's arguments, not {brief(estimate)}")
        self.shared: str | None = arguments.location(shared)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string or None, not {brief(name)}")
        self.name = name
        self._given = requests_per_minute, input_tokens_per_minute, output_tokens_per_minute, estimate
        self.waitlist: object = None  # of those who wait for it, see ``waitlist_of``
        self.estimates: bool = estimate is not None
        self.in_flight: int = 0
        self.overloads: int = 0  # pauses that have begun
        single, sent = (SINGLE_MARGIN, SENT_MARGIN) if self.shared is None else (SHARED_MARGIN, SHARED_SENT_MARGIN)
        self.pause: Pause = Pause()
        self._costs = Costs(estimate)
        # Who goes as fast as a slow limit lets him is not idle between two requests.
        idle = max(IDLE if self.shared is None else SHARED_IDLE, 120.0 / (configured["requests"] or 120.0))
        self._feedback = Feedback(single if self.burst == 1 else BURST_MARGIN, idle)
        self._departures = Departures(self.burst, self._feedback, sent)
        self.buckets: Buckets = Buckets(configured, self.burst, self._costs, self._feedback, self._departures)

    # -- before a request --------------------------------------------------------------------------------------------

    def cost(self, args: tuple[object, ...] = (), kwargs: dict[str, object] | None = None) -> Cost:
        """What a call with these arguments is expected to use.  Runs the user's ``estimate``: call it without the lock.

        Raises:
            ValueError: the estimate answered something else than two numbers.
        """
        if self.buckets.alone is not None and not self.estimates:
            return FREE  # tokens are not limited
        return self._costs.of(args, kwargs or {}, self.buckets.seconds_worth)

    def wait(self, now: float, cost: Cost) -> float:
        """Seconds until a request of this cost may start; 0.0 if it may now.

        It may become less at any time (a probe was answered, a reservation given back) and more (a pause has begun):
        ask again after either, and after the wait.
        """
        return max(self.pause.wait(now), self.buckets.wait(now, cost))

    def take(self, now: float, cost: Cost) -> Permit:
        """Reserve a request; only when ``wait`` has answered 0 at this very moment and under the same lock."""
        levels = self.buckets.take(now, cost)
        self.in_flight += 1
        return Permit(now, cost, self.pause.started(now), levels)

    def try_take(self, now: float, cost: Cost) -> Permit | None:
        """Reserve a request, if ``wait`` answers 0; else None."""
        pause = self.pause
        if pause.wait(now) > 0.0:
            return None
        levels = self.buckets.try_take(now, cost)
        if levels is None:
            return None
        self.in_flight += 1
        return Permit(now, cost, pause.started(now), levels)

    def departs(self, now: float) -> float:
        """Seconds that a request with a permit should still wait before it leaves; counts it as gone then."""
        return self._departures.departs(now)

    def leaves(self, now: float) -> float:
        """Without a burst: seconds until the request before is far enough away; 0.0 counts this one as gone now."""
        return self._departures.leaves(now)

    def left(self, now: float) -> None:
        """A request, or a part of it, was written only now."""
        self._departures.left(now)

    # -- after it: exactly one of these ------------------------------------------------------------------------------

    def give_back(self, permit: Permit, now: float) -> None:
        """The request was never made: nothing was used."""
        self.in_flight -= 1
        self.pause.ended(permit.epoch)
        self.buckets.put_back(permit.cost, permit.at)

    def failed(self, permit: Permit, now: float) -> None:
        """The request ended in a way that says nothing about the limit; what was reserved counts as used.

        Unless it was the guess before the first answer: calls that fail one after another are not held back by that.
        """
        self.in_flight -= 1
        self.pause.ended(permit.epoch)
        if self._costs.guessed(permit.cost):
            self.buckets.settle(permit.cost, Cost())

    def succeeded(
        self,
        permit: Permit,
        now: float,
        usage: Usage | None = None,
        headers: Mapping[str, str] | None = None,
        wall: float | None = None,
    ) -> None:
        """The request was answered.

        Args:
            usage: the tokens it has used; they replace those that were reserved.
            headers: of the response; the provider's limits are followed (never above the configured ones).
            wall: the time of day as a Unix time stamp, needed only if the response has no ``date`` header.
        """
        self.in_flight -= 1
        if usage is not None:
            self.buckets.settle(permit.cost, Cost.of(usage))
        elif permit.cost is not FREE and self._costs.guessed(permit.cost):
            self._costs.untold = True
            self.buckets.settle(permit.cost, Cost())  # to hold calls back by a guess that nothing corrects helps nobody
        was_paused = self.pause.paused
        if self.pause.succeeded(permit.epoch, now):
            self._feedback.succeeded(now)
        if was_paused and not self.pause.paused and not self.pause.brief:
            self.buckets.empty(now)
        if headers is None:
            self.buckets.tune(now)
        else:
            self.pause.hold(self.buckets.follow(permit, now, headers, wall))

    def overloaded(
        self,
        permit: Permit,
        now: float,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        wall: float | None = None,
    ) -> None:
        """The request was refused: too many requests or tokens, or too much to do for the server (429, 529).

        Args:
            retry_after: seconds that the server asks to wait; None for a guess, see ``pause``.
        """
        self.in_flight -= 1
        self.buckets.settle(permit.cost, Cost())  # a refused request has used no tokens
        paced = not self.pause.paused
        if self.pause.overloaded(permit.epoch, now, retry_after, now - permit.at):
            self.overloads += 1
            if not self.pause.brief:
                self.buckets.refused(now, paced)
        self.pause.hold(self.buckets.follow(permit, now, headers, wall))

    def lift(self, now: float) -> None:
        """The last refusal was none of too many requests, but for want of money or of an account: no pause for it."""
        self.pause.lift(now)
        self.buckets.tune(now)

    @property
    def untold(self) -> bool:
        """Whether there is a limit of tokens and nothing tells how many are used."""
        return self._costs.untold

    @property
    def hopeless(self) -> bool:
        """Whether ten probes in a row were refused: waiting calls had better fail honestly.  False after a success."""
        return self.pause.hopeless

    def paused_for(self, now: float) -> float:
        """Seconds until the pause is over that a refusal has begun; 0.0 without one."""
        return self.pause.left(now)

    # -- what other processes have to do with it ---------------------------------------------------------------------

    @property
    def bucket(self) -> tuple[float, float] | None:
        """Seconds between two requests, the margin included, and how many may start at once; None without a number."""
        bucket = self.buckets.of_requests
        return None if bucket is None else bucket.bucket

    def hold(self, until: float) -> None:
        """Let nothing out before ``until``: whoever knows of the other processes has said so."""
        self.pause.hold(until)

    def __repr__(self) -> str:
        limits = [f"{number:g} {unit.replace('_', ' ')}/min" for unit, number in self.buckets.rates().items()]
        named = f" {self.name!r}" if self.name else ""
        pace = f"paused, {self.pause.fruitless} probes refused" if self.pause.paused else "open"
        used = f" at {100 / self._feedback.stretch:.1f} %" if limits else ""
        return (
            f"<RateLimit{named}: {', '.join(limits) or 'no number'}, burst {self.burst}; "
            f"{pace}{used}, {self.in_flight} in flight, {self.overloads} pauses>"
        )


def another(limit: RateLimit) -> RateLimit:
    """A limit of the same numbers, for others."""
    requests, read, written, estimate = limit._given
    return RateLimit(
        requests,
        input_tokens_per_minute=read,
        output_tokens_per_minute=written,
        burst=limit.burst,
        estimate=estimate,
        name=limit.name,
    )
