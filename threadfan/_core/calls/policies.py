"""What calls are under besides their timeout: retries, limits, second attempts; and how far one has come with them."""

from __future__ import annotations

from ..base.attempt import Attempt
from ..base.outcome import SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..base.clock import Clock
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..limits.adaptive_limit import Start
    from ..limits.rate_waitlist import RateWaitlist
    from ..limits.waitlist import Waiter, Waitlist
    from ..policies.breaker import Breaker, Pass
    from ..policies.cost import Cost, Permit
    from ..policies.hedge import Hedge
    from ..policies.retry_state import Policy, RetryState
    from ..pool.work_queue import Actions


class Policies:
    """The same for all calls that were handed in under the same options.

    Args:
        retry: what is tried again, or None.
        waitlist: of the rate limit, or None.
        pace: that of the fan's `Adaptive`, or None.
        hedge: when there are second attempts, or None.
        breaker: what says that their service is down, or None.
        total: seconds for all attempts of a call together, or None.
        fallback: what is called when one has failed, or None.
    """

    __slots__ = ("_first_is_plain", "breaker", "fallback", "hedge", "judged", "pace", "retry", "total", "waitlist")

    keyed = False
    """Whether they are those of one key, and count its attempts: see ``KeyedPolicies``."""

    full = False
    """Whether as many attempts of that key run as may."""

    def __init__(
        self,
        retry: Policy | None,
        waitlist: RateWaitlist | None,
        pace: Waitlist[Start] | None,
        hedge: Hedge | None,
        breaker: Breaker | None = None,
        total: float | None = None,
        fallback: Fallback | None = None,
    ) -> None:
        self.retry: Policy | None = retry
        self.waitlist: RateWaitlist | None = waitlist
        self.pace: Waitlist[Start] | None = pace
        self.hedge: Hedge | None = hedge
        self.breaker: Breaker | None = breaker
        self.total: float | None = total
        self.fallback: Fallback | None = fallback
        self.judged: bool = retry is not None or fallback is not None or self.told
        """Whether a returned answer may count as an error."""
        self._first_is_plain = (
            pace is None
            and breaker is None
            and (fallback is None or waitlist is None)  # else calls of one batch stand in different lanes
            and (retry is None or retry.silent)
            and (waitlist is None or not (waitlist.shared or waitlist.limit.estimates))
        )

    @property
    def waitlists(self) -> set[Waitlist]:
        """All that its calls stand in."""
        return {waitlist for waitlist in (self.waitlist, self.pace) if waitlist is not None}

    @property
    def lane(self) -> object:
        """Says which calls wait for the same: those under policies of which this is equal."""
        return self.waitlist, self.pace

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self.waitlist is not None or self.pace is not None

    @property
    def told(self) -> bool:
        """Whether anything of theirs learns how an attempt has ended that has a value."""
        return self.limited or self.breaker is not None

    @property
    def first_is_plain(self) -> bool:
        """Whether nothing of the user's is asked before a first attempt, and no other process.

        Then nothing need be known of a call before that has ended; see ``InputBatch`` and ``FirstCallQueue``.
        """
        return self._first_is_plain

    def state(self, args: tuple[object, ...], kwargs: dict[str, object], now: float) -> AttemptState:
        """For a call that is handed in now; one of which the ``estimate`` fails is to fail with its error."""
        limit = None if self.waitlist is None else self.waitlist.limit
        if limit is None or not limit.estimates:
            return AttemptState(None, now)
        try:
            return AttemptState(limit.cost(args, kwargs), now)
        except Exception as error:
            state = AttemptState(None, now)
            state.flaw = error
            return state

    def admit(self, state: AttemptState, waiter: Waiter, clock: Clock, within: float = -1.0) -> bool:
        """Whether all limits let a call start now, which then has their permits; else the waiter stands in a waitlist.

        Permits are taken by a thread that has a slot, see ``Waitlist``.

        Args:
            within: see ``Waitlist.take``.
        """
        if state.flaw is not None or state.shut_out:
            return True
        waitlist, pace = self.waitlist, self.pace
        if waitlist is not None:
            state.permit = waitlist.take(waiter, state.cost, clock, within)
            if state.permit is None:
                return False
        if pace is not None:
            state.start = pace.take(waiter, None, clock)
            if state.start is None:
                self.give_back(state, clock)
                return False
        return True

    def give_back(self, state: AttemptState, clock: Clock) -> None:
        """The attempt that the permits were for is not begun."""
        (permit, state.permit), (start, state.start) = (state.permit, None), (state.start, None)
        if self.waitlist is not None and permit is not None:
            self.waitlist.give_back(permit, clock)
        if self.pace is not None and start is not None:
            self.pace.give_back(start, clock)
        if self.breaker is not None and state.passed is not None:
            passed, state.passed = state.passed, None
            self.breaker.give_back(passed, clock.monotonic())

    def left(self, state: AttemptState, after: Actions) -> None:
        """An attempt has ended, and they are those of a key."""


class Fallback:
    """A function that is called in place of another; ``policies`` are those of its own attempts, and of what follows.

    Args:
        name: of the function.
    """

    __slots__ = ("fn", "name", "policies")

    def __init__(self, fn: Callable[..., object], name: str, policies: Policies) -> None:
        self.fn: Callable[..., object] = fn
        self.name: str = name
        self.policies: Policies = policies


class Fallen:
    """What is called now in place of a call's function, by name, and what that or the one before has failed with."""

    __slots__ = ("error", "name")

    def __init__(self, name: str, error: BaseException) -> None:
        self.name: str = name
        self.error: BaseException = error


class Used:
    """What a call has used of its total time, and the timeout that it was handed in with; see ``total_time``."""

    __slots__ = ("spent", "timeout")

    def __init__(self, timeout: float, spent: float = 0.0) -> None:
        self.timeout: float = timeout
        self.spent: float = spent


class AttemptState:
    """How far one call has come.  Used under the scheduler's lock while it waits, by its own thread while it runs.

    Args:
        cost: of each attempt, if the user estimates it.
        now: when it was handed in.
    """

    __slots__ = (
        "allowance", "asking", "attempts", "backoff", "cost", "discards", "elsewhere", "fallen", "flaw", "gives_way",
        "handed_in", "headers", "let_by", "limited", "mark", "once", "openings", "passed", "permit", "queued",
        "refusals", "retry", "shut_out", "since", "spoken", "start", "told", "undecided", "usage", "used",
        "waited_inside",
    )  # fmt: skip

    def __init__(self, cost: Cost | None, now: float) -> None:
        self.retry: RetryState | None = None  # what decides about further attempts, from the first on
        self.cost: Cost | None = cost
        self.flaw: Exception | None = None  # why it cannot be made at all
        self.handed_in: float = now  # since: when it joined its queue, this time
        self.since: float = now
        self.attempts: list[Attempt] = []
        self.permit: Permit | None = None  # for the attempt that is about to start, or runs
        self.start: Start | None = None  # what the fan's `Adaptive` has let it start with
        self.passed: Pass | None = None  # its breaker, for that attempt
        self.shut_out: bool = False  # by that: it ends where it would begin
        self.asking: bool = False  # the other processes for room, before an attempt; see ``Attempts``
        self.refusals: int = 0  # in a row
        self.openings: int = 0  # of its limit, at the last of them
        self.let_by: int = 0  # how often the limit has let others through between two of them
        self.gives_way: bool = False  # the last of them was that of a probe: let another call be the next
        self.once: bool = False  # an agent has run in it, so there is no other attempt
        self.spoken: bool = False  # some of its text was handed out, so nothing takes its place either
        self.discards: int = 0  # how many its queue had seen when it was taken for this attempt
        self.mark: float = 0.0  # what its queue had waited for the limit when it joined that
        self.queued: float = 0.0  # seconds waited before this attempt
        self.limited: float = 0.0
        self.backoff: float = 0.0
        self.waited_inside: float = 0.0  # seconds that the attempt has waited for the limit while it ran
        self.allowance: float = 0.0  # that, or infinity while it waits
        self.told: bool = False  # whether a client has told of a request
        self.headers: Mapping[str, str] | None = None  # of the answer to its first request
        self.undecided: Raw | None = None  # a timed-out attempt of which the user's policy has not been asked
        self.usage: Usage | None = None  # of this attempt
        self.used: Used | None = None  # of its total time, if it has one
        self.fallen: Fallen | None = None  # once it has
        self.elsewhere: tuple[float, str] | None = None  # how long the attempt ran, and where, if not here

    def joins(self, now: float, limited: float) -> None:
        """It stands in its queue; the queue has waited ``limited`` seconds for its limit until now."""
        self.since, self.mark = now, limited

    def starts(self, now: float, limited: float) -> None:
        """An attempt starts."""
        self.limited = min(limited - self.mark, now - self.since)
        self.queued = now - self.since - self.limited
        self.usage = self.headers = None
        self.allowance = self.waited_inside = 0.0

    def ended(self, raw: Raw) -> None:
        """The attempt has ended."""
        _, _, _, status, payload, start, end, worker = raw
        if start is None:  # it was not begun
            return
        seconds = end - start
        if self.elsewhere is not None:
            (seconds, worker), self.elsewhere = self.elsewhere, None
        self.attempts.append(
            Attempt(
                status,
                None if status is SUCCEEDED else payload,
                started=start - self.handed_in,
                duration=seconds,
                waited_slot=self.queued,
                waited_limit=self.limited + self.waited_inside,
                waited_backoff=self.backoff,
                worker=worker,
                fallback=None if self.fallen is None else self.fallen.name,
            )
        )
        self.backoff = 0.0
