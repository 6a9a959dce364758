"""What governs calls besides their timeout: retries and a rate limit; and how far a call has come under them."""

from __future__ import annotations

from ..base.attempt import Attempt
from ..base.outcome import SUCCEEDED
from ..base.variables import renewed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..limits.waitlist import Waitlist
    from ..policies.cost import Cost, Permit
    from ..policies.hedge import Hedge
    from ..policies.retry_state import Policy, RetryState


class Policies:
    """The same for all calls that were handed in under the same options.

    Args:
        policy: of retries, or None.
        line: before the rate limit, or None.
        pace: before the fan's `Adaptive`, or None.
        hedge: of second attempts, or None.
    """

    __slots__ = ("hedge", "line", "pace", "policy")

    renewed = staticmethod(renewed)
    """The context of the next attempt, of a call's own."""

    def __init__(
        self, policy: Policy | None, line: Waitlist | None, pace: Waitlist | None, hedge: Hedge | None
    ) -> None:
        self.policy = policy
        self.line = line
        self.pace = pace
        self.hedge = hedge

    @property
    def lines(self) -> set[Waitlist]:
        """All that its calls stand in."""
        return {line for line in (self.line, self.pace) if line is not None}

    def state(self, args: tuple[Any, ...], kwargs: dict[str, Any], now: float) -> AttemptState:
        """For a call that is handed in now; one of which the ``estimate`` fails is to fail with its error."""
        limit = None if self.line is None else self.line.limit
        if limit is None or not limit.estimates:
            return AttemptState(None, now)
        try:
            return AttemptState(limit.cost(args, kwargs), now)
        except Exception as error:
            state = AttemptState(None, now)
            state.flaw = error
            return state


class AttemptState:
    """How far one call has come.  Used under the scheduler's lock while it waits, by its own thread while it runs.

    Args:
        cost: of each attempt, if the user estimates it.
        now: when it was handed in.
    """

    __slots__ = (
        "allowance", "asking", "attempts", "backoff", "cost", "course", "discards", "flaw", "handed_in", "headers",
        "limited", "mark", "once", "permit", "queued", "refusals", "since", "start", "told", "undecided", "usage",
        "waited_inside",
    )  # fmt: skip

    def __init__(self, cost: Cost | None, now: float) -> None:
        self.course: RetryState | None = None  # what decides about further attempts, from the first on
        self.cost = cost
        self.flaw: Exception | None = None  # why it cannot be made at all
        self.handed_in = self.since = now  # since: when it joined its queue, this time
        self.attempts: list[Attempt] = []
        self.permit: Permit | None = None  # for the attempt that is about to start, or runs
        self.start: Any = None  # what the fan's `Adaptive` has let it start with
        self.asking = False  # the other processes for room, before an attempt; see ``PolicyAttempts._confirmed``
        self.refusals = 0  # in a row
        self.once = False  # an agent has run in it, so there is no other attempt
        self.discards = 0  # how many its queue had seen when it was taken for this attempt
        self.mark = 0.0  # what its queue had waited for the limit when it joined that
        self.queued = self.limited = self.backoff = 0.0  # seconds waited before this attempt
        self.waited_inside = 0.0  # seconds that the attempt has waited for the limit while it ran
        self.allowance = 0.0  # that, or infinity while it waits
        self.told = False  # whether a client has told of a request
        self.headers: Any = None  # of the answer to its first request
        self.undecided: Raw | None = None  # a timed-out attempt of which the user's policy has not been asked
        self.usage: Usage | None = None  # of this attempt

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
        self.attempts.append(
            Attempt(
                status,
                None if status is SUCCEEDED else payload,
                started=start - self.handed_in,
                duration=end - start,
                waited_slot=self.queued,
                waited_limit=self.limited + self.waited_inside,
                waited_backoff=self.backoff,
                worker=worker,
            )
        )
        self.backoff = 0.0
