"""Where processes keep one limit of requests in common: a SQLite file, or a Redis server.

The algorithm is that of a ``RateLimit`` (GCRA).  Of a limit there is one number, the moment at which the bucket would
be full again, and whose turn it is, see ``turns``; so any number of processes cost the same.  The libraries for this
answer whether a request may go now, and not who is the next to go; ``turns`` says what that costs.

Guarantees, from any thread and any process: a request is counted or told to wait, by the time of the store and not of
the process, and clocks that are set stall nobody; a process that is killed holds nothing; an answer or an error comes
within about ``PATIENCE`` seconds.  The child of a fork goes on with what is here.
"""

from __future__ import annotations

from typing import Protocol

from .in_file import SQLiteStore
from .in_redis import RedisStore

__all__ = ["RedisStore", "SQLiteStore", "Store", "store_at"]


class Store(Protocol):
    """One limit in common."""

    pauses: int
    """How many that all should learn from had begun when it was last asked."""
    lacking: float
    """Of the request that has left last, the seconds in which the bucket would have been full again."""

    def reach(self) -> None:
        """See whether it is there; raises whatever error says why not."""

    def take(self, spacing: float, capacity: float) -> float:
        """See ``Turns``."""

    def left(self, spacing: float, capacity: float, late: float) -> None:
        """A request was written only now, and what came in until then was lost, as the bucket was full.

        Args:
            spacing: as for ``take``.
            capacity: as for ``take``.
            late: seconds for which it was full.
        """

    def pause(self, seconds: float, bucket: tuple[float, float] | None = None) -> None:
        """Let no process start anything for so long.

        Args:
            bucket: where a refusal has shown that it is empty, the seconds between two requests and what it can hold:
                it is empty at the end of the pause, and all processes should learn from the refusal.
        """


def store_at(place: str, name: str) -> Store:
    """The limit called ``name`` that is kept at ``place``.

    Raises:
        ImportError: a library is missing; the message says which, and how it is installed.
        ValueError: there can be no such place.
    """
    kind, _, path = place.partition("///")
    return SQLiteStore(path, name) if kind == "sqlite:" else RedisStore(place, name)
