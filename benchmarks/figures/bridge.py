"""Blocking calls from a coroutine: whole batches, and single calls side by side."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from benchmarks import harness, peers
from benchmarks.figures.tasks import noop
from benchmarks.harness import STANDARD, Figure, Goal
from benchmarks.pools import TIMEOUT
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.harness import Plan

WORKERS = 8


def measure(plan: Plan) -> Iterator[Figure]:
    """``arun``, and ``gather`` of ``fan.call``, against ``gather`` of ``run_in_executor``."""
    count = plan.size(10_000, 500)
    with ThreadPoolExecutor(WORKERS) as pool, Fan(WORKERS, timeout=TIMEOUT) as fan, asyncio.Runner() as runner:
        works: dict[str, Callable[[], Awaitable[Any]]] = {
            STANDARD: lambda: _in_executor(pool, count),
            "Fan.arun": lambda: fan.arun(noop, range(count)),
            "Fan.call": lambda: _called(fan, count),
        }
        if peers.installed("anyio"):
            works["anyio"] = lambda: _in_anyio(count)
        measures = {name: _timed(runner, work, count) for name, work in works.items()}
        samples = harness.race(measures, plan.rounds)
    for way, text, goal in (("arun", "arun", 0.03), ("call", "gather of fan.call", 0.2)):
        ours = harness.as_ours(samples, f"Fan.{way}")
        name = f"{text}, {count:,} no-ops, {WORKERS} workers"
        yield Figure(name, "µs a call", harness.medians(ours, 1e6), harness.ratios(ours), Goal(goal))


def _timed(runner: asyncio.Runner, work: Callable[[], Awaitable[Any]], count: int) -> Callable[[], float]:
    async def main() -> None:
        await work()

    return lambda: harness.seconds(lambda: runner.run(main())) / count


async def _in_executor(pool: ThreadPoolExecutor, count: int) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(pool, noop, number) for number in range(count)))


async def _called(fan: Fan, count: int) -> None:
    await asyncio.gather(*(fan.call(noop, number) for number in range(count)))


async def _in_anyio(count: int) -> None:
    anyio = peers.load("anyio")
    limiter = anyio.CapacityLimiter(WORKERS)
    await asyncio.gather(*(anyio.to_thread.run_sync(noop, number, limiter=limiter) for number in range(count)))
