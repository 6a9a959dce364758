"""What a report says besides its outcomes: how long the batch took, and what held it back."""

from __future__ import annotations

import os

from ..pool.work_queue import GIL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from ..calls.collector import Collector

    class Conditions(TypedDict, total=False):
        """Under what the calls of a batch have run; what does not apply is not there."""

        cap: int  # of a view or a task: so many of them at once
        ceiling: int  # of the fan's `Adaptive`
        paced: bool  # by that, as something was refused
        limits: int  # so many rate limits
        rates: dict[str, float]  # of the one limit: what it allows per minute, by unit
        taken: bool  # inputs were taken as results were read
        processor: float  # the share of the time of so many of them that the program has used
        processors: int  # on which threads can compute at once


def parts(collector: Collector) -> dict[str, Any]:
    """What is known of single calls."""
    return {"names": collector.names, "usages": collector.usages, "notes": collector.attempts}


def figures(batch: Any, wall: float, *, taken: bool = False) -> dict[str, Any]:
    """Of a batch or what is like one, ``wall`` seconds after its start."""
    return {
        "wall": wall,
        "slots": batch.scheduler.slots.total,
        "limited": batch.limited(batch.since + wall),
        "pauses": batch.pauses(),
        "conditions": _conditions(batch, wall, taken),
    }


def _conditions(batch: Any, wall: float, taken: bool) -> Conditions:
    scheduler = batch.scheduler
    found: Conditions = {}
    if batch.group.limit < float("inf"):
        found["cap"] = int(batch.group.limit)
    if scheduler.adaptive is not None:
        found["ceiling"] = scheduler.adaptive.ceiling
        found["paced"] = scheduler.adaptive.pace < float("inf")
    limits = [rates for line in batch.limits() if (rates := line.rates()) is not None]
    if limits:
        found["limits"] = len(limits)
    if len(limits) == 1:
        found["rates"] = limits[0]
    if taken:
        found["taken"] = True
    if wall > 0:
        processors = found["processors"] = _at_once()
        found["processor"] = (scheduler.clock.processor() - batch.processor) / (wall * processors)
    return found


def _at_once() -> int:
    """How many threads can compute at the same time."""
    return 1 if GIL else os.cpu_count() or 1
