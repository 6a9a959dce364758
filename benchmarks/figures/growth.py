"""What many of something cost, each against few of it: threads that end, fans, futures, views, calls that wait."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from threadfan import Fan, RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan

PACED = 200  # calls
PATIENCE = 60.0  # seconds
FEW = 1_000


def measure(plan: Plan) -> Iterator[Figure]:
    """Ends of threads, short fans and paced calls; then what grows."""
    threads, fans = plan.size(2_000, 50), plan.size(200, 20)
    yield _against_standard(
        plan, f"closing {threads:,} idle threads", "ms", 1e3, 1.3, lambda make: _closing(make, threads)
    )
    yield _against_standard(
        plan, "a short fan with a timeout and one call", "µs", 1e6 / fans, 1.5, lambda make: _short_fans(make, fans)
    )
    yield from _paced(plan)
    yield _growth(plan, "futures", 100, {OURS: _futures, STANDARD: _standard_futures})
    yield _growth(plan, "views with a cap", 10, {OURS: _views})
    yield _growth(plan, "calls that wait", 100, {OURS: _waiting, STANDARD: _standard_waiting})


def _growth(plan: Plan, what: str, most: int, costs: dict[str, Callable[[int], float]]) -> Figure:
    """What each of many costs, by what each of few does.

    Most of it is the garbage collector, which visits all that there is now and then; without it, each of these is
    within a fifth.  So the standard pool stands beside it where it can do the same.

    Args:
        most: how many thousands.
    """
    many = plan.size(most, 2) * FEW
    contenders = {(who, count): partial(cost, count) for who, cost in costs.items() for count in (FEW, many)}
    samples = harness.race({f"{who} {count}": trial for (who, count), trial in contenders.items()}, plan.rounds)
    growth, notes = {}, []
    for who in costs:
        few, more = samples[f"{who} {FEW}"], samples[f"{who} {many}"]
        growth[who] = median(one / other for one, other in zip(more, few, strict=True))
        notes.append(f"{who} {median(few) * 1e6:.1f} and {median(more) * 1e6:.1f} µs")
    return Figure(
        f"{what}: each of {many:,}, by each of {FEW:,}",
        "x",
        growth,
        goal=Goal(1.1),
        note=f"{what}, each of {FEW:,} and of {many:,}: {', '.join(notes)} of the processor",
    )


def _against_standard(
    plan: Plan, name: str, unit: str, scale: float, goal: float, trial: Callable[[Callable[[int], Executor]], float]
) -> Figure:
    contenders: dict[str, Callable[[], float]] = {
        STANDARD: lambda: trial(ThreadPoolExecutor),
        OURS: lambda: trial(lambda workers: Fan(workers, timeout=30.0)),
    }
    samples = harness.race(contenders, plan.rounds)
    return Figure(name, unit, harness.medians(samples, scale), harness.ratios(samples), Goal(goal))


def _closing(make: Callable[[int], Executor], threads: int) -> float:
    """Seconds from the call of ``shutdown`` until all of the threads have ended."""
    pool, go = make(threads), threading.Event()
    waiting = [pool.submit(go.wait, PATIENCE) for _ in range(threads - 1)]
    pool.submit(go.set).result()
    wait(waiting)
    time.sleep(0.1)  # until they are parked
    return harness.seconds(pool.shutdown)


def _short_fans(make: Callable[[int], Executor], count: int) -> float:
    def work() -> None:
        for _ in range(count):
            with make(1) as pool:
                pool.submit(int).result()

    return harness.seconds(work)


def _paced(plan: Plan) -> Iterator[Figure]:
    """Threads that are started beside the workers, and what a start costs the processor."""
    calls = plan.size(PACED, 20)
    counts, costs = [], []
    for _ in range(plan.rounds):
        with _started() as names, Fan(2, rate=RateLimit(60 * PACED, burst=1)) as fan:
            begun = time.process_time()
            fan.run(abs, range(calls)).unwrap()
            costs.append((time.process_time() - begun) / calls)
        counts.append(sum("alarms" in name for name in names))
    yield Figure(f"threads started to pace {calls} calls", "threads", {OURS: median(counts)}, goal=Goal(1))
    yield Figure("processor time of a paced call", "µs", {OURS: median(costs) * 1e6}, goal=Goal(200))


class _started:  # noqa: N801 -- reads as a function
    """A ``with`` block that gives the names of the threads that are started in it."""

    def __enter__(self) -> list[str]:
        names: list[str] = []
        self._start = start = threading.Thread.start

        def noted(thread: threading.Thread) -> None:
            names.append(thread.name)
            start(thread)

        threading.Thread.start = noted  # type: ignore[assignment, method-assign]
        return names

    def __exit__(self, *exc_info: object) -> None:
        threading.Thread.start = self._start  # type: ignore[method-assign]


def _futures(count: int) -> float:
    """Of one that is handed in, runs and is looked at."""
    with Fan(2, timeout=30.0) as fan:
        begun = time.process_time()
        for future in [fan.submit(int) for _ in range(count)]:
            future.result()
        return (time.process_time() - begun) / count


def _standard_futures(count: int) -> float:
    with ThreadPoolExecutor(2) as pool:
        begun = time.process_time()
        for future in [pool.submit(int) for _ in range(count)]:
            future.result()
        return (time.process_time() - begun) / count


def _views(count: int) -> float:
    """Of one that is made, and that one call is handed in by."""
    with Fan(2) as fan:
        begun = time.process_time()
        views = [fan.with_options(max_concurrent=1, timeout=30.0) for _ in range(count)]
        for future in [view.submit(int) for view in views]:
            future.result()
        return (time.process_time() - begun) / count


def _waiting(count: int) -> float:
    """Of a call that is handed in, waits for a limit and is cancelled."""
    fan = Fan(2, rate=RateLimit(1, burst=1))
    begun = time.process_time()
    futures = [fan.submit(int) for _ in range(count)]
    fan.shutdown(cancel_futures=True)
    cost = (time.process_time() - begun) / count
    if not futures[-1].cancelled():
        raise RuntimeError("a call did not wait for its limit")
    return cost


def _standard_waiting(count: int) -> float:
    """Of a call that is handed in, waits for the only thread and is cancelled."""
    pool, go = ThreadPoolExecutor(1), threading.Event()
    pool.submit(go.wait, PATIENCE)
    begun = time.process_time()
    futures = [pool.submit(int) for _ in range(count)]
    pool.shutdown(wait=False, cancel_futures=True)
    cost = (time.process_time() - begun) / count
    go.set()
    pool.shutdown()
    if not futures[-1].cancelled():
        raise RuntimeError("a call did not wait")
    return cost
