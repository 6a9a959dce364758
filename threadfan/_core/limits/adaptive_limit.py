"""``Adaptive`` as a limit that a fan's calls wait for: besides how many run at once it paces their starts."""

from __future__ import annotations

from ..policies.cost import Cost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..base.usage import Usage
    from ..policies.adaptive import Adaptive

PATIENCE = 10
"""Refusals in a row of one call after which waiting is no honest answer, as for a `RateLimit`."""

_ANY = Cost()


class Start:
    """An attempt that has been let start."""

    __slots__ = ("at",)

    def __init__(self, at: float) -> None:
        self.at: float = at


class AdaptiveLimit:
    """What a ``Waitlist`` needs of a limit.  Guarded by the waitlist's lock."""

    hopeless = False

    def __init__(self, adaptive: Adaptive) -> None:
        self.adaptive = adaptive
        self.in_flight = 0
        self.overloads = 0  # refusals

    def cost(self) -> Cost:
        """Each attempt costs the same."""
        return _ANY

    def wait(self, now: float, cost: Cost) -> float:
        """Seconds until the next attempt may start."""
        return self.adaptive.wait(now)

    def take(self, now: float, cost: Cost) -> Start:
        """An attempt starts."""
        self.adaptive.started(now)
        self.in_flight += 1
        return Start(now)

    def try_take(self, now: float, cost: Cost) -> Start | None:
        """``take``, if ``wait`` answers 0; else None."""
        return None if self.adaptive.wait(now) > 0.0 else self.take(now, cost)

    def give_back(self, start: Start, now: float) -> None:
        """It did not start after all; its place in the pace is lost."""
        self.in_flight -= 1

    def succeeded(self, start: Start, now: float, usage: Usage | None, headers: Mapping[str, str] | None) -> None:
        """It succeeded."""
        self.adaptive.succeeded(now, now - start.at, self.in_flight)
        self.in_flight -= 1

    def overloaded(
        self, start: Start, now: float, retry_after: float | None, headers: Mapping[str, str] | None
    ) -> None:
        """It was refused."""
        self.overloads += 1
        self.adaptive.overloaded(now, now - start.at, self.in_flight)
        self.in_flight -= 1

    def failed(self, start: Start, now: float) -> None:
        """It ended otherwise."""
        self.adaptive.failed(now, now - start.at, self.in_flight)
        self.in_flight -= 1
