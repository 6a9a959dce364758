"""A graph as a page for a browser, drawn by plotly."""

from __future__ import annotations

from html import escape

from ..base.packages import plotly
from .drawing import edges, kind_of, labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from .plan import GraphPlan

    Spots = dict[int | str, tuple[float, float]]

COLOURS = {"input": "#b0b7c3", "plain": "#2a6f97", "each": "#e0a458", "when": "#7b5ea7"}
NAMES = {"input": "input", "plain": "task", "each": "one call for each element", "when": "under a condition"}
DASHES = {"value": "solid", "each": "solid", "outcome": "dot", "when": "dash", "order": "dash"}


def draw(plan: GraphPlan, title: str, path: str) -> None:
    """Write the page: what depends on nothing stands above, and everything below what it depends on.

    Raises:
        ImportError: plotly is not installed.
    """
    go = plotly("graph_objects", "graph.draw", "graph.mermaid()")
    spots = spots_of(plan)
    figure = go.Figure([*_lines(go, plan, spots), *_marks(go, plan, spots)])
    for source, target, _ in edges(plan):
        (x, y), (to_x, to_y) = spots[source], spots[target]
        arrow = {"showarrow": True, "arrowhead": 2, "standoff": 14, "text": "", "arrowcolor": "#888"}
        middle = {"ax": (x + 2 * to_x) / 3, "ay": (y + 2 * to_y) / 3, "axref": "x", "ayref": "y"}
        figure.add_annotation(x=to_x, y=to_y, **middle, **arrow)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    layers = 1 - min((y for _, y in spots.values()), default=0)
    figure.update_layout(title=escape(title), height=160 + 110 * layers, plot_bgcolor="white")
    figure.write_html(path)


def spots_of(plan: GraphPlan) -> Spots:
    """A layer for each step that has to wait for another, inputs above all."""
    layer: dict[int | str, int] = dict.fromkeys([*plan.required, *sorted(plan.optional)], 0)
    for task in plan.order:
        layer[task.place] = 1 + max((layer[one] for one in task.sources()), default=0)
    rows: dict[int, list[int | str]] = {}
    for one, number in layer.items():
        rows.setdefault(number, []).append(one)
    return {
        one: (place - (len(row) - 1) / 2, -float(number))
        for number, row in rows.items()
        for place, one in enumerate(row)
    }


def _lines(go: ModuleType, plan: GraphPlan, spots: Spots) -> list[object]:
    found = []
    for dash in dict.fromkeys(DASHES.values()):
        xs: list[float | None] = []
        ys: list[float | None] = []
        for source, target, kind in edges(plan):
            if DASHES[kind] == dash:
                (x, y), (to_x, to_y) = spots[source], spots[target]
                xs += [x, to_x, None]
                ys += [y, to_y, None]
        line = {"color": "#888", "dash": dash}
        found.append(go.Scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", showlegend=False))
    return found


def _marks(go: ModuleType, plan: GraphPlan, spots: Spots) -> list[object]:
    texts: dict[str, dict[int | str, str]] = {kind: {} for kind in COLOURS}
    for one in spots:
        kind = "input" if isinstance(one, str) else kind_of(plan.tasks[one])
        lines = [one] if isinstance(one, str) else labels(plan.tasks[one])
        texts[kind][one] = "<br>".join(map(escape, lines))
    return [
        go.Scatter(
            x=[spots[one][0] for one in found],
            y=[spots[one][1] for one in found],
            text=list(found.values()),
            name=NAMES[kind],
            mode="markers+text",
            textposition="middle right",
            marker={"size": 18, "color": COLOURS[kind]},
            hoverinfo="text",
        )
        for kind, found in texts.items()
        if found
    ]
