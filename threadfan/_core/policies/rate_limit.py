"""``RateLimit``: how many requests and tokens a minute, and who must wait how long for that.

It answers with numbers and never waits itself.  Guarantees, if every call but ``cost`` and ``repr`` is made with its
``lock`` held and with ``now`` from one monotonic clock: what was reserved at ``take`` is what was used once the request
has ended; every permit ends in exactly one of ``give_back``, ``succeeded``, ``overloaded`` and ``failed``.

The margin below the limit, ``1 + margin`` times the interval, is what jitter on the way asks for.
"""

from __future__ import annotations

from ..base import arguments
from ..base.errors import brief
from .cost import Cost, Costs, Permit
from .feedback import Feedback
from .pause import Pause
from .token_bucket import NOTHING, Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Never

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
SLACK = 0.02  # seconds, or half an interval if that is more, by which a burst is kept smaller


UNITS = ("requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute")


class RateLimit:
    """At most so many requests and tokens a minute, for all fans that are given this object; one pause for all.

    Without any number it still pauses on an overload and follows the provider's headers.

    Args:
        requests_per_minute: requests, evenly spaced once the burst is used up; None for no limit.
        input_tokens_per_minute: tokens sent.  Tokens written to a prompt cache count, those read from it do not, as
            for most of Anthropic's models.
        output_tokens_per_minute: tokens received.
        burst: how many requests may start at once after a quiet time; 1 spaces every two.  Tokens may come in bursts of
            a second's worth, or of so many mean requests if that is more.
        estimate: called with a call's arguments; answers (input tokens, output tokens) that it will use.  By default
            the mean of the last requests, and before the first answer a second's worth of the limit.  Either is
            corrected when the true usage is known.  If nothing tells it and there is no ``estimate``, a warning says
            so, and the limit of tokens holds nothing back.
        shared: where the limit is kept for several processes: "sqlite:///path" (as "sqlite:////tmp/path" if it is
            absolute) for those of one machine, "redis://…" or "rediss://…".  Limits of one place and one ``name`` are
            one limit: of requests, bursts and pauses.  Tokens are counted by each process for itself: give each its
            part.  If the place cannot be reached, making the fan fails; if it is lost later, each process keeps to the
            limit for itself, and a warning is logged.  Redis needs the package of that name: ``pip install redis``.
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
        self._configured = {
            "requests": arguments.per_minute("requests_per_minute", requests_per_minute),
            "input_tokens": arguments.per_minute("input_tokens_per_minute", input_tokens_per_minute),
            "output_tokens": arguments.per_minute("output_tokens_per_minute", output_tokens_per_minute),
            "tokens": None,  # both together; only ever known from headers
        }
        self.burst = arguments.whole("burst", burst)
        if estimate is not None and not callable(estimate):
            raise TypeError(f"estimate must be a function of the call's arguments, not {brief(estimate)}")
        self.shared = arguments.location(shared)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string or None, not {brief(name)}")
        self.name = name
        self.line: Any = None  # of those who wait for it; the executor's affair
        self.estimates = estimate is not None
        self.in_flight = 0
        self.overloads = 0  # pauses that have begun
        self._costs = Costs(estimate)
        self._pause = Pause()
        single = SINGLE_MARGIN if self.shared is None else SHARED_MARGIN
        self._feedback = Feedback(single if self.burst == 1 else BURST_MARGIN)
        self._paces: dict[str, Pace] = {}
        self._wire: Pace | None = None  # of requests too, as they leave
        self._left = float("-inf")  # when the last one was written
        for unit, number in self._configured.items():
            if number is not None:
                self._add(unit, number)

    # -- before a request --------------------------------------------------------------------------------------------

    def cost(self, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Cost:
        """What a call with these arguments is expected to use.  Runs the user's ``estimate``: call it without the lock.

        Raises:
            ValueError: the estimate answered something else than two numbers.
        """
        return self._costs.of(args, kwargs or {}, self._seconds_worth())

    def wait(self, now: float, cost: Cost) -> float:
        """Seconds until a request of this cost may start; 0.0 if it may now.

        It may become less at any time (a probe was answered, a reservation given back) and more (a pause has begun):
        ask again after either, and after the wait.
        """
        waits = [pace.wait(now, cost.of_unit(unit)) for unit, pace in self._paces.items()]
        return max(self._pause.wait(now), *waits, 0.0)

    def take(self, now: float, cost: Cost) -> Permit:
        """Reserve a request; only when ``wait`` has answered 0 at this very moment and under the same lock."""
        for unit, pace in self._paces.items():
            pace.take(now, cost.of_unit(unit))
        self.in_flight += 1
        levels = {unit: pace.level(now) for unit, pace in self._paces.items()}
        return Permit(now, cost, self._pause.started(now), levels)

    def departs(self, now: float) -> float:
        """Seconds that a request with a permit should still wait before it leaves; counts it as gone then.

        Calls take differently long from their start to their request, the first above all, and a strict server would
        refuse two that arrive too close together.
        """
        wire = self._wire
        if wire is None:
            return 0.0
        if self.burst == 1:
            self._feedback.least(SENT_MARGIN if self.shared is None else SHARED_SENT_MARGIN)
        wait = wire.wait(now)
        wire.take(now + wait)
        return wait

    def leaves(self, now: float) -> float:
        """Without a burst: seconds until the request before is far enough away; 0.0 counts this one as gone now."""
        pace = self._paces.get("requests")
        if pace is None or self.burst > 1:
            return 0.0
        wait = self._left + 60.0 / pace.per_minute * self._feedback.stretch - now
        if wait > NOTHING:
            return wait
        self._left = now
        return 0.0

    def left(self, now: float) -> None:
        """A request, or a part of it, was written only now."""
        self._left = now

    # -- after it: exactly one of these ------------------------------------------------------------------------------

    def give_back(self, permit: Permit, now: float) -> None:
        """The request was never made: nothing was used."""
        self._ended(permit)
        for unit, pace in self._paces.items():
            pace.correct(-permit.cost.of_unit(unit))

    def failed(self, permit: Permit, now: float) -> None:
        """The request ended in a way that says nothing about the limit; what was reserved counts as used.

        Unless it was the guess before the first answer: calls that fail one after another are not held back by that.
        """
        self._ended(permit)
        if self._guessed(permit):
            self._settle(permit, Cost())

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
            self._settle(permit, Cost.of(usage))
        elif self._guessed(permit):
            self._costs.untold = True
            self._settle(permit, Cost())  # to hold calls back by a guess that nothing will correct helps nobody
        was_paused = self._pause.paused
        if self._pause.succeeded(permit.epoch, now):
            self._feedback.succeeded(now)
        if was_paused and not self._pause.paused and not self._pause.brief:
            self._session(now)
        if headers is not None:
            self._follow(permit, now, headers, wall)
        self._tune(now)

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
        self._settle(permit, Cost())  # a refused request has used no tokens
        paced = not self._pause.paused
        if self._pause.overloaded(permit.epoch, now, retry_after, now - permit.at):
            self.overloads += 1
            if not self._pause.brief:
                self._refused(now, paced)
        if headers is not None:
            self._follow(permit, now, headers, wall)
        self._tune(now)

    def lift(self, now: float) -> None:
        """The last refusal was none of too many requests, but for want of money or of an account: no pause for it."""
        self._pause.lift(now)
        self._tune(now)

    def _rates(self) -> dict[str, float]:
        """What it lets through per minute, by unit."""
        return {unit: pace.per_minute for unit, pace in self._paces.items()}

    @property
    def untold(self) -> bool:
        """Whether there is a limit of tokens and nothing tells how many are used."""
        return self._costs.untold

    def paused_for(self, now: float) -> float:
        """Seconds until the pause is over that a refusal has begun; 0.0 without one."""
        return self._pause.left(now)

    # -- what other processes have to do with it ---------------------------------------------------------------------

    def _forked(self) -> None:
        """In the child of a fork: the requests under way are the parent's, a probe among them too."""
        self.in_flight = 0
        self._pause.ended(self._pause.epoch)

    @property
    def bucket(self) -> tuple[float, float] | None:
        """Seconds between two requests, the margin included, and how many may start at once; None without a number."""
        pace = self._paces.get("requests")
        return None if pace is None else pace.bucket

    def hold(self, until: float) -> None:
        """Let nothing out before ``until``: whoever knows of the other processes has said so."""
        self._pause.hold(until)

    @property
    def _brief(self) -> bool:
        """Whether the last pause is for what may be an exception, and says nothing about the pace."""
        return self._pause.brief

    def _refused_elsewhere(self, now: float) -> None:
        """Another process was refused while the pace was kept."""
        self._refused(now, paced=not self._pause.paused)
        self._tune(now)

    @property
    def hopeless(self) -> bool:
        """Whether ten probes in a row were refused: waiting calls had better fail honestly.  False after a success."""
        return self._pause.hopeless

    # -- inside ------------------------------------------------------------------------------------------------------

    def _guessed(self, permit: Permit) -> bool:
        """Whether tokens were reserved for it by a guess that nothing has confirmed yet."""
        return bool(permit.cost.input or permit.cost.output) and not self.estimates and self._costs.mean is None

    def _ended(self, permit: Permit) -> None:
        self.in_flight -= 1
        self._pause.ended(permit.epoch)

    def _refused(self, now: float, paced: bool) -> None:
        if paced:  # a probe that is refused says nothing about the pace
            self._feedback.overloaded()
        self._session(now)

    def _session(self, now: float) -> None:
        """No burst on top of the pace: after a pause, all that had to wait would go out in it."""
        for pace in self._paces.values():
            pace.session(now)

    def _follow(self, permit: Permit, now: float, headers: Mapping[str, str], wall: float | None) -> None:
        """Go by what the provider says.

        Where the pace is known, "nothing remaining" means an empty bucket, which fills at that pace: both providers
        define the reset as the moment at which the limit is *fully* replenished, and to hold until then would leave
        most of it unused.  Only where no pace is known is the reset all there is to go by.
        """
        from .headers import read

        for unit, said in read(headers, wall).items():
            if said.limit:
                self._limit(unit, said.limit, now)
            if said.remaining is not None and unit in self._paces:
                self._paces[unit].match(permit.levels.get(unit, 0.0), said.remaining, permit.at, now)
            elif said.remaining == 0 and said.reset:
                self._pause.hold(now + said.reset)

    def _limit(self, unit: str, said: float, now: float) -> None:
        per_minute = min(said, self._configured[unit] or said)
        pace = self._paces.get(unit)
        if pace is None:
            self._add(unit, per_minute)
        elif pace.per_minute != per_minute:
            if per_minute < pace.per_minute:
                self._feedback.forget()  # the refusals are explained
            pace.tune(now, per_minute, self._feedback.stretch)

    def _settle(self, permit: Permit, true: Cost) -> None:
        for unit, pace in self._paces.items():
            if unit != "requests":
                pace.correct(true.of_unit(unit) - permit.cost.of_unit(unit))
        if true.input or true.output:
            self._costs.learn(true)

    def _tune(self, now: float) -> None:
        for unit, pace in self._paces.items():
            pace.tune(now, pace.per_minute, self._feedback.stretch)
            pace.capacity = self._capacity(unit, pace.per_minute)
        if self._wire is not None:
            self._wire.tune(now, self._paces["requests"].per_minute, self._feedback.stretch)

    def _add(self, unit: str, per_minute: float) -> None:
        slack = 0.0
        if unit == "requests":
            interval = 60.0 / per_minute
            slack = min(max(SLACK, interval / 2), interval * (self.burst - 1) / 2)
            self._wire = Pace(per_minute, self.burst)
            self._wire.tune(0.0, per_minute, self._feedback.stretch)
        pace = self._paces[unit] = Pace(per_minute, self._capacity(unit, per_minute), slack)
        pace.tune(0.0, per_minute, self._feedback.stretch)

    def _capacity(self, unit: str, per_minute: float) -> float:
        if unit == "requests":
            return float(self.burst)
        mean = self._costs.mean
        return max(per_minute / 60.0, self.burst * mean.of_unit(unit) if mean else 0.0)

    def _seconds_worth(self) -> Cost:
        """A blind guess: one call a second until the first answer, which corrects it."""
        known = {unit: pace.per_minute / 60.0 for unit, pace in self._paces.items()}
        return Cost(known.get("input_tokens", 0.0), known.get("output_tokens", 0.0))

    def __repr__(self) -> str:
        limits = [f"{pace.per_minute:g} {unit.replace('_', ' ')}/min" for unit, pace in self._paces.items()]
        named = f" {self.name!r}" if self.name else ""
        pace = f"paused, {self._pause.fruitless} probes refused" if self._pause.paused else "open"
        used = f" at {100 / self._feedback.stretch:.1f} %" if limits else ""
        return (
            f"<RateLimit{named}: {', '.join(limits) or 'no number'}, burst {self.burst}; "
            f"{pace}{used}, {self.in_flight} in flight, {self.overloads} pauses>"
        )
