"""What a fan is made with, checked when it is made; and what a batch is asked to keep."""

from __future__ import annotations

from ..base.given import is_text, whole
from ..base.texts import brief

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import TypeGuard

    from ..batches.asked_journal import Asked
    from ..batches.halting import Stops
    from ..calls.keys import By
    from ..calls.options import Options
    from ..journal.values import Codec, Key
    from ..limits.adaptive_limit import Start
    from ..limits.waitlist import Waitlist
    from ..policies.adaptive import Adaptive
    from ..policies.budget import Budget
    from ..policies.rate_limit import RateLimit

MOST_WORKERS = 2**22
"""As many threads as Linux can have in all, by PID_MAX_LIMIT; no fan would ever have more."""


def is_adaptive(max_workers: object) -> TypeGuard[Adaptive]:
    """Told without an import, for those that have none."""
    return hasattr(max_workers, "ceiling") and not isinstance(max_workers, type)


def at_once(max_workers: object) -> int:
    """Check how many calls may run at once."""
    found = whole(max_workers)
    if found is None:
        raise TypeError(f"max_workers must be a whole number of calls at once, or Adaptive(), not {brief(max_workers)}")
    if found <= 0:
        raise ValueError(f"max_workers must be greater than 0, not {max_workers!r}")
    if found > MOST_WORKERS:
        raise ValueError(
            f"max_workers must be at most {MOST_WORKERS}, not {max_workers!r}: it is how many calls run at once, each "
            f"in a thread, and Fan(32) makes any number of calls"
        )
    return found


def check_names(prefix: object, name: object) -> None:
    if isinstance(prefix, (int, float)):
        raise TypeError(
            f"thread_name_prefix, the second argument, must be a text, not {brief(prefix)}: options are given by name, "
            f"such as Fan(8, timeout={brief(prefix)})"
        )
    if not (name is None or isinstance(name, str)):
        raise TypeError(f"name must be a text or None, not {brief(name)}")


def check_initializer(initializer: object, initargs: object) -> None:
    """Check what would otherwise break the pool at its first call."""
    if initializer is not None and (is_text(initargs) or not hasattr(type(initargs), "__iter__")):
        shown = brief(initargs)
        raise TypeError(f"initargs must be a tuple of the initializer's arguments, not {shown}: initargs=({shown},)")


def pace(adaptive: Adaptive | None) -> Waitlist[Start] | None:
    """What the calls of a fan with an `Adaptive` wait for."""
    if adaptive is None:
        return None
    from ..limits.adaptive_limit import AdaptiveLimit
    from ..limits.waitlist import Waitlist

    if adaptive.waitlist is not None:
        raise ValueError(f"each fan needs an Adaptive of its own, and {adaptive!r} was given to another fan before")
    waitlist = Waitlist(AdaptiveLimit(adaptive))
    adaptive.waitlist = waitlist
    return waitlist


def stops_of(halt: str | None, max_errors: int | None, budget: Budget | None) -> str | Stops | None:
    """What a batch is to stop at; if it is no more than ``halt``, that."""
    if max_errors is None and budget is None:
        return halt
    from ..batches.halting import Stops

    return Stops(halt, max_errors, budget)


def asked_of(
    journal: str | PathLike[str] | None,
    key: Key | None,
    version: str | int | None,
    codec: Codec | None,
    unique: bool,
) -> Asked | None:
    """What was said of a journal; None if nothing was, which needs no import."""
    if journal is None and key is None and version is None and codec is None and unique is False:
        return None
    from ..batches.asked_journal import Asked

    return Asked(journal, key, version, codec, unique)


def limited(
    options: Options, by: By | None, max_concurrent: int | None, rate: RateLimit | None, priority: float | None
) -> Options:
    """The options of one batch that may have limits and a priority of its own; the same ones if it has none."""
    if by is None and max_concurrent is None and rate is None and priority is None:
        return options
    return options.of_batch(by, max_concurrent, rate, priority)
