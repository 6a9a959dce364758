"""One urgent call while a batch has all slots: how long until it starts."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.pools import TIMEOUT
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan

WORKERS = 8
ENOUGH = 100_000  # calls of 1 ms: the batch outlives the measurement and is then cut short
UNDER_WAY = 0.05  # seconds after which a batch has all slots
BETWEEN = 0.002  # seconds between two single calls


def measure(plan: Plan) -> Iterator[Figure]:
    """The 99th percentile of the wait."""
    submits, queue = plan.size(400, 200), plan.size(4_000, 400)
    samples = harness.race({STANDARD: lambda: _behind(queue), OURS: lambda: _beside(submits)}, plan.rounds)
    yield Figure(
        f"one submit beside a batch of 1 ms calls on {WORKERS} workers, p99 until it starts",
        "ms",
        harness.medians(samples, 1e3),
        goal=Goal(2.0),
        note=f"the standard library's submit waits for what is queued, here {queue:,} calls",
    )


def _behind(queue: int) -> float:
    """Seconds until a call starts that stands behind ``queue`` others."""
    with ThreadPoolExecutor(WORKERS) as pool:
        results = pool.map(time.sleep, [0.001] * queue)
        asked = time.perf_counter()
        started = pool.submit(time.perf_counter).result()
        list(results)
    return started - asked


def _beside(submits: int) -> float:
    """The 99th percentile of the seconds until a call starts while a batch goes on.

    Raises:
        RuntimeError: The batch ended first, so the calls had the slots for themselves.
    """
    enough = threading.Event()

    def wait(_: int) -> None:
        if not enough.is_set():
            time.sleep(0.001)

    with Fan(WORKERS, timeout=TIMEOUT) as fan:
        batch = threading.Thread(target=fan.run, args=(wait, range(ENOUGH)))
        batch.start()
        time.sleep(UNDER_WAY)
        waits = []
        for _ in range(submits):
            asked = time.perf_counter()
            waits.append(fan.submit(time.perf_counter).result() - asked)
            time.sleep(BETWEEN)
        filled = batch.is_alive()
        enough.set()
        batch.join()
    if not filled:
        raise RuntimeError(f"the batch of {ENOUGH:,} calls ended before {submits} submits; it needs more calls")
    return quantiles(waits, n=100)[98]
