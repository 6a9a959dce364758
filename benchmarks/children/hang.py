"""20 calls on 4 workers, the first 4 of which hang: ``hang CONTENDER SECONDS [URL]``.

The calls hang for ``SECONDS``, or with a URL, for as long as its server takes to answer: forever.  The others take
50 ms, and each may take half a second.  The time counts until the pool is closed: only then does a program go on.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CALLS, WORKERS, HANGING = 20, 4, 4
TIMEOUT = 0.5


def hanging(seconds: float, url: str | None) -> Callable[[], object]:
    """What the first calls do."""
    if url is None:
        return lambda: time.sleep(seconds)
    import requests  # here: it is not part of what is measured

    return lambda: requests.get(url)  # noqa: S113 -- no timeout, as in most of the code that hangs


def fan(call: Callable[[int], object]) -> list[bool | None]:
    """Whether each call succeeded (True) or timed out (False); None for anything else."""
    with Fan(WORKERS, timeout=TIMEOUT) as pool:
        report = pool.run(call, range(CALLS))
    return [{"succeeded": True, "timed_out": False}.get(outcome.status) for outcome in report]


def futures(call: Callable[[int], object]) -> list[bool | None]:
    """The same with the standard library, whose timeout is the waiting caller's."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return verdicts((pool.submit(call, number) for number in range(CALLS)), TIMEOUT)


def more_executors(call: Callable[[int], object]) -> list[bool | None]:
    """The same with more-executors, which has timeouts of its own."""
    from more_executors import Executors

    with Executors.thread_pool(max_workers=WORKERS).with_timeout(TIMEOUT) as pool:
        return verdicts((pool.submit(call, number) for number in range(CALLS)), None)


def verdicts(submitted: Iterable[Future[object]], timeout: float | None) -> list[bool | None]:
    """Whether each of the futures has a result."""
    found: list[bool | None] = []
    for future in list(submitted):
        try:
            future.result(timeout)
            found.append(True)
        except Exception:
            found.append(False)
    return found


def nothing(_: Callable[[int], object]) -> list[bool | None]:
    """No pool: what remains is the script's own exit."""
    return [True] * CALLS


CONTENDERS = {"threadfan": fan, "standard library": futures, "more-executors": more_executors, "nothing": nothing}


def main(contender: str, seconds: float, url: str | None) -> dict[str, float]:
    """One measurement."""
    hang = hanging(seconds, url)
    start = time.perf_counter()
    found = CONTENDERS[contender](lambda number: hang() if number < HANGING else time.sleep(0.05))
    makespan = time.perf_counter() - start
    right = sum(ok is (number >= HANGING) for number, ok in enumerate(found))
    return {"makespan": makespan, "right": right, "ok": found.count(True), "timed_out": found.count(False)}


if __name__ == "__main__":
    figures = main(sys.argv[1], float(sys.argv[2]), sys.argv[3] if sys.argv[3:] else None)
    print(json.dumps({**figures, "end": time.time()}), flush=True)
