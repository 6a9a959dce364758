"""Priorities of queues: those of small ones go first, see ``RunQueue``."""

from __future__ import annotations

from .work_queue import ConcurrencyLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .work_queue import WorkQueue


class Priority(ConcurrencyLimit):
    """Where the queues are kept of single calls that have a priority; the cap that counts these is another's.

    Args:
        cap: of the fan or a view.
        priority: small ones go first.
    """

    __slots__ = ("cap", "priority")

    def __init__(self, cap: ConcurrencyLimit, priority: float) -> None:
        super().__init__()
        self.cap = cap
        self.priority = priority


class Rank(int):
    """The depth of queues that have a priority: greater than that of others, if it is deeper or their priority smaller.

    A plain number is the rank of queues without one, which is 0.
    """

    priority: float

    def __new__(cls, depth: int, priority: float) -> Rank:
        self = super().__new__(cls, depth)
        self.priority = priority
        return self

    def __lt__(self, other: int) -> bool:
        return _key(self) < _key(other)

    def __gt__(self, other: int) -> bool:
        return _key(self) > _key(other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and _key(self) == _key(other)

    def __hash__(self) -> int:
        return hash(_key(self))


def _key(rank: int) -> tuple[int, float]:
    return int(rank), -rank.priority if isinstance(rank, Rank) else 0.0


def rank(queue: WorkQueue, priority: float) -> None:
    """Give a queue a priority, before it is enlisted."""
    if priority:
        queue.rank = Rank(queue.depth, priority)
