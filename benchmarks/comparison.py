"""Peers side by side: a table with a row for each, and a picture that a page can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figures.side_by_side import (
    EFFICIENCY,
    EXIT,
    HANG,
    INTERRUPT,
    MEMORY,
    MODULES,
    OVERHEAD,
    RIGHT,
)
from benchmarks.harness import OURS, STANDARD
from benchmarks.report import number

if TYPE_CHECKING:
    from benchmarks.harness import Figure

GROUP = "peers"
COLUMNS = {
    OVERHEAD: "overhead, µs a call",
    MEMORY: "memory, MB",
    EFFICIENCY: "of the ideal, %",
    HANG: "a hang: makespan, s",
    RIGHT: "right, of 20",
    EXIT: "exit, s",
    INTERRUPT: "Ctrl-C, s",
}
RATES = {
    OURS: "requests and tokens, follows 429s; shared by processes",
    STANDARD: "no",
    "tanda": "no",
    "joblib": "no",
    "tqdm": "no",
    "mpire": "no",
    "pebble": "no",
    "more-executors": "no (`with_throttle` bounds how many run)",
    "anyio": "no (a `CapacityLimiter` bounds how many run)",
    "LangChain": "requests (`InMemoryRateLimiter`, of a chat model)",
    "DSPy": "no",
    "Dask": "no (`resources` bound how many run)",
}
ROWS = 26  # pixels of each bar, with what is around it


def table(figures: list[Figure]) -> str:
    """A row for each peer, in Markdown."""
    columns = _columns(figures)
    lines = [
        f"| | {' | '.join(COLUMNS[name] for name in columns)} | rate limits |",
        "|---|" + "---|" * (len(columns) + 1),
    ]
    for peer in _peers(figures):
        cells = [number(found.medians[peer]) if peer in found.medians else "-" for found in columns.values()]
        lines.append(f"| {peer} | {' | '.join(cells)} | {RATES[peer]} |")
    return "\n".join(lines) + "\n"


def picture(figures: list[Figure]) -> str:
    """Bars as SVG: for each measure one for each peer, the longest of them as long as there is room."""
    peers, columns = _peers(figures), _columns(figures)
    parts, top, width = [], 10, 760
    for name, found in columns.items():
        most = max(found.medians.values())
        parts.append(f'<text x="10" y="{top + 16}" font-weight="bold">{COLUMNS[name]}</text>')
        top += 26
        for peer in peers:
            value = found.medians.get(peer)
            length = 0 if value is None or not most else max(1.0, 480 * value / most)
            colour = "#2a6f97" if peer == OURS else "#b0b7c3" if peer == STANDARD else "#e0a458"
            text = "-" if value is None else number(value)
            parts.append(
                f'<text x="150" y="{top + 13}" text-anchor="end">{peer}</text>'
                f'<rect x="158" y="{top + 2}" width="{length:.0f}" height="14" fill="{colour}"/>'
                f'<text x="{166 + length:.0f}" y="{top + 13}">{text}</text>'
            )
            top += ROWS - 8
        top += 14
    size, font = f'width="{width}" height="{top}"', 'font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>'
    return "\n".join([head, f'<rect {size} fill="white"/>', *parts, "</svg>"]) + "\n"


def _columns(figures: list[Figure]) -> dict[str, Figure]:
    return {name: figure for name in COLUMNS for figure in figures if figure.name.startswith(name)}


def _peers(figures: list[Figure]) -> list[str]:
    return [name for name in MODULES if any(name in figure.medians for figure in figures)]
