"""What has become of a program's calls, in a few lines."""

from __future__ import annotations

from collections import Counter
from time import monotonic

from .._core.base.outcome import START, raw_of
from .._core.pool.shutdown import alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._core.batches.report import Report
    from .swap import Swap

_NAMED = 5
"""Threads that are stuck, and classes that were not reached, that are named; arbitrary: a screen is to hold all."""


def lines(report: Report[object], uncounted: int, swap: Swap, missed: list[str]) -> Iterator[str]:
    """The summary.

    Args:
        uncounted: how many calls are not in the report.
        swap: what executors there were.
        missed: what was not reached besides.
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
        yield f"{whose} in {stats.wall:.1f} s{at_once}: {counts}{more}"
        yield from (line.strip() for line in repr(report).splitlines()[1:])
    elif swap.made:
        yield f"{_number(swap.made, 'executor')}, and no call"
    else:
        yield "no ThreadPoolExecutor was made"
    yield from _stuck({(one.worker, raw_of(one)[START]): str(one.item) for one in report})
    left = [f"{name} {reason}" for name, reason in list(swap.left.items())] + missed
    if left:
        yield f"not reached: {_listed(left)}"


def _stuck(names: dict[tuple[str | None, float | None], str]) -> Iterator[str]:
    """Threads in calls that are over.

    Args:
        names: of functions, by the thread that has called them and when.
    """
    found = []
    for scheduler in alive():
        with scheduler.lock:
            lost = [(session.worker.thread, session.lost) for session in scheduler.lost if session.lost is not None]
        found += [
            (start, names.get((thread.name, start), name)) for thread, (_, start, name, _) in lost if thread.is_alive()
        ]
    if found:
        now = monotonic()
        numbers = Counter(name for _, name in found)
        since = {name: start for start, name in sorted(found, reverse=True)}
        named = [
            f"{name}{f' ({number} times)' if number > 1 else ''}, {now - since[name]:.1f} s after it was called"
            for name, number in numbers.most_common()
        ]
        yield f"{_number(len(found), 'thread')} still stuck in calls that are over: {_listed(named)}"


def _listed(texts: list[str]) -> str:
    rest = [f"and {len(texts) - _NAMED} more"] if len(texts) > _NAMED else []
    return "; ".join(texts[:_NAMED] + rest)


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
