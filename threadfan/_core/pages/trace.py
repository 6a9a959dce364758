"""A batch in the Trace Event Format, which chrome://tracing, Perfetto and speedscope open.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU, "Complete Events" (``X``),
"Async Events" (``b``, ``e``), "Counter Events" (``C``) and "Metadata Events" (``M``).  Times are in microseconds,
with nanoseconds after the point.
"""

from __future__ import annotations

import json

from ..base.outcome import SUCCEEDED, attempts_of
from ..base.texts import condensed, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .story import Span, Story

    Event = dict[str, Any]

# The processes that a trace is made to have: slots with what ran in them, and waits beside them.  Threads are numbered
# from 1: Perfetto takes 0 to mean the thread that bears its process's number, and would put two slots into one.
CALLS, WAITS = 1, 2
WAITED_FOR = ("for a slot", "for a rate limit", "after a failed attempt")
MOST_ROWS = 1000
"""As many waits are drawn one by one.  Waits of many calls at once are as many rows, which nobody reads, and which take
Perfetto time by their square; how many calls waited is told of all."""


def trace(story: Story) -> dict[str, Any]:
    """The trace, as what ``json.dump`` takes."""
    return {"displayTimeUnit": "ms", "traceEvents": list(_events(story)), "otherData": {"began": story.began}}


def write(story: Story, path: str) -> None:
    """Write the file.

    All characters stand there as they are: Perfetto opens no file in which one is escaped as two surrogates.
    """
    text = json.dumps(trace(story), ensure_ascii=False, separators=(",", ":"))
    with open(path, "w", encoding="utf-8", errors="replace") as file:  # half a pair of surrogates is no character
        file.write(text)


def _events(story: Story) -> Iterator[Event]:
    spans = story.spans()
    for process, name in ((CALLS, story.title or "Report"), (WAITS, "waiting")):
        one = {"ph": "M", "pid": process, "tid": process}
        yield {**one, "name": "process_name", "args": {"name": name}}
        yield {**one, "name": "process_sort_index", "args": {"sort_index": process}}
    for slot in range(1, 2 + max((span.lane for span in spans), default=-1)):
        one = {"ph": "M", "pid": CALLS, "tid": slot}
        yield {**one, "name": "thread_name", "args": {"name": f"slot {slot}"}}
        yield {**one, "name": "thread_sort_index", "args": {"sort_index": slot}}
    free: dict[int, int] = {}  # from when each lane is, in nanoseconds
    for span in spans:
        start = max(nanos(span.start), free.get(span.lane, 0))
        free[span.lane] = end = max(nanos(span.end), start + 1)
        yield _call(story, span, start, end)
    yield from _counts(CALLS, "running", [(span.start, span.end) for span in spans])
    waits = [(*wait, span.place) for span in spans for wait in _waits(span)]
    if len(waits) <= MOST_ROWS:
        for kind, since, until, place in waits:
            one = {"cat": "wait", "name": WAITED_FOR[kind], "id2": {"local": hex(place)}, "pid": WAITS, "tid": WAITS}
            yield {"ph": "b", "ts": nanos(since) / 1000, **one, "args": {"call": str(story.labels[place])}}
            yield {"ph": "e", "ts": nanos(until) / 1000, **one}
    for number, what in enumerate(WAITED_FOR):
        times = [(since, until) for kind, since, until, _ in waits if kind == number]
        yield from _counts(WAITS, f"waiting {what}", times)


def _counts(process: int, name: str, times: list[tuple[float, float]]) -> Iterator[Event]:
    for moment, calls in concurrency(times):
        yield {
            "ph": "C",
            "name": name,
            "pid": process,
            "tid": process,
            "ts": nanos(moment) / 1000,
            "args": {"calls": calls},
        }


def _call(story: Story, span: Span, start: int, end: int) -> Event:
    """An attempt.

    By a clock of few ticks many have no length and one moment.  Perfetto would stand them on each other, and drop all
    but 512; so each takes a nanosecond at least, after the one before it in its lane.
    """
    outcome = story.outcomes[span.place]
    arguments: Event = {"index": outcome.index, "status": span.status, "attempt": span.attempt}
    if span.status is not SUCCEEDED:
        error = outcome.history[span.attempt - 1].error if outcome.attempts > 1 else outcome.error
        arguments["error"] = condensed(f"{type(error).__name__}: {text_of(error)}", 300)
    if (usage := outcome.usage) is not None and span.attempt == outcome.attempts:
        arguments |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    history = attempts_of(outcome)
    if history and (stage := getattr(history[span.attempt - 1], "stage", None)) is not None:
        arguments["stage"] = stage
    arguments |= {
        f"waited {what}": round(wait, 6) for what, wait in zip(WAITED_FOR, span.waits, strict=True) if wait > 0
    }
    name = str(story.labels[span.place])
    times = {"ts": start / 1000, "dur": (end - start) / 1000}
    return {"ph": "X", "name": name, "cat": span.status, "pid": CALLS, "tid": span.lane + 1, **times, "args": arguments}


def _waits(span: Span) -> Iterator[tuple[int, float, float]]:
    """What came before an attempt, in the order in which a call waits: back-off, limit, slot.

    What the function has waited for limits while it ran is no part of that, though it counts as waited for them.
    """
    waits = list(span.waits)
    waits[1] -= min(waits[1], max(0.0, sum(waits) - (span.start - span.ready)))
    moment = max(span.ready, span.start - sum(waits))
    for kind in (2, 1, 0):
        since, moment = moment, moment + waits[kind]
        if nanos(moment) > nanos(since):
            yield kind, since, moment


def concurrency(times: list[tuple[float, float]]) -> list[tuple[float, int]]:
    """How many were under way from each moment at which that changed on.

    Args:
        times: from when until when each was.
    """
    changes: dict[float, int] = {}
    for start, end in times:
        changes[start] = changes.get(start, 0) + 1
        changes[end] = changes.get(end, 0) - 1
    steps, running = [], 0
    for moment in sorted(changes):
        if changes[moment]:
            running += changes[moment]
            steps.append((moment, running))
    return steps


def nanos(seconds: float) -> int:
    """Nanoseconds, whole."""
    return round(seconds * 1e9)
