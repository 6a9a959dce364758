"""Prints by how many megabytes the process grows while results are taken: ``memory CONTENDER ITEMS``."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

WARM_UP = 10_000
STEP = 10_000  # results between two looks
WORKERS = 8

_STATM = Path("/proc/self/statm")


def double(number: int) -> int:
    """A call with a result of its own."""
    return 2 * number


def resident() -> float:
    """Megabytes in memory: now where the system says so, else the most there have been."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def growth(mapped: Callable[[Iterable[int]], Iterator[Any]], items: int) -> float:
    """The most that the process has grown by, since the warm-up, while ``items`` results were taken."""
    for _ in mapped(range(WARM_UP)):
        pass
    before = most = resident()
    for number, _ in enumerate(mapped(range(items))):
        if number % STEP == 0:
            most = max(most, resident())
    return max(most, resident()) - before


def main(contender: str, items: int) -> float:
    """The growth of one contender."""
    if contender == "threadfan":
        from threadfan import Fan

        with Fan(WORKERS, timeout=30) as fan:
            return growth(lambda numbers: fan.stream(double, numbers, ordered=True), items)
    if contender == "ThreadPool.imap":
        from multiprocessing.pool import ThreadPool

        with ThreadPool(WORKERS) as pool:
            return growth(lambda numbers: pool.imap(double, numbers), items)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(WORKERS) as executor:
        return growth(lambda numbers: executor.map(double, numbers), items)


if __name__ == "__main__":
    print(json.dumps({"megabytes": main(sys.argv[1], int(sys.argv[2]))}))
