"""Pools mapping the same function over the same items, each already warm."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks import harness, peers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.harness import Plan, Samples
    from benchmarks.pools import Pool

SHARE = 10


def contest(plan: Plan, contenders: Mapping[str, Pool], workers: int, fn: Callable[[Any], Any], count: int) -> Samples:
    """Seconds a call, for each pool and round.

    Slow peers get a tenth of the items: what they cost does not depend on how many there are.
    """
    items = list(range(count))
    some = items[: max(1, count // SHARE)]
    with ExitStack() as stack:
        measures = {}
        for name, pool in contenders.items():
            mapping = stack.enter_context(pool(workers))
            mine = some if name in peers.MODULES else items
            measures[name] = lambda mapping=mapping, mine=mine: harness.seconds(lambda: mapping(fn, mine)) / len(mine)
        return harness.race(measures, plan.rounds)
