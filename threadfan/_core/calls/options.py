"""What can be set for a fan, a view of it or a single task."""

from __future__ import annotations

from math import isfinite

from ..base.checks import count, flag, function, given, seconds
from ..base.given import real
from ..base.static import describe
from ..base.texts import brief
from ..pool.priorities import Priority
from ..pool.work_queue import ConcurrencyLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeAlias

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

    class Sending(Protocol):
        """What has calls made elsewhere."""

        def dressed(
            self, fn: Callable[..., T], timeout: float | None, idle: float | None, interrupt: bool
        ) -> Callable[..., T]:
            """A function, called elsewhere under these options."""

    Function: TypeAlias = Callable[..., object]
    Functions: TypeAlias = Function | tuple[Function, ...]

    Changes: TypeAlias = dict[str, Any]
    """Options that replace others, by name."""

UNDER_POLICIES = ("retry", "rate", "hedge", "breaker", "total_timeout", "fallback")
"""The options that put calls under policies."""


class Options:
    """How calls are run.

    Args:
        timeout: seconds for each attempt, or None.
        cap: how many of them may run at once.
        retry: what is tried again, as for ``Fan``.
        rate: a limit that they share with all who are given the same object.
        hedge: when they are attempted a second time.
        breaker: what says that the service which they ask is down, for all who are given the same object.
        total_timeout: seconds for all attempts of a call together, or None.
        fallback: what is called when they have failed: a function, or several, one after another.
        pace: the waitlist of the fan's `Adaptive`, if it has one.
        interrupt: raise ``CallCancelled`` in them, wherever they are, when they are over.
        most: how many calls the user wants the fan to run at once; None for a number that depends on the machine.
        idle_timeout: seconds for which a call may do nothing, or None.
        sending: what has them made elsewhere, where their timeouts hold; None if they are made here.

    Attributes:
        dresses: whether their functions are called as they are, or ``dressed``.
        timeout: of a first attempt: the shorter one of both.
        keys: what bounds those of each key, of one batch.
        priority: theirs among others; 0 for none.
        home: where single calls are queued.
    """

    __slots__ = (
        "_given", "_pace", "_timeout", "cap", "dresses", "home", "idle", "interrupt", "keys", "most", "policies",
        "priority", "progress", "sending", "timeout",
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
        total_timeout: float | None = None,
        fallback: Functions | None = None,
        idle_timeout: float | None = None,
        pace: Waitlist[Start] | None = None,
        sending: Sending | None = None,
    ) -> None:
        self.sending: Sending | None = sending
        self.most: int | None = most
        self._timeout = seconds("timeout", timeout)
        self.cap: ConcurrencyLimit = cap
        self.interrupt: bool = flag("interrupt", interrupt)
        self.idle: float | None = seconds("idle_timeout", idle_timeout)
        self.dresses: bool = self.interrupt or self.idle is not None or sending is not None
        self.keys: Keys | None = None
        self.priority: float = 0.0
        self.home: ConcurrencyLimit = cap
        self.progress: bool | Callable[[Progress], object] = False  # of those that are waited for together
        self._given: Changes = {
            "retry": retry, "rate": rate, "hedge": hedge, "breaker": breaker, "total_timeout": total_timeout,
            "fallback": fallback,
        }  # fmt: skip
        self._pace = pace
        self.policies: Policies | None = _policies(self._given, pace, self.dressed)
        self.timeout: float | None = self._first_timeout()

    def changed(self, changes: Changes) -> Options:
        """With some options replaced; itself if none is."""
        if not changes:
            return self
        cap = self.cap
        if "max_concurrent" in changes:
            most = changes["max_concurrent"]
            cap = ConcurrencyLimit() if most is None else ConcurrencyLimit(self.at_most(most))
        new = Options(
            changes.get("timeout", self._timeout),
            cap,
            changes.get("interrupt", self.interrupt),
            self.most,
            idle_timeout=changes.get("idle_timeout", self.idle),
            sending=changes.get("sending", self.sending),
        )
        new._given = {name: changes.get(name, old) for name, old in self._given.items()}
        new._pace = changes.get("pace", self._pace)
        new.progress = changes.get("progress", self.progress)
        new.priority = priority_of(changes.get("priority", self.priority))
        if new.priority:
            new.home = self.home if cap is self.cap and new.priority == self.priority else Priority(cap, new.priority)
        same = new._pace is self._pace and all(new._given[name] is old for name, old in self._given.items())
        if new._given["fallback"] is not None and new._dress() != self._dress():
            same = False  # they are dressed anew
        new.policies = self.policies if same else _policies(new._given, new._pace, new.dressed)
        new.timeout = new._first_timeout()
        return new

    def with_fallbacks(self, around: Callable[[Function], Function]) -> Changes:
        """Changes by which what is called in place of others that have failed is ``around`` that."""
        return {"fallback": tuple(map(around, _several(self._given["fallback"]))) or None}

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
        new = self.changed({"timeout": self._timeout, **changes})
        new.keys = Keys(by, max_concurrent, rate)
        return new

    def _dress(self) -> tuple[object, ...]:
        return self.interrupt, self.idle, self.sending, self.sending and self._timeout

    def _first_timeout(self) -> float | None:
        total = None if self.policies is None else self.policies.total
        if self.sending is not None:  # where each attempt has its own
            return total
        if total is None:
            return self._timeout
        return total if self._timeout is None else min(self._timeout, total)

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
        if self.sending is not None:
            return self.sending.dressed(fn, self._timeout, self.idle, self.interrupt)
        if self.interrupt:
            from ..scope.interrupt import interruptible

            fn = interruptible(fn)
        if self.idle is not None:
            from .idle import watched

            fn = watched(fn, self.idle)
        return fn


def _policies(given: Changes, pace: Waitlist[Start] | None, dressed: Callable[[Function], Function]) -> Policies | None:
    if pace is None and all(value is None for value in given.values()):
        return None
    policy = _checked(**given)
    if policy is None and pace is None and all(value is None for name, value in given.items() if name != "retry"):
        return None
    rate, total = given["rate"], seconds("total_timeout", given["total_timeout"])
    # On first use: imports are dear to programs that need none of it.
    from ..limits.waitlists import waitlist_of
    from . import first_call_queue, input_batch  # noqa: F401 -- what their calls need, before there is one
    from .policies import Fallback, Policies

    next_one: Fallback | None = None
    for fn in reversed(_several(given["fallback"])):  # each has those that follow it
        own = Policies(policy, None, None, None, total=total, fallback=next_one)
        next_one = Fallback(dressed(fn), describe(fn), own)
    waitlist = None if rate is None else waitlist_of(rate)
    return Policies(policy, waitlist, pace, given["hedge"], given["breaker"], total, next_one)


def _several(fallback: object) -> tuple[Function, ...]:
    if fallback is None:
        return ()
    return tuple(fallback) if isinstance(fallback, (tuple, list)) else (fallback,)  # type: ignore[return-value]


def _checked(
    retry: object = None,
    rate: object = None,
    hedge: object = None,
    breaker: object = None,
    total_timeout: object = None,
    fallback: object = None,
) -> Policy | None:
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
    for fn in _several(fallback):
        function("fallback", fn)
    seconds("total_timeout", total_timeout)  # type: ignore[arg-type]  # what it is to be
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
    for name in ("timeout", "idle_timeout"):
        if name in changes:
            changes[name] = seconds(name, changes[name])
    if "interrupt" in changes:
        changes["interrupt"] = flag("interrupt", changes["interrupt"])
    if "priority" in changes:
        changes["priority"] = priority_of(changes["priority"])
    wanted = {name: changes[name] for name in UNDER_POLICIES if changes.get(name) is not None}
    if wanted:
        _checked(**wanted)
    return changes
