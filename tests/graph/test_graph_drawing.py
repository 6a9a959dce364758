"""How graphs look."""

import operator
import sys

import pytest

from support.controlled import run_program
from threadfan import Fan


@pytest.fixture
def graph():
    """Every kind of task and of dependency."""
    with Fan(1) as fan:
        graph = fan.graph(name="the <report>")
        graph.add(lambda topic, tone="calm": [topic], name="plan")
        graph.add(lambda section: [section], name="write", each="plan", reduce=operator.add)
        graph.add(lambda write: write, name='say "hi" <&> (x', when=lambda plan: plan)
        graph.add(lambda plan: plan, name="last", depends_on=["write"], outcomes=[])
        graph.add(lambda last: last, name="note", outcomes=["last"])
        yield graph


def test_mermaid_tells_everything(graph):
    """Inputs, tasks with their marks, and what goes from one to the other; names may hold anything."""
    assert graph.mermaid() == (
        "flowchart TD\n"
        '    i0(["topic"])\n'
        '    i1(["tone"])\n'
        '    t0["plan"]\n'
        '    t1[["write<br/>reduce add"]]\n'
        '    t2{{"say #34;hi#34; #60;#38;#62; #40;x<br/>when …"}}\n'
        '    t3["last"]\n'
        '    t4["note"]\n'
        "    i0 --> t0\n"
        "    i1 --> t0\n"
        "    t0 ==>|each| t1\n"
        "    t1 --> t2\n"
        "    t0 -.->|when| t2\n"
        "    t0 --> t3\n"
        "    t1 -.-> t3\n"
        "    t3 -.->|outcome| t4\n"
    )


def test_the_page_shows_every_task(graph, tmp_path):
    """With its layers: nothing stands above what it depends on; names are escaped."""
    pytest.importorskip("plotly")
    page = tmp_path / "graph.html"
    graph.draw(str(page))
    text = page.read_text(encoding="utf-8")
    for name in ("plan", "write", "last", "note", "topic", "one call for each element", "under a condition"):
        assert name in text
    assert "the <report>" not in text
    assert '"hi" <&>' not in text


def test_without_plotly_a_page_says_how_to_get_it(graph, tmp_path, monkeypatch):
    """And what can be had without it; the cause is kept."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "plotly"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "plotly", None)
    page = tmp_path / "graph.html"
    with pytest.raises(ImportError, match=r"graph\.draw needs plotly.*threadfan\[draw\].*graph\.mermaid") as caught:
        graph.draw(str(page))
    assert (caught.value.name, type(caught.value.__cause__)) == ("plotly", ModuleNotFoundError)
    assert not page.exists()


def test_layers_are_as_deep_as_the_longest_way(graph):
    """Inputs above all."""
    from threadfan._core.graph.picture import spots_of

    spots = spots_of(graph._checked())
    assert {one: -y for one, (_, y) in spots.items()} == {"topic": 0, "tone": 0, 0: 1, 1: 2, 2: 3, 3: 3, 4: 4}
    assert len(set(spots.values())) == len(spots)


def test_an_empty_graph_can_be_drawn_and_run():
    """There is nothing to see and nothing to do."""
    with Fan(1) as fan:
        assert fan.graph().mermaid() == "flowchart TD\n"
        assert list(fan.graph().run()) == []


def test_nothing_of_it_is_imported_before_it_is_used():
    """`import threadfan` stays as cheap as it was."""
    script = "import sys, threadfan; print([name for name in sys.modules if 'graph' in name])"
    assert run_program(script)[0].strip() == "[]"
