"""What has become of a program's calls, in a few lines."""

from __future__ import annotations

import sys
from collections import Counter
from threading import current_thread
from threading import enumerate as threads
from time import monotonic

from .._core.base.outcome import START, raw_of
from .._core.base.places import place_of, remedies_of, standing
from .._core.pool.shutdown import alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Thread

    from .._core.batches.report import Report
    from .swap import Swap

_NAMED = 5
"""Threads that are stuck, and classes that were not reached, that are named; arbitrary: a screen is to hold all."""


def lines(
    report: Report[object],
    uncounted: int,
    swap: Swap,
    missed: list[str],
    workers: int | None = None,
    reworded: Callable[[str], str] = str,
) -> Iterator[str]:
    """The summary.

    Args:
        uncounted: how many calls are not in the report.
        swap: what executors there were.
        missed: what was not reached besides.
        workers: how many each executor was to have whose maker does not say it.
        reworded: the advice in other words; empty for none.
    """
    stats = report.stats
    total = stats.total + uncounted
    if total:
        counts = ", ".join(
            f"{number:,} {status.replace('_', ' ')}" for status, number in stats.counts.items() if number
        )
        more = f", {uncounted:,} more not told of" if uncounted else ""
        at_once = f", {stats.concurrency:.1f} at once on average" if stats.wall else ""
        whose = f"{_number(total, 'call')} of {_number(swap.made, 'executor')}"
        again = f"; {stats.retries:,} {'retry' if stats.retries == 1 else 'retries'}" if stats.retries else ""
        yield f"{whose} in {stats.wall:.1f} s{at_once}: {counts}{more}{again}"
        for line in map(str.strip, repr(report).splitlines()[1:]):
            if told := reworded(line) if line == stats.advice else line:
                yield told
    elif swap.made:
        yield f"{_number(swap.made, 'executor')}, and no call"
    else:
        yield from _none_made()
    if workers is not None and swap.own_workers:
        many = swap.own_workers > 1
        yield (
            f"max_workers={workers} (--workers) did not hold for {_number(swap.own_workers, 'executor')}: "
            f"{'their makers say' if many else 'its maker says'} the number"
        )
    yield from _stuck({(one.worker, raw_of(one)[START]): str(one.item) for one in report})
    left = [f"{name} {reason}" for name, reason in list(swap.left.items())] + missed
    if left:
        yield f"not reached: {_listed(left)}"


def _none_made() -> Iterator[str]:
    """What else there may be, and what can be done about it."""
    yield (
        "no ThreadPoolExecutor was made; for a function that is called with one thing after another there is: "
        "threadfan run MODULE:FUNCTION FILE"
    )
    if "multiprocessing.pool" in sys.modules:
        yield "a ThreadPool of multiprocessing's becomes a fan by its import: threadfan.adapters.multiprocessing"
    frames = standing()
    ours: set[Thread] = set()
    for scheduler in alive():
        with scheduler.lock:
            ours.update(scheduler.crew.threads, [session.worker.thread for session in scheduler.lost])
    found = [
        (thread, f"{thread.name}, at {place}")
        for thread in threads()
        if thread is not current_thread()
        and thread not in ours
        and (place := place_of(frames.get(thread.ident or 0))) is not None
    ]
    if found:
        waited_for = not all(thread.daemon for thread, _ in found)
        right = "; the end of the program does not wait for threads with daemon=True" if waited_for else ""
        yield f"{_number(len(found), 'thread')} still alive: {_listed([said for _, said in found])}{right}"


def _stuck(names: dict[tuple[str | None, float | None], str]) -> Iterator[str]:
    """Threads in calls that are over.

    Args:
        names: of functions, by the thread that has called them and when.
    """
    found, idents = [], []
    for scheduler in alive():
        with scheduler.lock:
            lost = [(session.worker.thread, session.lost) for session in scheduler.lost if session.lost is not None]
        for thread, (_, start, name, _) in lost:
            if thread.is_alive():
                found.append((start, names.get((thread.name, start), name)))
                idents.append(thread.ident or 0)
    if found:
        now, frames = monotonic(), standing()
        stacks = list(map(frames.get, idents))
        places = {name: place_of(frame) for (_, name), frame in zip(found, stacks, strict=True)}
        numbers = Counter(name for _, name in found)
        since = {name: start for start, name in sorted(found, reverse=True)}
        named = [
            f"{name}{f' ({number} times)' if number > 1 else ''}, {now - since[name]:.1f} s after it was called"
            f"{'' if places[name] is None else f', at {places[name]}'}"
            for name, number in numbers.most_common()
        ]
        said = f"{_number(len(found), 'thread')} still stuck in calls that are over: {_listed(named)}"
        yield f"{said}{remedies_of(stacks)}"


def _listed(texts: list[str]) -> str:
    rest = [f"and {len(texts) - _NAMED} more"] if len(texts) > _NAMED else []
    return "; ".join(texts[:_NAMED] + rest)


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
