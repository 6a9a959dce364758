"""The page of a report, in a real browser."""

import shutil

import pytest

from support.controlled import run_program
from support.reports import raw, report
from threadfan import Fan, Report
from threadfan._core.base.outcome import FAILED, SUCCEEDED

pytest.importorskip("plotly")
HOSTILE = (
    """<script>document.title = "broken"</script></script><img src=x onerror="document.title='broken'">'"&amp;\u2028"""
)


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed")
    software = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=software)
        yield browser
        browser.close()


@pytest.fixture
def shown(chromium, tmp_path):
    """Opens the page of a report; at the end, there must have been no error on the console, and nothing fetched."""
    troubles, pages = [], []

    def show(made, **arguments):
        path = tmp_path / "run.html"
        made.to_html(path, **arguments)
        page = chromium.new_page(viewport={"width": 1280, "height": 1000})
        pages.append(page)
        page.on("console", lambda message: message.type == "error" and troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: request.url.startswith("file:") or troubles.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-drawn=yes]")
        return page

    yield show
    for page in pages:
        page.close()
    assert troubles == []


def rows(page):
    """What stands in the table of calls: what each is called, and its status."""
    return [tuple(row.inner_text().split("\t")[:2]) for row in page.query_selector_all("#calls tbody tr")]


def test_a_page_tells_of_every_call(shown):
    """Slowest first, with why some have no value."""
    page = shown(report(), title="A run")
    assert page.title() == "A run"
    assert rows(page) == [
        ("3", "timed out"), ("1", "failed"), ("0", "succeeded"), ("2", "succeeded"), ("last", "cancelled"),
    ]  # fmt: skip
    assert "bad input 1" in page.inner_text("#causes")
    assert page.inner_text("#tiles div:first-child dd") == "5"
    assert len(page.query_selector_all("#timeline canvas")) > 0


def test_hovering_shows_the_call(shown):
    """What is under the pointer is told."""
    page = shown(report(), label=lambda outcome: outcome.item)
    place = page.evaluate("""() => {
        const plot = document.getElementById("timeline"), { xaxis, yaxis } = plot._fullLayout;
        const box = plot.getBoundingClientRect();
        return [box.x + xaxis._offset + xaxis.l2p(3.5), box.y + yaxis._offset + yaxis.l2p(1)];
    }""")
    page.mouse.move(place[0] - 40, place[1])
    page.mouse.move(*place, steps=4)
    page.wait_for_selector("#timeline .hoverlayer .hovertext")
    said = page.text_content("#timeline .hoverlayer")
    assert "item 3" in said
    assert "timed out" in said


def test_filtering(shown):
    """By words, and by status; both show how many are left."""
    page = shown(report(), label=lambda outcome: outcome.item)
    page.fill("#words", "BAD input")
    page.wait_for_function("document.querySelectorAll('#calls tbody tr').length === 1")
    assert rows(page) == [("item 1", "failed")]
    assert page.inner_text("#shown") == "1 of 5 calls"
    page.fill("#words", "")
    page.wait_for_function("document.querySelectorAll('#calls tbody tr').length === 5")
    page.uncheck("input[value=succeeded]")
    assert [status for _, status in rows(page)] == ["timed out", "failed", "cancelled"]
    # its traces stand in the order of the statuses
    points = page.evaluate("document.getElementById('timeline').data[0].x.length")
    assert points == 0


def test_hostile_texts_are_shown_as_text(shown):
    """In names, errors and the title: no script of theirs runs, and nothing is lost."""
    made = Report(
        [raw(0, FAILED, ValueError(HOSTILE), 0, 1), raw(1, SUCCEEDED, HOSTILE, 0, 1)], wall=1.0, names={1: HOSTILE}
    )
    page = shown(made, title=HOSTILE)
    assert page.title() == HOSTILE
    assert page.text_content("h1") == HOSTILE
    shown_as = " ".join(HOSTILE.split())
    cells = [cell.text_content() for cell in page.query_selector_all("#calls td")]
    assert shown_as in cells
    assert f"ValueError: {shown_as}" in cells
    assert page.query_selector_all("#calls img, #causes img, h1 img") == []


@pytest.mark.parametrize("kind", ["empty", "all failed", "at once"])
def test_odd_runs(shown, kind):
    """Nothing to show, nothing that worked, and calls that took no time."""
    with Fan(2) as fan:
        made = {
            "empty": lambda: fan.run(abs, []),
            "all failed": lambda: fan.run(abs, ["a", "b"]),
            "at once": lambda: Report([raw(0, SUCCEEDED, 1, 0, 0)]),
        }[kind]()
    page = shown(made)
    assert len(rows(page)) == len(made)


def test_the_page_holds_neither_items_nor_values(tmp_path):
    """They may be secret."""
    path = tmp_path / "run.html"
    with Fan(1) as fan:
        fan.run(lambda item: f"answer to {item}", ["a private prompt"]).to_html(path)
    data = path.read_text(encoding="utf-8").partition('id="data">')[2].partition("</script>")[0]
    assert "private" not in data


PROGRAM = """
import sys
sys.modules["plotly"] = None
from threadfan import Fan
with Fan(1) as fan:
    try:
        fan.run(abs, [1]).to_html("never.html")
    except ImportError as error:
        print(error)
"""


def test_without_plotly():
    """The error says what to install, and what needs nothing."""
    assert 'pip install "threadfan[draw]".  report.to_trace() needs nothing' in run_program(PROGRAM)[0]
