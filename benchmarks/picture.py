"""The figures as a picture that a browser shows."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.harness import OURS, STANDARD

if TYPE_CHECKING:
    from benchmarks.harness import Figure, Permits
    from benchmarks.report import Report


def draw(report: Report, path: str) -> None:
    """Writes one page: ratios to the standard library, speed-ups of real work, and permits over time.

    Raises:
        ImportError: plotly is not installed.
    """
    costs = [figure for _, figure in report.figures if STANDARD in figure.ratios]
    speeds = [figure for group, figure in report.figures if group == "work"]
    permits = [figure for _, figure in report.figures if figure.permits]
    titles = ["cost, standard library = 1 (less is better)", "speed-up of blocking work (more is better)"]
    heights = [700, 300, *(90 + 30 * len(figure.permits) for figure in permits)]
    page = import_module("plotly.subplots").make_subplots(
        rows=len(heights),
        subplot_titles=[*titles, *(figure.name.partition(":")[0] + ": requests over time" for figure in permits)],
        row_heights=heights,
        vertical_spacing=100 / sum(heights),
    )
    traces = [_bars(costs, first=True), _bars(speeds, first=False)]
    traces += [_marks(figure.permits, first=figure is permits[0]) for figure in permits]
    for row, found in enumerate(traces, 1):
        for trace in found:
            page.add_trace(trace, row=row, col=1)
    page.update_xaxes(type="log", row=1, col=1)
    page.update_yaxes(autorange="reversed", automargin=True)
    height = 100 + sum(heights)
    page.update_layout(title="<br>".join(report.head()[:2]), height=height, margin={"t": 120}, barmode="group")
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


def _marks(permits: dict[str, Permits], *, first: bool) -> list[Any]:
    """A row for each contender, and in it a mark for each request at its moment."""
    go: Any = import_module("plotly.graph_objects")
    marks = []
    for verdict, colour in ((True, "#2a6f97"), (False, "#c1121f")):
        places = [(moment, name) for name, found in permits.items() for moment, passed in found if passed is verdict]
        name = "accepted" if verdict else "refused (429)"
        marks.append(
            go.Scatter(
                x=[round(moment, 3) for moment, _ in places],
                y=[contender for _, contender in places],
                name=name,
                mode="markers",
                marker={"symbol": "line-ns-open", "size": 12, "color": colour},
                legendgroup=name,
                showlegend=first,
            )
        )
    return marks
