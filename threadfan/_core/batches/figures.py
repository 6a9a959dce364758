"""What a report says besides its outcomes: how long the batch took, and what held it back."""

from __future__ import annotations

import os

from ..base.errors import Terminated
from ..base.locks import GIL
from ..calls.batch import Batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypedDict

    from ..base.attempt import Attempt
    from ..base.usage import Usage
    from .task_group import TaskGroup

    class Conditions(TypedDict, total=False):
        """Under what the calls of a batch have run; what does not apply is not there."""

        cap: int  # of a view or a task: so many of them at once
        ceiling: int  # of the fan's `Adaptive`
        keyed: bool  # by limits for each key of the inputs
        each: int  # of each key so many calls at once
        most: int  # calls that the key has of which there are most, if each key has a rate
        retried: bool  # any call under a policy of retries
        paced: bool  # by that, as something was refused
        limits: int  # so many rate limits
        rates: dict[str, float]  # of the one limit: what it allows per minute, by unit
        taken: bool  # inputs were taken as results were read
        timeout: float  # seconds that each attempt may take, if all calls have the same
        gaps: bool  # of several runs, between which nobody knows what has passed
        processor: float  # the share of the time of so many of them that the program has used
        processors: int  # on which threads can compute at once

    class Parts(TypedDict, total=False):
        """Of what a report is made, besides the outcomes."""

        names: dict[int, str]  # of the calls that have one, by place
        usages: dict[int, Usage]  # tokens noted while calls ran, by index
        attempts: dict[int, list[Attempt]]  # of calls that may have several, by index
        wall: float  # seconds from the start of the batch to its end
        slots: int  # how many calls could run at once
        limited: float  # seconds in which no call could start because of a rate limit
        pauses: int  # how often an overload had all calls of the limit pause
        conditions: Conditions
        fn: Callable[..., object]  # what was called on each item
        stopped: str  # why it was ended early


def parts(batch: Batch | TaskGroup, wall: float, *, taken: bool = False) -> Parts:
    """Of a batch, ``wall`` seconds after its start.

    Args:
        taken: whether its inputs were taken as results were read.
    """
    collector = batch.collector
    figures: Parts = {
        "names": collector.names,
        "usages": collector.usages,
        "attempts": collector.attempts,
        "wall": wall,
        "slots": batch.scheduler.slots.total,
        "limited": batch.limited(batch.since + wall),
        "pauses": batch.pauses(),
        "conditions": _conditions(batch, wall, taken=taken),
    }
    if isinstance(batch, Batch):
        figures["fn"] = batch.fn if collector.spending is None else collector.spending.uncounted(batch.fn)
    if isinstance(batch.reason, Terminated):
        figures["stopped"] = str(batch.reason)
    elif collector.not_made:
        figures["stopped"] = "; ".join(_not_made(breaker, number) for breaker, number in collector.not_made.items())
    return figures


def _not_made(breaker: str, number: int) -> str:
    return f"{breaker} had opened, and {number} call{'s were' if number > 1 else ' was'} not made"


def _conditions(batch: Batch | TaskGroup, wall: float, *, taken: bool) -> Conditions:
    scheduler = batch.scheduler
    found: Conditions = {}
    if batch.cap.limit < float("inf"):
        found["cap"] = int(batch.cap.limit)
    if isinstance(batch, Batch):
        if batch.each is not None or batch.most_of_a_key is not None:
            found["keyed"] = True
        if batch.each is not None:
            found["each"] = batch.each
        if batch.most_of_a_key is not None:
            found["most"] = batch.most_of_a_key()
        if batch.timeout is not None:
            found["timeout"] = batch.timeout
        if batch.collector.retrying:
            found["retried"] = True
    if scheduler.adaptive is not None:
        found["ceiling"] = scheduler.adaptive.ceiling
        found["paced"] = scheduler.adaptive.pace < float("inf")
    limits = [rates for waitlist in set(batch.limits()) if (rates := waitlist.rates()) is not None]
    if limits:
        found["limits"] = len(limits)
    if len(limits) == 1 or (limits and "most" in found):  # those of keys are alike
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
