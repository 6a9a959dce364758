"""``python -m benchmarks.floors``: what the machine and the interpreter charge by themselves, whoever's pool it is.

A row of the table that is missed is explained by these: so many hand-overs or starts, at so much each.  The steps
between two threads are measured with both on one processor, where the system allows that, and left to the system: then
the other thread is mostly on another processor, which first has to be woken.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def hand_over(count: int, limit: float = -1.0) -> float:
    """Seconds for one step from a thread that works to one that waits: a futex wakes it, and it takes the GIL.

    Args:
        limit: seconds that a wait may take, which is what lets a signal be seen and a time be up; below 0 for ever.
    """
    mine, theirs = threading.Lock(), threading.Lock()
    mine.acquire()
    theirs.acquire()

    def answer() -> None:
        for _ in range(count):
            theirs.acquire(timeout=limit)
            mine.release()

    other = threading.Thread(target=answer)
    other.start()
    start = time.perf_counter()
    for _ in range(count):
        theirs.release()
        mine.acquire(timeout=limit)
    seconds = time.perf_counter() - start
    other.join()
    return seconds / (2 * count)


def thread_start(count: int) -> float:
    """Seconds to start a thread that does nothing, and to wait for its end."""
    start = time.perf_counter()
    for _ in range(count):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    return (time.perf_counter() - start) / count


def released(count: int) -> float:
    """Seconds for a system call that lets go of the GIL, which nobody else wants."""
    with open(os.devnull, "wb", buffering=0) as nowhere:
        start = time.perf_counter()
        nowhere.writelines(b"x" for _ in range(count))
        return (time.perf_counter() - start) / count


def shortest_sleep(count: int) -> float:
    """Seconds that ``time.sleep(0)`` takes: the timer's slack, not the interpreter's."""
    start = time.perf_counter()
    for _ in range(count):
        time.sleep(0)
    return (time.perf_counter() - start) / count


def sleep_beside(count: int) -> float:
    """The same beside a thread that computes: it takes the GIL meanwhile, and keeps it for the switch interval."""
    ended = False

    def compute() -> None:
        while not ended:
            pass

    other = threading.Thread(target=compute)
    other.start()
    try:
        return shortest_sleep(count)
    finally:
        ended = True
        other.join()


STEPS: dict[str, tuple[Callable[[int], float], int]] = {
    "a hand-over to a waiting thread": (hand_over, 3_000),
    "the same, waits with a limit": (partial(hand_over, limit=60.0), 3_000),
    "a thread's start and end": (thread_start, 500),
    "a system call that lets go of the GIL": (released, 20_000),
    "time.sleep(0)": (shortest_sleep, 3_000),
    "the same beside a thread that computes": (sleep_beside, 50),
}


def measure(rounds: int, share: float) -> dict[str, float]:
    """Microseconds by step: the median of some rounds, each of a share of the steps that it has at most."""
    return {
        name: median(step(max(1, int(count * share))) for _ in range(rounds)) * 1e6
        for name, (step, count) in STEPS.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floors", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few steps: does it still work?")
    rounds, share = (1, 0.02) if parser.parse_args().quick else (7, 1)
    columns = {"left to the system": measure(rounds, share)}
    if hasattr(os, "sched_setaffinity"):
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(before)})
        try:
            columns["on one processor"] = measure(rounds, share)
        finally:
            os.sched_setaffinity(0, before)
    print(f"{'µs':40}" + "".join(f"{head:>20}" for head in columns))
    for name in STEPS:
        print(f"{name:40}" + "".join(f"{found[name]:20.1f}" for found in columns.values()))


if __name__ == "__main__":
    main()
