"""What a fan is made of: its options and its scheduler, made when it is first used.

Imported with the first fan, and with it what its calls need, see ``first_use``.
"""

from __future__ import annotations

import weakref
from functools import partial

from ..base import checks
from ..base.clock import current as current_clock
from ..base.texts import brief
from ..calls.future import Future
from ..calls.options import Options
from ..pool import shutdown as lifecycle
from ..pool.scheduler import Scheduler
from ..pool.work_queue import ConcurrencyLimit
from . import arguments, first_use  # noqa: F401
from .arguments import MOST_WORKERS, check_initializer, check_names
from .standard_calls import prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..base.clock import Clock
    from ..calls.options import Functions
    from ..policies.adaptive import Adaptive
    from ..policies.breaker import Breaker
    from ..policies.hedge import Hedge
    from ..policies.rate_limit import RateLimit
    from ..policies.retry import Retry

    Given = tuple[int | None, float | None, int | None, str | None, Adaptive | None, Clock, Callable[[], object] | None]
    """Of what a fan was asked for: how many workers, the timeout, ``max_abandoned``, its name, an `Adaptive`; the
    clock that held when it was made; and what initialises its threads."""

__all__ = ["MOST_WORKERS", "bound", "check_initializer", "check_names", "current_clock", "made", "numbers", "options"]

prepare()


def refuse(misplaced: dict[str, object]) -> None:
    """Refuse arguments that there are not."""
    checks.refuse_misplaced("Fan", misplaced)


def workers(given: object) -> tuple[int | None, Adaptive | None]:
    """How many calls may run at once, checked, and the `Adaptive` that says so."""
    if arguments.is_adaptive(given):
        return arguments.at_once(given.ceiling), given
    return None if given is None else arguments.at_once(given), None


def numbers(timeout: float | None, max_abandoned: int | None) -> tuple[float | None, int | None]:
    """Those that are given, checked."""
    seconds = checks.seconds("timeout", timeout)
    if max_abandoned is not None:
        try:
            max_abandoned = checks.count("max_abandoned", max_abandoned)
        except ValueError as error:
            raise ValueError(
                f"{error}: calls that hang would keep their slots after their timeout, and hold up all others; for a "
                "hard limit of how many are open at once put a semaphore around what the function does: slots = "
                "threadfan.clients.threading.BoundedSemaphore(10), and `with slots:`"
            ) from None
    return seconds, max_abandoned


def bound(max_queued: int | None, when_full: str) -> tuple[int, bool]:
    """How many calls may wait to begin, and whether whoever hands in one more is to wait; checked."""
    if when_full not in ("wait", "raise"):
        raise ValueError(f'when_full must be "wait" or "raise", not {brief(when_full)}')
    if max_queued is None:
        raise TypeError("when_full= says what happens at max_queued=, and there is none: give max_queued=100, or such")
    return checks.count("max_queued", max_queued), when_full == "wait"


def options(
    given: Given,
    retry: Retry = None,
    rate: RateLimit | None = None,
    hedge: Hedge | None = None,
    breaker: Breaker | None = None,
    total_timeout: float | None = None,
    fallback: Functions | None = None,
    idle_timeout: float | None = None,
) -> Options:
    """Those of the fan itself."""
    most, timeout, _, _, adaptive, _, _ = given
    pace = arguments.pace(adaptive)
    cap = ConcurrencyLimit(lasting=True)
    return Options(
        timeout, cap, most=most, retry=retry, rate=rate, hedge=hedge, breaker=breaker, total_timeout=total_timeout,
        fallback=fallback, idle_timeout=idle_timeout, pace=pace,
    )  # fmt: skip


def made(fan: object, name: str) -> Any:
    """One of a fan's parts.  Of several threads that use it first, one makes what all of them find."""
    parts: dict[str, Any] = vars(fan)
    given: Given = parts["_given"]
    if "_options" not in parts:
        parts.setdefault("_options", options(given))
    bound = parts.get("_bound")
    # Who makes fans for others may want it to be one of his own.
    parts.setdefault("_future", Future if bound is None else _bounded_future())
    if "_scheduler" not in parts:  # last: who finds it finds the others
        scheduler = _scheduler(fan, parts, given)
        if bound is not None:
            from ..calls.room import Room

            scheduler.room = Room(*bound)
        if parts.setdefault("_scheduler", scheduler) is not scheduler:
            scheduler.anchor = None  # leave no cycle
    parts["_threads"] = parts["_scheduler"].crew.threads
    return parts[name]


def _bounded_future() -> type[Future[object]]:
    from ..calls.room import BoundedFuture

    return BoundedFuture


def _scheduler(fan: object, parts: dict[str, Any], given: Given) -> Scheduler:
    _, _, max_abandoned, name, adaptive, clock, initialise = given
    workers, prefix = parts["_max_workers"], str(parts["_thread_name_prefix"])
    scheduler = Scheduler(
        slots=workers if adaptive is None else adaptive.limit,
        prefix=prefix,
        name=name or prefix,
        initialise=initialise,
        max_abandoned=max(64, 4 * workers) if max_abandoned is None else max_abandoned,
        clock=clock,
        threads=set(),
        adaptive=adaptive,
    )
    lifecycle.register(scheduler)
    # Kept by the scheduler, for a weak reference that dies with its referent calls nothing.
    scheduler.anchor = weakref.ref(fan, partial(lifecycle.orphaned, scheduler))
    return scheduler
