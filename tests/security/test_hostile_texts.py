"""Texts of errors and names come from afar: on a terminal, in a log, on a page, in a drawing and in a trace."""

import json
import logging
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from threadfan import Fan

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\r\nforged line"
HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{data}}{{script}} \u2028\u2029 --> "
    "<a href='javascript:alert(1)'>x</a> ]]> %s {0}"
)


def failing(text):
    """A function that fails with a text."""

    def fail(item):
        raise ValueError(text)

    return fail


def test_a_report_steers_no_terminal():
    """Printed, or told by its causes, its outcomes and their errors."""
    with Fan(1) as fan:
        report = fan.run(failing(ESCAPES), [1, 2])
    for text in (str(report), repr(report[0]), repr(report), *report.by_error()):
        assert all(line.isprintable() for line in text.splitlines())
    assert r"\x1b]0;owned\x07" in str(report)
    assert str(report[0].error) == ESCAPES  # the error itself is as it was


def test_an_error_of_the_librarys_steers_no_terminal():
    """What it quotes of values and of errors is on one line."""

    class Evil:
        def __repr__(self):
            return ESCAPES

    with pytest.raises(TypeError) as caught:
        Fan(1, retry=Evil())
    assert str(caught.value).isprintable()
    with Fan(1) as fan, pytest.raises(TypeError) as caught:
        fan.run(Evil(), [1])
    assert str(caught.value).isprintable()


def test_a_line_of_the_log_is_one(caplog):
    """A name with the end of a line in it cannot forge another."""
    caplog.set_level(logging.DEBUG, "threadfan")
    with Fan(1, name="x\nERROR:root:forged\x1b[2J") as fan:
        fan.run(failing("x"), [1])
    lines = [record.getMessage() for record in caplog.records]
    assert lines
    assert all(line.isprintable() for line in lines)


class Tags(HTMLParser):
    """The tags of a page, with the handlers and addresses among their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """One more."""
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes if name.startswith("on") or name in ("href", "src")]


def test_a_page_holds_texts_as_data(tmp_path, clock):
    """Names, errors, stages and the title make no tag, whatever is in them; the data ends where it should."""
    pytest.importorskip("plotly")
    with Fan(1) as fan:
        report = fan.run(failing(HOSTILE), [1, 2])
        plain = fan.run(failing("x"), [1, 2])
    report.to_html(tmp_path / "hostile.html", title=HOSTILE, label=lambda outcome: HOSTILE)
    plain.to_html(tmp_path / "plain.html", title="t", label=lambda outcome: "l")
    pages = [(tmp_path / f"{name}.html").read_text(encoding="utf-8") for name in ("hostile", "plain")]
    found, usual = map(Tags, pages)
    assert (found.tags, found.attributes) == (usual.tags, usual.attributes)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', pages[0], re.DOTALL)[1]
    assert set(json.loads(data)["calls"]["label"]) == {" ".join(HOSTILE.split())}
    assert not set("<\u2028\u2029").intersection(data)


def test_a_notebook_shows_texts_as_text(clock):
    """The lines that a report shows there, too; no time passes, of which one of them could say more."""
    with Fan(1) as fan:
        found, usual = (Tags(fan.run(failing(text), [1, 2])._repr_html_()) for text in (HOSTILE, "x"))
    assert (found.tags, found.attributes) == (usual.tags, usual.attributes)


def graph(fan, name):
    """A graph with a task of that name."""
    made = fan.graph(name=name)
    made.add(lambda topic: topic, name=name)
    made.add(lambda topic: topic, name="next", depends_on=[name])
    return made


def test_drawings_hold_texts_as_text(tmp_path):
    """A name in a flowchart closes nothing, and in a drawing it makes no tag."""
    pytest.importorskip("plotly")
    with Fan(1) as fan:
        evil = f"x\"];click t0 href 'javascript:alert(1)'\nend {HOSTILE}"
        hostile, usual = (graph(fan, name) for name in (evil, "x"))
        chart, plain = hostile.mermaid(), usual.mermaid()
        hostile.draw(tmp_path / "hostile.html")
        usual.draw(tmp_path / "plain.html")
    assert len(chart.splitlines()) == len(plain.splitlines())
    assert "<script" not in chart
    assert chart.count('"') == plain.count('"')
    found, wanted = (Tags((tmp_path / f"{name}.html").read_text(encoding="utf-8")) for name in ("hostile", "plain"))
    assert (found.tags, found.attributes) == (wanted.tags, wanted.attributes)


def test_a_trace_holds_texts_as_data(tmp_path):
    """It is JSON, and names are what they were."""
    with Fan(1) as fan:
        report = fan.run(failing(HOSTILE), [1])
    report.to_trace(tmp_path / "trace.json", title=HOSTILE, label=lambda outcome: HOSTILE + ESCAPES)
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    assert {event["name"] for event in events if event["ph"] == "X"} == {HOSTILE + ESCAPES}


def test_a_long_text_is_compared_in_its_length():
    """Errors are grouped by what varies in their texts; one of 200,000 letters from a server stalls nothing."""
    texts = ["a" * 200_000, "ä_" * 100_000, "'" * 200_001, '"' + "a1" * 100_000, "https://" * 25_000]

    def fail(item):
        raise ValueError(texts[item])

    with Fan(1) as fan:
        report = fan.run(fail, range(len(texts)))
    assert len(report.by_error()) == len(texts)
    assert len(str(report)) < 2000


def test_what_varies_is_found_as_before():
    """Numbers, names in quotes, addresses, and words with a digit anywhere."""
    texts = ["row 1: 'a' at http://x/1 item-7 v2b abc1d", "row 22: 'b c' at https://y item-8 v3 x9"]

    def fail(item):
        raise ValueError(texts[item])

    with Fan(1) as fan:
        assert len(fan.run(fail, [0, 1]).by_error()) == 1


def test_lines_of_progress_steer_no_terminal():
    """What a function is called stands in them."""
    program = """
import sys
from threadfan import Fan
def call(item): return item
call.__qualname__ = "x\\x1b[2J\\ny"
with Fan(1) as fan:
    fan.run(call, [1], progress=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True)
    assert b"\x1b" not in done.stderr
    assert b"1 of 1" in done.stderr
