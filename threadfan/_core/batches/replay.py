"""A batch run again in thought: how long would it take if something were changed?

Calls take the time that they took, and nothing else takes any.  An item goes through one or more stages; a slot goes to
the latest stage that can start an item, and there to the item that came first, as in a pipeline.  Buffers are taken to
be large enough.  It takes some microseconds a call.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Way = tuple[float, Sequence[float]]
    """Of one item: when it came, and how long it took in each stage that it entered."""

UNCAPPED = float("inf")


def makespan(ways: Sequence[Way], slots: int, caps: Sequence[float] = (UNCAPPED,)) -> float:
    """Seconds from the start to the last end.

    Args:
        ways: of the items, in input order.
        slots: calls that can run at once.
        caps: the same for each stage.
    """
    now = 0.0
    waiting: list[deque[int]] = [deque() for _ in caps]
    running = [0] * len(caps)
    # (when, item, the stage that it has ended there or -1 as it comes in); of one moment, as they were handed in
    events = [(comes, item, -1) for item, (comes, durations) in enumerate(ways) if durations]
    heapify(events)
    while events:
        now = events[0][0]
        while events and events[0][0] <= now:
            _, item, ended = heappop(events)
            if ended >= 0:
                running[ended] -= 1
            if ended + 1 < len(ways[item][1]):
                waiting[ended + 1].append(item)
        free = slots - sum(running)
        for stage in reversed(range(len(caps))):
            while free > 0 and waiting[stage] and running[stage] < caps[stage]:
                item = waiting[stage].popleft()
                running[stage] += 1
                free -= 1
                heappush(events, (now + ways[item][1][stage], item, stage))
    return now
