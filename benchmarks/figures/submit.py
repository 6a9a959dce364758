"""Single calls through futures: many at once, and one at a time on an idle pool; and under policies."""

from __future__ import annotations

import gc
import time
from concurrent import futures
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import harness, peers
from benchmarks.figures.tasks import noop
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.pools import TIMEOUT, exhaust
from threadfan import Fan, Hedge, RateLimit, as_completed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan

    Submit = Callable[[Callable[[object], object], object], futures.Future[Any]]

WORKERS = 8


def measure(plan: Plan) -> Iterator[Figure]:
    """``submit`` with ``as_completed`` of the same library, then ``submit().result()``; then under policies."""
    many, single = plan.size(10_000, 1_000), plan.size(5_000, 300)
    with ExitStack() as stack:
        submits = _submits(stack)
        figures = (
            (f"submit + as_completed, {many:,} no-ops, {WORKERS} workers", _all_at_once, many, Goal(0.45)),
            (f"submit().result() on an idle pool, {single:,} times", _one_by_one, single, Goal(1.2)),
        )
        for name, work, count, goal in figures:
            samples = harness.race(
                {peer: _timed(partial(work, peer), submit, count) for peer, submit in submits.items()},
                plan.rounds,
            )
            yield Figure(name, "µs a call", harness.medians(samples, 1e6), harness.ratios(samples), goal)
    yield from _under_policies(plan, many)


def _under_policies(plan: Plan, count: int) -> Iterator[Figure]:
    """What a call that succeeds at once costs the processor more than one under none."""
    policies: dict[str, tuple[dict[str, Any], Goal]] = {
        "retry=3": ({"retry": 3}, Goal(1.5)),
        "rate": ({"rate": RateLimit(60_000_000, burst=1_000_000)}, Goal(5.0)),
        "hedge": ({"hedge": Hedge()}, Goal(5.0)),
    }
    with ExitStack() as stack:
        fans = {
            name: stack.enter_context(Fan(2, timeout=TIMEOUT, **options)) for name, (options, _) in policies.items()
        }
        fans["none"] = stack.enter_context(Fan(2, timeout=TIMEOUT))
        samples = harness.race({name: partial(_processor, fan, count) for name, fan in fans.items()}, plan.rounds)
    for name, (_, goal) in policies.items():
        more = median(one - plain for one, plain in zip(samples[name], samples["none"], strict=True))
        yield Figure(f"a submit under {name}, beyond a plain one", "µs", {OURS: more * 1e6}, goal=goal)


def _processor(fan: Fan, count: int) -> float:
    gc.collect()
    begun = time.process_time()
    for future in [fan.submit(noop, number) for number in range(count)]:
        future.result()
    return (time.process_time() - begun) / count


def _submits(stack: ExitStack) -> dict[str, Submit]:
    found: dict[str, Submit] = {
        STANDARD: stack.enter_context(futures.ThreadPoolExecutor(WORKERS)).submit,
        OURS: stack.enter_context(Fan(WORKERS, timeout=TIMEOUT)).submit,
    }
    if peers.installed("more-executors"):
        pool = peers.load("more-executors").Executors.thread_pool(max_workers=WORKERS)
        found["more-executors"] = stack.enter_context(pool).submit
    if peers.installed("pebble"):
        found["pebble"] = stack.enter_context(peers.load("pebble").ThreadPool(max_workers=WORKERS)).submit
    return found


def _timed(work: Callable[[Submit, int], None], submit: Submit, count: int) -> Callable[[], float]:
    return lambda: harness.seconds(lambda: work(submit, count)) / count


def _all_at_once(peer: str, submit: Submit, count: int) -> None:
    wait = as_completed if peer == OURS else futures.as_completed
    exhaust(wait([submit(noop, number) for number in range(count)]))


def _one_by_one(_: str, submit: Submit, count: int) -> None:
    for number in range(count):
        submit(noop, number).result()
