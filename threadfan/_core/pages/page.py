"""A batch as one page for a browser, which needs nothing else: no server, no network.

The page holds its data as JSON, a script that draws it, and plotly's own library.  Texts of the user's stand in it as
data alone and are shown as text, whatever they look like.
"""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files

from ..base.index_ranges import written
from ..base.outcome import attempts_of, raw_of
from ..base.packages import plotly
from ..base.texts import shortened, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..base.outcome import Outcome
    from .story import Story

LONGEST = 300  # characters of a label or an error that are kept; arbitrary: they are read in a cell of a table


def write(story: Story, path: str) -> None:
    """Write the page.

    Raises:
        ImportError: plotly is not installed.
    """
    library = plotly("offline", "report.to_html", "report.to_trace()").get_plotlyjs()
    text = json.dumps(told(story), separators=(",", ":"), allow_nan=False)
    data = text.replace("<", "\\u003c")  # else a text could end the script that holds it
    # In this order: what is put in is not searched again.
    before, _, after = _part("page.html").partition("{{data}}")
    plotly_before, _, rest = after.partition("{{plotly}}")
    before = before.replace("{{style}}", _part("page.css")).replace("{{title}}", escape(story.title))
    with open(path, "w", encoding="utf-8") as file:
        file.writelines((before, data, plotly_before, library, rest.replace("{{script}}", _part("page.js"))))


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def told(story: Story) -> dict[str, Any]:
    """What the script draws: columns, with times in seconds since the batch began."""
    figures, spans = story.figures, story.spans()
    return {
        "title": story.title,
        "began": story.began,
        "wall": figures["wall"],
        "advice": story.advice,
        "tiles": _tiles(figures),
        "causes": [(text, len(places), _which(story, places)) for text, places in story.causes],
        "calls": _calls(story),
        "spans": {
            "place": [span.place for span in spans],
            "attempt": [span.attempt for span in spans],
            "status": [span.status for span in spans],
            "start": [_rounded(span.start) for span in spans],
            "end": [_rounded(span.end) for span in spans],
            "lane": [span.lane for span in spans],
            "waits": [[_rounded(wait) for wait in span.waits] for span in spans],
        },
    }


def _calls(story: Story) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for outcome, label, stage in zip(story.outcomes, story.labels, story.stages, strict=True):
        for name, value in _call(story, outcome, label, stage).items():
            columns.setdefault(name, []).append(value)
    return columns or {name: [] for name in ("label", "stage", "status", "attempts", "ended", "took", "error")}


def _call(story: Story, outcome: Outcome[object], label: int | str, stage: str | None) -> dict[str, Any]:
    raw, usage, error = raw_of(outcome), outcome.usage, outcome.error
    history = attempts_of(outcome)
    begun = raw[2] + history[0].started if history else raw[5]
    return {
        "label": shortened(str(label), LONGEST),
        "stage": stage,
        "status": outcome.status,
        "attempts": outcome.attempts,
        "started": None if begun is None else _rounded(begun - story.first),
        "ended": _rounded(raw[6] - story.first),
        "took": None if begun is None else _rounded(outcome.duration),
        "slot": _rounded(outcome.waited_slot),
        "limit": _rounded(outcome.waited_limit),
        "backoff": _rounded(outcome.waited_backoff),
        "tokens": None if usage is None else usage.total_tokens,
        "worker": outcome.worker,
        "error": None if error is None else shortened(f"{type(error).__name__}: {text_of(error)}", LONGEST),
    }


def _tiles(figures: dict[str, float]) -> list[tuple[str, float, str]]:
    """The figures that stand above all, each with its unit; those that do not apply are left out."""
    found: list[tuple[str, float, str]] = [
        ("calls", figures["total"], ""),
        ("succeeded", figures["success_rate"], "%"),
        ("took", figures["wall"], "s"),
        ("at once, on average", round(figures["concurrency"], 1), ""),
        ("slots used", figures["utilisation"], "%"),
        ("median call", figures["duration_p50"], "s"),
        ("99th percentile", figures["duration_p99"], "s"),
    ]
    more = (
        ("retries", figures["retries"], ""),
        ("nothing could start", figures["limited"], "s"),
        ("pauses of all", figures["pauses"], ""),
        ("input tokens", figures["input_tokens"], ""),
        ("output tokens", figures["output_tokens"], ""),
    )
    return found + [one for one in more if one[1]]


def _which(story: Story, places: Sequence[int]) -> str:
    return written([story.labels[place] for place in places])


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
