"""Journals: what one adds to a call, and what going on with a million results takes."""

from __future__ import annotations

from functools import partial
from itertools import count
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.children.resume import filled
from benchmarks.figures.tasks import noop
from benchmarks.harness import OURS, Figure, Goal
from benchmarks.pools import TIMEOUT
from benchmarks.processes import child
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benchmarks.harness import Plan

    Way = Callable[[Fan, Callable[..., object], list[int], dict[str, str]], Iterable[object]]

WORKERS = 8
BARE = "without a journal"
FILES = count()


def measure(plan: Plan) -> Iterator[Figure]:
    """Microseconds that a journal adds to a call; then seconds and megabytes."""
    with TemporaryDirectory() as folder, Fan(WORKERS, timeout=TIMEOUT) as fan:
        for what, fn, calls in (("no-ops", noop, 5_000), ("naps of 1 ms", nap, 3_000)):
            items = list(range(plan.size(calls, 300)))
            for name, way in (("run", _run), ("stream", _stream)):
                yield from _added(f"{name} of {what}", partial(_timed, way, fan, fn, items, folder), plan.rounds)
    yield from _resumed(plan.size(1_000_000, 3_000))


def nap(_: object) -> None:
    """A short call that waits."""
    sleep(0.001)


def _run(fan: Fan, fn: Callable[..., object], items: list[int], options: dict[str, str]) -> Iterable[object]:
    return fan.run(fn, items, **options)  # type: ignore[arg-type]  # options of one kind


def _stream(fan: Fan, fn: Callable[..., object], items: list[int], options: dict[str, str]) -> Iterable[object]:
    return list(fan.stream(fn, items, **options))  # type: ignore[arg-type]  # the same


def _timed(
    way: Way, fan: Fan, fn: Callable[..., object], items: list[int], folder: str, clock: Callable[[], float], kept: bool
) -> float:
    options = {"journal": f"{folder}/{next(FILES)}.db"} if kept else {}
    start = clock()
    way(fan, fn, items, options)
    return (clock() - start) / len(items)


def _added(what: str, timed: Callable[[Callable[[], float], bool], float], rounds: int) -> Iterator[Figure]:
    for clock, name, goal in ((perf_counter, "time", Goal(60.0)), (process_time, "processor time", None)):
        samples = harness.race({OURS: partial(timed, clock, True), BARE: partial(timed, clock, False)}, rounds)
        added = median(mine - bare for mine, bare in zip(samples[OURS], samples[BARE], strict=True))
        yield Figure(
            f"{name} that a journal adds to each call, {what} on {WORKERS} workers",
            "µs a call",
            {OURS: added * 1e6, BARE: median(samples[BARE]) * 1e6},
            goal=goal,
            note="the second column is what the call takes by itself",
        )


def _resumed(number: int) -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        path = f"{folder}/run.db"
        filled(path, number)
        for way, seconds, megabytes in (("run", Goal(5.0), Goal(50.0)), ("stream", None, Goal(50.0))):
            found, _ = child("-m", "benchmarks.children.resume", path, str(number), way)
            what = f"{way} of {number:,} items that all have results"
            yield Figure(f"{what}, time", "s", {OURS: found["seconds"]}, goal=seconds)
            yield Figure(f"{what}, memory at the most", "MB", {OURS: found["megabytes"]}, goal=megabytes)
