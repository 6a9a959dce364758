"""A batch in a few lines of HTML, for notebooks."""

from __future__ import annotations

from html import escape

from ..base.index_ranges import written
from ..base.outcome import STATUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .story import Story

MOST = 10  # causes; arbitrary: what a cell of a notebook shows without being scrolled


def html(story: Story) -> str:
    """The lines: what became of the calls, why some have no value, and what would help."""
    figures = story.figures
    counts = ", ".join(f"{figures[status]} {status.replace('_', ' ')}" for status in STATUSES if figures[status])
    lines = [f"<b>{len(story.outcomes)} calls</b>: {counts or 'nothing to do'}; {figures['wall']:.3f} s"]
    causes = [(len(places), text, written([story.labels[one] for one in places])) for text, places in story.causes]
    if causes:
        lines.append(_table(("calls", "cause", "which"), causes[:MOST]))
    if rest := causes[MOST:]:
        lines.append(f"… and {sum(count for count, _, _ in rest)} more, for {len(rest)} other reasons")
    if story.advice is not None:
        lines.append(f"<i>{escape(story.advice)}</i>")
    return "<div>" + "".join(line if line.startswith("<table") else f"<div>{line}</div>" for line in lines) + "</div>"


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>"
