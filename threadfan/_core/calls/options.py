"""What can be set for a fan, a view of it or a single task."""

from __future__ import annotations

from math import isfinite

from ..base.checks import count, flag, given, seconds
from ..base.given import real
from ..base.texts import brief
from ..pool.priorities import Priority
from ..pool.work_queue import ConcurrencyLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from ..base.generic import T
    from ..events.progress import Progress
    from ..limits.adaptive_limit import Start
    from ..limits.waitlist import Waitlist
    from ..policies.breaker import Breaker
    from ..policies.hedge import Hedge
    from ..policies.rate_limit import RateLimit
    from ..policies.retry import Retry
    from ..policies.retry_state import Policy
    from .keys import By, Keys
    from .policies import Policies

    Changes: TypeAlias = dict[str, Any]
    """Options that replace others, by name."""

UNDER_POLICIES = ("retry", "rate", "hedge", "breaker")
"""The options that put calls under policies."""


class Options:
    """How calls are run.

    Args:
        timeout: seconds, or None.
        cap: how many of them may run at once.
        retry: what is tried again, as for ``Fan``.
        rate: a limit that they share with all who are given the same object.
        hedge: when they are attempted a second time.
        breaker: what says that the service which they ask is down, for all who are given the same object.
        pace: the waitlist of the fan's `Adaptive`, if it has one.
        interrupt: raise ``CallCancelled`` in them, wherever they are, when they are over.
        most: how many calls the user wants the fan to run at once; None for a number that depends on the machine.

    Attributes:
        keys: what bounds those of each key, of one batch.
        priority: theirs among others; 0 for none.
        home: where single calls are queued.
    """

    __slots__ = (
        "_given", "_pace", "cap", "home", "interrupt", "keys", "most", "policies", "priority", "progress", "timeout",
    )  # fmt: skip

    def __init__(
        self,
        timeout: float | None,
        cap: ConcurrencyLimit,
        interrupt: bool = False,
        most: int | None = None,
        *,
        retry: Retry = None,
        rate: RateLimit | None = None,
        hedge: Hedge | None = None,
        breaker: Breaker | None = None,
        pace: Waitlist[Start] | None = None,
    ) -> None:
        self.most: int | None = most
        self.timeout: float | None = seconds("timeout", timeout)
        self.cap: ConcurrencyLimit = cap
        self.interrupt: bool = flag("interrupt", interrupt)
        self.keys: Keys | None = None
        self.priority: float = 0.0
        self.home: ConcurrencyLimit = cap
        self._given = retry, rate, hedge, breaker
        self._pace = pace
        self.policies: Policies | None = _policies(*self._given, pace)
        self.progress: bool | Callable[[Progress], object] = False  # of those that are waited for together

    def changed(self, changes: Changes) -> Options:
        """With some options replaced; itself if none is."""
        if not changes:
            return self
        cap = self.cap
        if "max_concurrent" in changes:
            most = changes["max_concurrent"]
            cap = ConcurrencyLimit() if most is None else ConcurrencyLimit(self.at_most(most))
        new = Options(changes.get("timeout", self.timeout), cap, changes.get("interrupt", self.interrupt), self.most)
        retry, rate, hedge, breaker = self._given
        new._given = (
            changes.get("retry", retry),
            changes.get("rate", rate),
            changes.get("hedge", hedge),
            changes.get("breaker", breaker),
        )
        new._pace = self._pace
        new.progress = changes.get("progress", self.progress)
        new.priority = priority_of(changes.get("priority", self.priority))
        if new.priority:
            new.home = self.home if cap is self.cap and new.priority == self.priority else Priority(cap, new.priority)
        same = all(one is old for one, old in zip(new._given, self._given, strict=True))
        new.policies = self.policies if same else _policies(*new._given, self._pace)
        return new

    def of_batch(
        self, by: By | None, max_concurrent: int | None, rate: RateLimit | None, priority: float | None
    ) -> Options:
        """Of one batch: limits of its own, for each key of its inputs if there is ``by``."""
        changes: Changes = {} if priority is None else {"priority": priority}
        if by is None:
            found = {"max_concurrent": max_concurrent, "rate": rate}
            return self.changed(changes | {name: value for name, value in found.items() if value is not None})
        from . import keyed_batch, keyed_policies  # noqa: F401 -- what its calls need, before there is one
        from .keys import Keys

        if rate is not None:
            _checked(rate=rate)
        new = self.changed({"timeout": self.timeout, **changes})
        new.keys = Keys(by, max_concurrent, rate)
        return new

    def at_most(self, value: int) -> int:
        """Check a ``max_concurrent``: one that the fan's slots can never reach caps nothing."""
        found = count("max_concurrent", value)
        if self.most is not None and found > self.most:
            raise ValueError(
                f"max_concurrent must be at most {self.most}, the fan's max_workers, not {value!r}: leave it out, "
                f"or make a Fan({found})"
            )
        return found

    def dressed(self, fn: Callable[..., T]) -> Callable[..., T]:
        """``fn`` as it is to be called under these options."""
        if not self.interrupt:
            return fn
        from ..scope.interrupt import interruptible

        return interruptible(fn)


def _policies(
    retry: Retry,
    rate: RateLimit | None,
    hedge: Hedge | None,
    breaker: Breaker | None,
    pace: Waitlist[Start] | None,
) -> Policies | None:
    if retry is None and rate is None and hedge is None and breaker is None and pace is None:
        return None
    policy = _checked(retry, rate, hedge, breaker)
    if policy is None and rate is None and pace is None and hedge is None and breaker is None:
        return None
    # On first use: imports are dear to programs that need none of it.
    from ..limits.waitlists import waitlist_of
    from . import first_call_queue, input_batch  # noqa: F401 -- what their calls need, before there is one
    from .policies import Policies

    return Policies(policy, None if rate is None else waitlist_of(rate), pace, hedge, breaker)


def _checked(retry: object = None, rate: object = None, hedge: object = None, breaker: object = None) -> Policy | None:
    """Check what would put calls under policies; answers that of their retries."""
    from ..policies.hedge import Hedge
    from ..policies.rate_limit import RateLimit
    from ..policies.retry import retry_policy

    if rate is not None and not isinstance(rate, RateLimit):
        raise TypeError(f"rate must be a RateLimit, such as RateLimit(requests_per_minute=600), not {brief(rate)}")
    if hedge is not None and not isinstance(hedge, Hedge):
        raise TypeError(f'hedge must be a Hedge, such as Hedge(after="p95", budget=0.05), not {brief(hedge)}')
    if breaker is not None:
        from ..policies.breaker import Breaker

        if not isinstance(breaker, Breaker):
            raise TypeError(
                f"breaker must be a Breaker, such as Breaker(failures=5, recovery=30), not {brief(breaker)}"
            )
    return retry_policy(retry)


def priority_of(value: float) -> float:
    """Check a priority."""
    found = real(value)
    if found is None or not isfinite(found):
        raise TypeError(f"priority must be a number, of which small ones go first, such as -1, not {brief(value)}")
    return found


def of_each_call(**options: object) -> Changes:
    """The options that were given for calls of a task or a stage, which has no fan yet; checked."""
    changes = given(**options)
    if "timeout" in changes:
        changes["timeout"] = seconds("timeout", changes["timeout"])
    if "interrupt" in changes:
        changes["interrupt"] = flag("interrupt", changes["interrupt"])
    if "priority" in changes:
        changes["priority"] = priority_of(changes["priority"])
    wanted = {name: changes[name] for name in UNDER_POLICIES if changes.get(name) is not None}
    if wanted:
        _checked(**wanted)
    return changes
