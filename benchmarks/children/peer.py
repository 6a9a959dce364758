"""One measurement of one peer, each written as its own documentation shows it: ``peer MEASURE NAME COUNT``.

Every way takes workers, a function, inputs and seconds that each call may take (None for no timeout), and gives, in the
order of the inputs, whether each call has ended well.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.children.memory import resident

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Way = Callable[[int, Callable[[int], Any], range, float | None], list[bool]]

CALLS, WORKERS, HANGING = 20, 4, 4
HANG, LIMIT, NAP = 5.0, 0.5, 0.05


def threadfan(workers: int, fn: Callable[[int], Any], items: range, limit: float | None) -> list[bool]:
    """``Fan.run``."""
    from threadfan import Fan

    with Fan(workers, timeout=limit or 30.0) as fan:
        return [outcome.ok for outcome in fan.run(fn, items)]


def standard(workers: int, fn: Callable[[int], Any], items: range, limit: float | None) -> list[bool]:
    """``ThreadPoolExecutor``: ``map``, or with a timeout the one that waiting for a future has."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        if limit is None:
            return [True for _ in pool.map(fn, items)]
        futures = [pool.submit(fn, item) for item in items]
        return [_ends_well(partial(future.result, limit)) for future in futures]


def tanda(workers: int, fn: Callable[[int], Any], items: range, limit: float | None) -> list[bool]:
    """``Pool.map``, collecting errors."""
    from tanda import Pool  # type: ignore[import-not-found,unused-ignore]

    with Pool(workers) as pool:
        found = pool.map(items, fn, task_timeout=limit, error_policy="collect")
    failed = {failure.index for failure in found.failed}
    return [number not in failed for number in range(len(items))]


def joblib(workers: int, fn: Callable[[int], Any], items: range, limit: float | None) -> list[bool]:
    """``Parallel`` with threads; at a timeout it raises, and there are no results."""
    from joblib import Parallel, delayed

    found: list[Any] = []
    ok = _ends_well(
        lambda: found.extend(
            Parallel(n_jobs=workers, backend="threading", timeout=limit)(delayed(fn)(item) for item in items)
        )
    )
    return [ok] * len(items)


def tqdm(workers: int, fn: Callable[[int], Any], items: range, _limit: float | None) -> list[bool]:
    """``thread_map``, whose bar goes nowhere; it has no timeout."""
    from tqdm.contrib.concurrent import thread_map  # type: ignore[import-untyped,unused-ignore]

    with open(os.devnull, "w") as nowhere:
        thread_map(fn, items, max_workers=workers, file=nowhere)
    return [True] * len(items)


def mpire(workers: int, fn: Callable[[int], Any], items: range, limit: float | None) -> list[bool]:
    """``WorkerPool.map`` with threads; at a timeout it raises, and there are no results."""
    from mpire import WorkerPool  # type: ignore[import-not-found,unused-ignore]

    def work() -> None:
        with WorkerPool(workers, start_method="threading") as pool:
            pool.map(fn, items, task_timeout=limit)

    return [_ends_well(work)] * len(items)


def pebble(workers: int, fn: Callable[[int], Any], items: range, limit: float | None) -> list[bool]:
    """``ThreadPool``, whose futures are waited for with a timeout: it has none for threads."""
    from pebble import ThreadPool  # type: ignore[import-not-found,unused-ignore]

    with ThreadPool(max_workers=workers) as pool:
        futures = [pool.submit(fn, item) for item in items]
        return [_ends_well(partial(future.result, limit)) for future in futures]


def more_executors(workers: int, fn: Callable[[int], Any], items: range, limit: float | None) -> list[bool]:
    """``Executors.thread_pool``, ``with_timeout``."""
    from more_executors import Executors

    made = Executors.thread_pool(max_workers=workers)
    with made if limit is None else made.with_timeout(limit) as pool:
        futures = [pool.submit(fn, item) for item in items]
        return [_ends_well(future.result) for future in futures]


def anyio(workers: int, fn: Callable[[int], Any], items: range, limit: float | None) -> list[bool]:
    """``to_thread.run_sync`` in a task group, abandoned at its timeout."""
    import anyio as library

    found = [False] * len(items)

    async def one(place: int, item: int, room: Any, threads: Any) -> None:
        async with room:
            with library.move_on_after(limit):
                await library.to_thread.run_sync(fn, item, abandon_on_cancel=limit is not None, limiter=threads)
                found[place] = True

    async def work() -> None:
        threads = library.CapacityLimiter(workers + len(items) if limit else workers)  # those abandoned count too
        room = library.CapacityLimiter(workers)
        async with library.create_task_group() as group:
            for place, item in enumerate(items):
                group.start_soon(one, place, item, room, threads)

    library.run(work)
    return found


def langchain(workers: int, fn: Callable[[int], Any], items: range, _limit: float | None) -> list[bool]:
    """``RunnableLambda.batch``; it has no timeout."""
    from langchain_core.runnables import RunnableLambda  # type: ignore[import-not-found,unused-ignore]

    found = RunnableLambda(fn).batch(list(items), config={"max_concurrency": workers}, return_exceptions=True)
    return [not isinstance(value, Exception) for value in found]


def dspy(workers: int, fn: Callable[[int], Any], items: range, limit: float | None) -> list[bool]:
    """``Parallel``, whose timeout is that of stragglers, in whole seconds; the bar is off."""
    import dspy as library  # type: ignore[import-not-found,unused-ignore]

    timeout = 120 if limit is None else 1
    parallel = library.Parallel(
        num_threads=workers, disable_progress_bar=True, access_examples=False, timeout=timeout, max_errors=len(items)
    )
    found = parallel([(lambda item: (fn(item), True)[1], (item,)) for item in items])
    return [bool(value) for value in found]


def dask(workers: int, fn: Callable[[int], Any], items: range, _limit: float | None) -> list[bool]:
    """A ``LocalCluster`` of threads; ``gather`` has no timeout for each."""
    from distributed import Client  # type: ignore[import-not-found,unused-ignore]

    made: Any = Client
    with made(processes=False, n_workers=1, threads_per_worker=workers, dashboard_address=":0") as client:
        return [True for _ in client.gather(client.map(fn, items, pure=False))]


def _ends_well(work: Callable[[], object]) -> bool:
    try:
        work()
    except Exception:
        return False
    return True


WAYS: dict[str, Way] = {
    "threadfan": threadfan,
    "standard library": standard,
    "tanda": tanda,
    "joblib": joblib,
    "tqdm": tqdm,
    "mpire": mpire,
    "pebble": pebble,
    "more-executors": more_executors,
    "anyio": anyio,
    "LangChain": langchain,
    "DSPy": dspy,
    "Dask": dask,
}


def overhead(way: Way, count: int) -> dict[str, float]:
    """Microseconds for each call of a function that does nothing; of a pool that is made for them, as scripts do."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        way(8, _nothing, range(count), None)
        times.append(time.perf_counter() - start)
    return {"value": 1e6 * median(times[1:]) / count}


def efficiency(way: Way, count: int) -> dict[str, float]:
    """The part of the ideal that so many naps on 100 workers come to, in per cent."""
    workers = min(100, count)
    way(2, _nothing, range(2), None)  # what is imported on first use
    start = time.perf_counter()
    way(workers, _nap, range(count), None)
    return {"value": 100 * (count / workers * NAP) / (time.perf_counter() - start)}


def hang(way: Way, _count: int) -> dict[str, float]:
    """20 calls on 4 workers, of which the first 4 hang."""
    way(2, _nothing, range(2), None)
    start = time.perf_counter()
    found = way(WORKERS, _hangs, range(CALLS), LIMIT)
    right = sum(ok is (number >= HANGING) for number, ok in enumerate(found))
    return {"value": time.perf_counter() - start, "right": right, "end": time.time()}


def interrupt(way: Way, _count: int) -> dict[str, float]:
    """Calls that hang on 4 workers, until Ctrl-C; whoever runs this sends it, and sees when the process has ended."""
    way(2, _nothing, range(2), None)
    print("ready", flush=True)
    way(WORKERS, _hang, range(2 * WORKERS), None)
    return {}


def memory(way: Way, count: int) -> dict[str, float]:
    """Megabytes that the process grows by while so many results are taken one by one, where there is a way to."""
    name = sys.argv[2]
    stream = STREAMS.get(name)

    def taken(items: range) -> None:
        if stream is None:
            way(8, _double, items, None)
            return
        for _ in stream(8, items):
            pass

    taken(range(2_000))
    before = most = resident()
    import threading

    over = threading.Event()

    def look() -> None:
        nonlocal most
        while not over.wait(0.005):
            most = max(most, resident())

    looker = threading.Thread(target=look)
    looker.start()
    taken(range(count))
    over.set()
    looker.join()
    return {"value": max(0.0, most - before)}


def _stream_fan(workers: int, items: range) -> Iterator[Any]:
    from threadfan import Fan

    with Fan(workers, timeout=30.0) as fan:
        yield from fan.stream(_double, items, ordered=True)


def _stream_tanda(workers: int, items: range) -> Iterator[Any]:
    from tanda import Pool

    with Pool(workers) as pool:
        yield from pool.imap(items, _double)


def _stream_standard(workers: int, items: range) -> Iterator[Any]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        bounded = {"buffersize": 4 * workers} if sys.version_info >= (3, 14) else {}
        yield from pool.map(_double, items, **bounded)


def _stream_joblib(workers: int, items: range) -> Iterator[Any]:
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=workers, backend="threading", return_as="generator")(delayed(_double)(i) for i in items)


def _stream_mpire(workers: int, items: range) -> Iterator[Any]:
    from mpire import WorkerPool

    with WorkerPool(workers, start_method="threading") as pool:
        yield from pool.imap(_double, items)


STREAMS: dict[str, Callable[[int, range], Iterable[Any]]] = {
    "threadfan": _stream_fan,
    "standard library": _stream_standard,
    "tanda": _stream_tanda,
    "joblib": _stream_joblib,
    "mpire": _stream_mpire,
}


def _nothing(item: int) -> int:
    return item


def _double(item: int) -> int:
    return 2 * item


def _nap(item: int) -> int:
    time.sleep(NAP)
    return item


def _hang(item: int) -> int:
    time.sleep(HANG)
    return item


def _hangs(item: int) -> int:
    return _hang(item) if item < HANGING else _nap(item)


MEASURES = {
    "overhead": overhead,
    "memory": memory,
    "efficiency": efficiency,
    "hang": hang,
    "interrupt": interrupt,
}

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    found = MEASURES[sys.argv[1]](WAYS[sys.argv[2]], int(sys.argv[3]))
    print(json.dumps(found), flush=True)
