"""8 workers, 200 calls of which 8 back off for 5 s: until the other 192 are done, with and without those 8."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan

WORKERS, FIRST, REST = 8, 8, 192
NAP = 0.05  # seconds
BACKOFF = 5  # seconds
AS_IF_NOT_THERE = Goal(1.02)


class Busy(Exception):
    """What a client raises for an answer that says when to come back."""

    status_code = 500

    def __init__(self, seconds: float) -> None:
        super().__init__(f"come back in {seconds:g} s")
        self.headers = {"retry-after": f"{seconds:g}"}


def measure(plan: Plan) -> Iterator[Figure]:
    """The ratio of two times that are measured in turns; the standard pool's calls wait in their slots."""
    rest, backoff = plan.size(REST, 32), plan.size(BACKOFF, 1)
    ratios, seconds = {}, {}
    for name, run in ((STANDARD, _standard), (OURS, _ours)):
        rounds = plan.size(plan.rounds, 1) if name == OURS else 1
        samples = harness.race(_with_and_without(run, rest, backoff), rounds)
        ratios[name] = harness.ratios(samples, "without")["with"]
        seconds[name] = harness.medians(samples)["with"]
    yield Figure(
        f"{FIRST + rest} calls on {WORKERS} workers, {FIRST} back off {backoff} s: the others done, with ÷ without",
        "s",
        seconds,
        ratios,
        goal=AS_IF_NOT_THERE,
    )


def _with_and_without(
    run: Callable[[int, int, float], float], rest: int, backoff: float
) -> dict[str, Callable[[], float]]:
    return {"with": lambda: run(FIRST, rest, backoff), "without": lambda: run(0, rest, backoff)}


def _ours(first: int, rest: int, backoff: float) -> float:
    """The calls that back off come first, so that all slots are theirs; they fail at once and use none of the time."""
    tried: set[int] = set()

    def call(number: int) -> None:
        if number < first and number not in tried:
            tried.add(number)
            raise Busy(backoff)
        time.sleep(NAP)

    with Fan(WORKERS, timeout=30, retry=1) as fan:
        start = time.perf_counter()
        for _ in islice(fan.stream(call, range(first + rest), window=first + rest), rest):
            end = time.perf_counter()
    return end - start


def _standard(first: int, rest: int, backoff: float) -> float:
    """As a decorator that tries again does it."""

    def call(number: int) -> None:
        if number < first:
            time.sleep(backoff)
        time.sleep(NAP)

    with ThreadPoolExecutor(WORKERS) as pool:
        start = time.perf_counter()
        futures = {pool.submit(call, number): number for number in range(first + rest)}
        ends = [time.perf_counter() for future in as_completed(futures) if futures[future] >= first]
    return ends[-1] - start
