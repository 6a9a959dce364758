"""Prints what a crowd costs in one process: ``crowds CASE CONTENDER COUNT``.

- ``blocked``: so many threads, each in a call that waits; from nothing until all of them do, then for a second, then
  until the pool is closed.
- ``waiting``: so many calls that wait for a limit; to hand them in, and for each that is let through before the others.
- ``keys``: a batch with ten items for each of so many keys.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from operator import itemgetter
from statistics import median

from benchmarks.children.memory import resident
from threadfan import Fan, RateLimit

TIMEOUT = 300.0
PASSED = 500  # calls that are let through, of each look; or as many as wait behind them
LOOKS = 5
PER_MINUTE = 120_000  # so one in half a millisecond


def pool(contender: str, workers: int) -> Executor:
    """A new one."""
    return Fan(workers, timeout=TIMEOUT) if contender == "threadfan" else ThreadPoolExecutor(workers)


def blocked(contender: str, count: int) -> dict[str, float]:
    """All of them at once, with nothing to do but wait."""
    go, all_there, lock, running = threading.Event(), threading.Event(), threading.Lock(), 0

    def block() -> None:
        nonlocal running
        with lock:
            running += 1
            last = running == count
        if last:
            all_there.set()
        go.wait()

    with pool(contender, 1) as warm:
        warm.submit(int).result()
    gc.collect()
    before, start = resident(), time.perf_counter()
    executor = pool(contender, count)
    futures = [executor.submit(block) for _ in range(count)]
    all_there.wait()
    there, most, used = time.perf_counter(), resident(), time.process_time()
    looked = min(1.0, count / 500)
    time.sleep(looked)
    rest, released = (time.process_time() - used) / looked, time.perf_counter()
    go.set()
    for future in futures:
        future.result()
    executor.shutdown()
    return {
        "start": there - start,
        "megabytes": max(0.0, most - before),
        "rest": rest,
        "end": time.perf_counter() - released,
    }


def waiting(_: str, count: int) -> dict[str, float]:
    """A list of those that wait, from which one goes at a time."""
    fan = Fan(2, rate=RateLimit(PER_MINUTE, burst=1))
    fan.submit(int).result()
    gc.collect()
    passed = min(PASSED, count)
    before, used = resident(), time.process_time()
    futures = [fan.submit(int) for _ in range(passed * LOOKS + count)]
    handed_in = time.process_time() - used
    most, done, costs = resident(), 0, []
    while done < passed * LOOKS:
        used = time.process_time()
        for future in futures[done : done + passed]:
            future.result()
        costs.append((time.process_time() - used) / passed)
        done += passed
    fan.shutdown(cancel_futures=True)
    return {
        "handed_in": handed_in / len(futures),
        "kilobytes": max(0.0, most - before) * 1e3 / len(futures),
        "passed": median(costs),
    }


def keys(_: str, count: int) -> dict[str, float]:
    """Ten items of each key, in turn, at most four of one at once."""
    items = [(number % count, number) for number in range(10 * count)]
    with Fan(8, timeout=TIMEOUT) as fan:
        fan.run(itemgetter(1), items[:1_000], by=itemgetter(0), max_concurrent=4)
        gc.collect()
        before, start = resident(), time.perf_counter()
        report = fan.run(itemgetter(1), items, by=itemgetter(0), max_concurrent=4)
        seconds, most = time.perf_counter() - start, resident()
        return {"each": seconds / len(items), "megabytes": max(0.0, most - before), "failed": len(report.failed)}


CASES = {"blocked": blocked, "waiting": waiting, "keys": keys}

if __name__ == "__main__":
    print(json.dumps(CASES[sys.argv[1]](sys.argv[2], int(sys.argv[3]))))
