"""What executors are given that others make."""

from __future__ import annotations

from .._core.base.given import is_text
from .._core.base.texts import brief
from .._core.fan.arguments import is_adaptive
from .._core.fan.executor import Fan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from .._core.policies.breaker import Breaker
    from .._core.policies.hedge import Hedge
    from .._core.policies.rate_limit import RateLimit
    from .._core.policies.retry import Retry

CLIENTS: Final = ("requests", "subprocess")
"""What can be attached for the whole process."""


class Options:
    """The arguments of ``install``, checked.

    Raises:
        TypeError, ValueError: an argument is wrong; the message says what would be right.
    """

    def __init__(
        self,
        max_workers: int | None,
        timeout: float | None,
        total_timeout: float | None,
        retry: Retry,
        rate: RateLimit | None,
        hedge: Hedge | None,
        breaker: Breaker | None,
        attach: Iterable[str],
        sequential: bool,
    ) -> None:
        if is_adaptive(max_workers):
            raise TypeError(f"install needs a number of workers, not {brief(max_workers)}: that is for one fan alone")
        Fan(  # for what it raises
            max_workers, timeout=timeout, total_timeout=total_timeout, retry=retry, rate=rate, hedge=hedge,
            breaker=breaker,
        )  # fmt: skip
        self.max_workers = max_workers
        self.timeout = timeout
        self.total_timeout = total_timeout
        self.retry = retry
        self.rate = rate
        self.hedge = hedge
        self.breaker = breaker
        self.attach: tuple[str, ...] = clients(attach)
        self.sequential = sequential

    def differing(self, other: Options) -> list[str]:
        """The names of those that two installations do not have in common."""
        return [name for name, value in vars(self).items() if value != getattr(other, name)]


def clients(names: Iterable[str]) -> tuple[str, ...]:
    """Names of clients, checked."""
    found = (names,) if is_text(names) else tuple(names)
    for name in found:
        if name not in CLIENTS:
            raise ValueError(f"attach names {brief(name)}; right are {' and '.join(map(repr, CLIENTS))}")
    return tuple(name for name in CLIENTS if name in found)
