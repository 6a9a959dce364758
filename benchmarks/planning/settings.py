"""What machines may be given to keep to one provider's limit, from nothing at all to one limit for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.planning.machine import Under
from threadfan import Adaptive, Breaker, RateLimit
from threadfan._core.limits.adaptive_limit import AdaptiveLimit
from threadfan._core.limits.rate_waitlist import RateWaitlist
from threadfan._core.limits.waitlist import Waitlist
from threadfan._core.policies.retry import retry_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.planning.stores import Common
    from benchmarks.planning.world import World

    Setting = Callable[["Fleet"], Under]

RETRIES = 5


class Fleet:
    """What all machines have in common.

    Args:
        per_minute: the provider's limit of requests.
        slots: of each machine.
        tokens_per_minute: the provider's limit of tokens, or None.
        breaker: whether each machine has one.
    """

    def __init__(
        self,
        world: World,
        common: Common,
        machines: int,
        per_minute: float,
        slots: int,
        tokens_per_minute: float | None = None,
        breaker: bool = False,
    ) -> None:
        self.world, self.common, self.machines, self.slots = world, common, machines, slots
        self.per_minute, self.tokens_per_minute, self.breaker = per_minute, tokens_per_minute, breaker

    def under(self) -> Under:
        """What every machine has, whatever it does about the limit."""
        return Under(
            self.slots,
            retry=retry_policy(RETRIES, self.world.random.random),
            breaker=Breaker() if self.breaker else None,
            tokens=self.tokens_per_minute is not None,
        )

    def tokens(self) -> float | None:
        """One machine's part of the tokens; None without a limit of them."""
        return None if self.tokens_per_minute is None else self.tokens_per_minute / self.machines


def retries(fleet: Fleet) -> Under:
    """``retry=5`` and nothing else."""
    return fleet.under()


def adaptive(fleet: Fleet) -> Under:
    """An ``Adaptive`` for each machine."""
    under = fleet.under()
    under.adaptive = Adaptive(ceiling=max(64, fleet.slots))
    under.pace = Waitlist(AdaptiveLimit(under.adaptive))
    return under


def whole(fleet: Fleet) -> Under:
    """Each machine keeps to the whole limit, as if it were alone."""
    return _limited(fleet, RateLimit(fleet.per_minute, input_tokens_per_minute=fleet.tokens_per_minute))


def part(fleet: Fleet) -> Under:
    """Each machine keeps to its part of the limit."""
    return _limited(fleet, RateLimit(fleet.per_minute / fleet.machines, input_tokens_per_minute=fleet.tokens()))


def shared(fleet: Fleet) -> Under:
    """One limit in common; of the tokens each machine has its part."""
    limit = RateLimit(fleet.per_minute, input_tokens_per_minute=fleet.tokens(), shared="sqlite:////simulated")
    under = fleet.under()
    waitlist, under.store = fleet.common.waitlist(limit)
    waitlist.unattached()  # so each request is counted as its call starts
    under.waitlist = waitlist
    return under


def _limited(fleet: Fleet, limit: RateLimit) -> Under:
    under = fleet.under()
    under.waitlist = RateWaitlist(limit)
    return under


SETTINGS: dict[str, Setting] = {
    "retry=5": retries,
    "Adaptive()": adaptive,
    "RateLimit(all)": whole,
    "RateLimit(all ÷ machines)": part,
    "RateLimit(all, shared=…)": shared,
}
