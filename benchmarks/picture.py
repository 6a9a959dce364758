"""The figures as a picture that a browser shows."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.harness import OURS, STANDARD

if TYPE_CHECKING:
    from benchmarks.harness import Figure
    from benchmarks.report import Report


def draw(report: Report, path: str) -> None:
    """Writes one page: ratios to the standard library, then speed-ups of real work.

    Raises:
        ImportError: plotly is not installed.
    """
    costs = [figure for _, figure in report.figures if figure.ratios]
    speeds = [figure for group, figure in report.figures if group == "work"]
    titles = ("cost, standard library = 1 (less is better)", "speed-up of blocking work (more is better)")
    page = import_module("plotly.subplots").make_subplots(
        rows=2, subplot_titles=titles, row_heights=[0.7, 0.3], vertical_spacing=0.1
    )
    for row, figures in ((1, costs), (2, speeds)):
        for trace in _bars(figures, first=row == 1):
            page.add_trace(trace, row=row, col=1)
    page.update_xaxes(type="log", row=1, col=1)
    page.update_yaxes(autorange="reversed", automargin=True)
    page.update_layout(title="<br>".join(report.head()[:2]), height=1100, margin={"t": 120}, barmode="group")
    page.write_html(path)


def _bars(figures: list[Figure], *, first: bool) -> list[Any]:
    go: Any = import_module("plotly.graph_objects")
    names = [figure.name for figure in figures]
    best = [figure.best_peer or "" for figure in figures]
    values = {
        STANDARD: [figure.scores[STANDARD] for figure in figures],
        "best peer": [figure.scores.get(peer) for figure, peer in zip(figures, best, strict=True)],
        OURS: [figure.scores[OURS] for figure in figures],
    }
    colours = {STANDARD: "#b0b7c3", "best peer": "#e0a458", OURS: "#2a6f97"}
    bars = [
        go.Bar(
            x=scores,
            y=names,
            name=name,
            orientation="h",
            marker_color=colours[name],
            text=best if name == "best peer" else None,
            legendgroup=name,
            showlegend=first,
        )
        for name, scores in values.items()
    ]
    goals = [figure.goal.bound if figure.goal else None for figure in figures]
    if any(goals):
        marker = {"symbol": "line-ns-open", "size": 18, "color": "black"}
        bars.append(go.Scatter(x=goals, y=names, name="goal", mode="markers", marker=marker))
    return bars
