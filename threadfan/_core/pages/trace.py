"""A batch in the Trace Event Format, which chrome://tracing, Perfetto and speedscope open.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU, "Complete Events" (``X``),
"Async Events" (``b``, ``e``), "Counter Events" (``C``) and "Metadata Events" (``M``).  Times are in microseconds.
"""

from __future__ import annotations

import json

from ..base.outcome import SUCCEEDED
from ..base.texts import shortened, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .story import Span, Story

    Event = dict[str, Any]

CALLS, WAITS = 1, 2  # the processes that a trace is made to have: slots with what ran in them, and waits beside them
WAITED_FOR = ("for a slot", "for a rate limit", "after a failed attempt")


def trace(story: Story) -> dict[str, Any]:
    """The trace, as what ``json.dump`` takes."""
    return {"displayTimeUnit": "ms", "traceEvents": list(_events(story)), "otherData": {"began": story.began}}


def write(story: Story, path: str) -> None:
    """Write the file."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(trace(story), file, separators=(",", ":"))


def _events(story: Story) -> Iterator[Event]:
    spans = story.spans()
    for process, name in ((CALLS, story.title), (WAITS, "waiting")):
        yield {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": name}}
    for lane in range(1 + max((span.lane for span in spans), default=-1)):
        yield {"ph": "M", "name": "thread_name", "pid": CALLS, "tid": lane, "args": {"name": f"slot {lane + 1}"}}
    for span in spans:
        yield _call(story, span)
        yield from _waits(story, span)
    for moment, running in concurrency(spans):
        yield {"ph": "C", "name": "running", "pid": CALLS, "ts": micro(moment), "args": {"calls": running}}


def _call(story: Story, span: Span) -> Event:
    outcome = story.outcomes[span.place]
    arguments: Event = {"index": outcome.index, "status": span.status, "attempt": span.attempt}
    if span.status is not SUCCEEDED:
        error = outcome.history[span.attempt - 1].error if outcome.attempts > 1 else outcome.error
        arguments["error"] = shortened(f"{type(error).__name__}: {text_of(error)}", 300)
    if (usage := outcome.usage) is not None and span.attempt == outcome.attempts:
        arguments |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    name = str(story.labels[span.place])
    times = {"ts": micro(span.start), "dur": micro(span.end) - micro(span.start)}
    return {"ph": "X", "name": name, "cat": span.status, "pid": CALLS, "tid": span.lane, **times, "args": arguments}


def _waits(story: Story, span: Span) -> Iterator[Event]:
    """What came before an attempt, in the order in which a call waits: back-off, limit, slot."""
    moment = span.start - sum(span.waits)
    for kind in (2, 1, 0):
        if span.waits[kind] > 0:
            one = {"cat": "wait", "name": WAITED_FOR[kind], "id": span.place, "pid": WAITS, "tid": 0}
            yield {"ph": "b", "ts": micro(moment), **one, "args": {"call": str(story.labels[span.place])}}
            moment += span.waits[kind]
            yield {"ph": "e", "ts": micro(moment), **one}


def concurrency(spans: list[Span]) -> list[tuple[float, int]]:
    """How many ran from each moment at which that changed on."""
    changes: dict[float, int] = {}
    for span in spans:
        changes[span.start] = changes.get(span.start, 0) + 1
        changes[span.end] = changes.get(span.end, 0) - 1
    steps, running = [], 0
    for moment in sorted(changes):
        if changes[moment]:
            running += changes[moment]
            steps.append((moment, running))
    return steps


def micro(seconds: float) -> int:
    """Microseconds, whole."""
    return round(seconds * 1e6)
