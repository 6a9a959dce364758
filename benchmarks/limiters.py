"""Ways to keep calls under a rate limit, under one shape: a function that makes calls until the time is up."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any

from benchmarks import peers
from benchmarks.pools import TIMEOUT
from threadfan import Fan, RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = Callable[[int], object]
    Ended = Counter[bool]  # how many items have succeeded, and how many have not
    Way = Callable[[Call, float], Ended]
    Gate = Callable[[float], bool]  # waits for a permit until a moment; False if there was none until then

WORKERS = 20
PER_MINUTE = 600


def ours(burst: int) -> Way:
    """A fan that is told the limit."""

    def make_calls(call: Call, seconds: float) -> Ended:
        rate = RateLimit(requests_per_minute=PER_MINUTE, burst=burst)
        with Fan(WORKERS, timeout=TIMEOUT, rate=rate) as fan:
            # All that is taken from the supply has an outcome, so little is taken in advance.
            return Counter(outcome.ok for outcome in fan.stream(call, supply(seconds), window=WORKERS))

    return make_calls


def plain() -> Way:
    """``ThreadPoolExecutor``; what is refused is left to the retries of the client."""
    return _threads(lambda _: True)


def semaphore(permits: int) -> Way:
    """So many calls at a time and no more."""
    slots = BoundedSemaphore(permits)

    def make_calls(call: Call, seconds: float) -> Ended:
        def inside(item: int) -> object:
            with slots:
                return call(item)

        return _threads(lambda _: True, WORKERS)(inside, seconds)

    return make_calls


def spacing() -> Way:
    """What tutorials show: who holds the lock sleeps until an interval after the last call, and lets itself go."""
    lock, last, interval = Lock(), 0.0, 60 / PER_MINUTE

    def gate(_: float) -> bool:
        nonlocal last
        with lock:
            time.sleep(max(0.0, last + interval - time.monotonic()))
            last = time.monotonic()
        return True

    return _threads(gate)


def pyrate(permits: int, milliseconds: int) -> Way:
    """pyrate-limiter as its README has it: one rate, one bucket in memory, ``try_acquire`` that blocks."""

    def make_calls(call: Call, seconds: float) -> Ended:
        library: Any = peers.load("pyrate-limiter")
        with library.Limiter(library.Rate(permits, milliseconds)) as limiter:

            def gate(until: float) -> bool:
                return bool(limiter.try_acquire("key", timeout=max(0.0, until - time.monotonic())))

            return _threads(gate)(call, seconds)

    return make_calls


def supply(seconds: float) -> Iterator[int]:
    """Items without end, until the time is up."""
    until = time.monotonic() + seconds
    for item in count():
        if time.monotonic() >= until:
            return
        yield item


def _threads(gate: Gate, workers: int = WORKERS) -> Way:
    """A standard pool whose threads go through a gate before each call; a call that has begun is seen to its end."""

    def make_calls(call: Call, seconds: float) -> Ended:
        items, until = count(), time.monotonic() + seconds

        def work() -> Ended:
            ended: Ended = Counter()
            while gate(until) and time.monotonic() < until:
                ended[_succeeds(call, next(items))] += 1
            return ended

        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(work) for _ in range(workers)]
        return sum((future.result() for future in futures), Counter())

    return make_calls


def _succeeds(call: Call, item: int) -> bool:
    try:
        call(item)
    except Exception:
        return False
    return True
