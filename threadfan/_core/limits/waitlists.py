"""The waitlist of each rate limit: one, whoever asks first."""

from __future__ import annotations

from ..base import forks
from ..base.locks import Lock
from .rate_waitlist import RateWaitlist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..policies.rate_limit import RateLimit

_making = Lock()


def _in_child() -> None:
    global _making
    _making = Lock()


forks.in_child(_in_child)


def waitlist_of(limit: RateLimit) -> RateWaitlist:
    """The one waitlist of a limit.

    Raises:
        ImportError, OSError, ValueError: the limit is to be shared, and the place where cannot be reached.
    """
    found = limit.waitlist
    if isinstance(found, RateWaitlist):
        return found
    made = _new_waitlist(limit)
    with _making:
        found = limit.waitlist
        if isinstance(found, RateWaitlist):
            return found
        limit.waitlist = made
    return made


def _new_waitlist(limit: RateLimit) -> RateWaitlist:
    if limit.shared is None:
        return RateWaitlist(limit)
    from .shared_waitlist import SharedWaitlist

    return SharedWaitlist(limit, limit.shared)
