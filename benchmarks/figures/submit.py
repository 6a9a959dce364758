"""Single calls through futures: many at once, and one at a time on an idle pool."""

from __future__ import annotations

from concurrent import futures
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import harness, peers
from benchmarks.figures.tasks import noop
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.pools import TIMEOUT, exhaust
from threadfan import Fan, as_completed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan

    Submit = Callable[[Callable[[object], object], object], futures.Future[Any]]

WORKERS = 8


def measure(plan: Plan) -> Iterator[Figure]:
    """``submit`` with ``as_completed`` of the same library, then ``submit().result()``."""
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
