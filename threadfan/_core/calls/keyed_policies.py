"""The policies of the calls of a batch that have one key: ``by=`` beside retries, limits and the like.

Guarantee: no more attempts of one key run than there may.  A call that backs off, or waits for a limit, is none of
them; whoever ends an attempt tells its limits, and this with them.
"""

from __future__ import annotations

from functools import partial

from ..limits.waitlists import waitlist_of
from ..policies.rate_limit import another
from ..scope.alarms import set_alarm
from .keys import looked_up
from .policies import Policies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.clock import Clock
    from ..limits.waitlist import Waiter, Waitlist
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .keys import Keys
    from .policies import AttemptState


class KeyedPolicies(Policies):
    """Those of one key.  Guarded by the scheduler's lock: who runs.

    Args:
        base: what all calls of the batch are under; None if that is nothing.
        keys: what bounds the calls of each key.
    """

    __slots__ = ("_most", "_refused", "_running", "_scheduler", "calls")

    keyed = True

    def __init__(self, base: Policies | None, keys: Keys, scheduler: Scheduler) -> None:
        waitlist = None if base is None else base.waitlist
        if keys.rate is not None:
            waitlist = waitlist_of(another(keys.rate))
        if base is None:
            super().__init__(None, waitlist, None, None)
        else:
            super().__init__(base.retry, waitlist, base.pace, base.hedge, base.breaker, base.total, base.fallback)
        self._most = keys.most
        self.calls = 0  # of this key, ever handed in
        self._scheduler = scheduler
        self._running: set[AttemptState] = set()  # of attempts that count
        self._refused: Waiter | None = None  # who is to be invited when one of them has ended

    @property
    def lane(self) -> object:
        """Calls of one key wait for the same."""
        return self

    @property
    def told(self) -> bool:
        """Each attempt's end is."""
        return True

    @property
    def full(self) -> bool:  # type: ignore[override]  # that of one key changes
        """Whether as many attempts run as may."""
        return self._most is not None and len(self._running) >= self._most

    def state(self, args: tuple[object, ...], kwargs: dict[str, object], now: float) -> AttemptState:
        """See ``Policies``."""
        self.calls += 1
        return super().state(args, kwargs, now)

    def admit(self, state: AttemptState, waiter: Waiter, clock: Clock, within: float = -1.0) -> bool:
        """See ``Policies``; and not more attempts at once than there may be.  With the scheduler's lock held."""
        if self._most is None or state.flaw is not None or state.shut_out:
            return super().admit(state, waiter, clock, within)
        if self.full:
            self._refused = waiter
            for waitlist in self.waitlists:  # it may have been invited there
                waitlist.leave(waiter, clock)
            return False
        if not super().admit(state, waiter, clock, within):
            return False
        self._running.add(state)
        return True

    def give_back(self, state: AttemptState, clock: Clock) -> None:
        """The attempt that the permits were for is not begun."""
        super().give_back(state, clock)
        waiter = self._leave(state)
        if waiter is not None:  # who is not to be told with the lock held, and nobody waits for it
            set_alarm(clock, clock.monotonic(), waiter.invite, quick=True)

    def left(self, state: AttemptState, after: Actions) -> None:
        """An attempt has ended."""
        waiter = self._leave(state)
        if waiter is not None:
            after.append(waiter.invite)

    def _leave(self, state: AttemptState) -> Waiter | None:
        with self._scheduler.lock:
            if state not in self._running:
                return None
            self._running.discard(state)
            waiter, self._refused = self._refused, None
            return waiter


def by_key(
    base: Policies | None, keys: Keys, scheduler: Scheduler
) -> tuple[Callable[[object], Policies], set[Waitlist], Callable[[], int]]:
    """What says under which policies an input is called; the waitlists of all these, which become more; the most calls.

    The last says how many calls that key has of which there are most, in the end.
    """
    waitlists: set[Waitlist] = set()
    found = _Found(partial(_new, base, keys, scheduler, waitlists))

    def policies_of(item: object) -> Policies:
        return looked_up(found.__getitem__, keys.by, (item,))[0]

    return policies_of, waitlists, lambda: max((one.calls for one in found.copy().values()), default=0)


class _Found(dict[object, KeyedPolicies]):
    """Those of each key that there was."""

    def __init__(self, new: Callable[[], KeyedPolicies]) -> None:
        super().__init__()
        self._new = new

    def __missing__(self, key: object) -> KeyedPolicies:
        made = self[key] = self._new()
        return made


def _new(base: Policies | None, keys: Keys, scheduler: Scheduler, waitlists: set[Waitlist]) -> KeyedPolicies:
    made = KeyedPolicies(base, keys, scheduler)
    waitlists |= made.waitlists
    return made
