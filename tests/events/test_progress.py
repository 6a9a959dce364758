"""Progress counts calls that are done, and costs no call anything."""

import asyncio
import io
import re
import sys

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Fan, Progress
from threadfan._core.events import displays
from threadfan._core.events.progress import Meter


class Kept(list):
    """A display that keeps what it is told."""

    closed = 0

    def show(self, progress):
        """Keep it."""
        self.append(progress)

    def close(self):
        """Count it."""
        self.closed += 1


def fail_at_two(number):
    """Fails on 2."""
    if number == 2:
        raise ValueError(number)


def run(fan, **options):
    """All ways to run a batch that can be watched, by name."""

    def same(item):
        return item

    pipeline = fan.pipeline(fail_at_two, same)

    async def astream():
        return [outcome async for outcome in fan.astream(fail_at_two, range(5), **options)]

    return {
        "run": lambda: fan.run(fail_at_two, range(5), **options),
        "run, fed": lambda: fan.run(fail_at_two, iter(range(5)), **options),
        "stream": lambda: list(fan.stream(fail_at_two, range(5), **options)),
        "arun": lambda: asyncio.run(fan.arun(fail_at_two, range(5), **options)),
        "astream": lambda: asyncio.run(astream()),
        "start": lambda: fan.start(fail_at_two, range(5), **options).result(),
        "pipeline.run": lambda: pipeline.run(range(5), **options),
        "pipeline.run, fed": lambda: pipeline.run(iter(range(5)), **options),
        "pipeline.stream": lambda: list(pipeline.stream(range(5), **options)),
        "pipeline.arun": lambda: asyncio.run(pipeline.arun(range(5), **options)),
        "pipeline.astream": lambda: asyncio.run(outcomes_of(pipeline.astream(iter(range(5)), **options))),
    }


async def outcomes_of(stream):
    """All of them."""
    return [outcome async for outcome in stream]


PIPELINES = ("pipeline.run", "pipeline.run, fed", "pipeline.stream", "pipeline.arun", "pipeline.astream")
WAYS = ("run", "run, fed", "start", "stream", "arun", "astream", *PIPELINES)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("policies", [{}, {"retry": 2}])
def test_the_last_word_has_all_calls(way, policies):
    """However the batch is run, the function is told of its end before the caller goes on."""
    told = []
    with Fan(2, **policies) as fan:
        assert len(run(fan, progress=told.append)[way]()) == 5
    last = told[-1]
    name = "pipeline(fail_at_two, same)" if way in PIPELINES else "fail_at_two"
    assert (last.name, last.done, last.failed, last.running, last.waiting, last.total) == (name, 5, 1, 0, 0, 5)
    assert isinstance(last, Progress)


def test_what_is_under_way():
    """Calls that run and wait are counted while they do, not inputs that were taken."""
    told, begun = [], Gate()
    with Fan(2) as fan, begun:
        running = aside(fan.run, begun, range(5), progress=told.append)
        until(lambda: told and told[-1].running == 2)
        assert (told[-1].done, told[-1].waiting, told[-1].total) == (0, 3, 5)
        begun.open()
        assert running.result(PATIENCE).ok


def test_a_stream_counts_what_was_handed_out():
    """What its consumer has taken is done as well; the total is known once the inputs have ended."""
    told = []
    with Fan(1) as fan:
        for outcome in fan.stream(fail_at_two, iter(range(5)), progress=told.append):
            if outcome.index == 4:
                until(lambda: told and told[-1].done == 5)
    assert told[-1].total == 5


@pytest.mark.parametrize("way", WAYS)
def test_a_function_that_fails_costs_no_outcome(way, caplog):
    """It is said once, and the function is not called again."""
    told = []

    def broken(progress):
        told.append(progress)
        raise KeyError("broken")

    with Fan(2) as fan:
        assert len(run(fan, progress=broken)[way]()) == 5
    assert (len(told), caplog.text.count("progress cannot be shown")) == (1, 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_wish_that_is_none(way):
    """Anything but a truth value or a function is refused before anything is called."""
    with (
        Fan(1) as fan,
        pytest.raises(TypeError, match="progress must be True, False, or a function that takes a Progr"),
    ):
        run(fan, progress="yes")[way]()


def test_an_interrupted_batch_stops_its_display():
    """And says how far it came."""
    told = []
    with Fan(1) as fan:
        stream = fan.stream(fail_at_two, range(5), progress=told.append)
        next(stream)
        stream.close()
    until(lambda: told and (told[-1].done, told[-1].running) == (told[-1].total, 0))


def test_rate_and_rest(clock):
    """The rate is that of the last ten seconds, and the rest is told by it."""
    counts = iter([(0, 0, 1, 100), (10, 1, 1, 100), (30, 1, 1, 100), (30, 1, 1, None)])
    display = Kept()
    meter = Meter("fetch", lambda: (0, 0, 0, 0), display, clock)
    meter.close()
    meter._count = lambda: next(counts)
    first = meter.progress()
    assert (first.rate, first.remaining) == (0.0, None)
    clock.advance(5)
    second = meter.progress()
    assert (second.rate, second.remaining, second.waiting) == (2.0, 45.0, 89)
    clock.advance(10)
    third = meter.progress()
    assert (third.rate, third.remaining) == (2.0, 35.0)
    clock.advance(10)
    fourth = meter.progress()
    assert (fourth.rate, fourth.remaining, fourth.waiting, fourth.seconds) == (0.0, None, None, 25.0)
    assert display.closed == 1


@pytest.mark.parametrize("way", ["run", "stream"])
def test_what_was_cancelled_is_not_done(way):
    """A batch that was ended early is not at 100 %, and what was cancelled has not failed."""
    told = []

    def failing(item):
        raise ValueError(item)

    with Fan(1) as fan:
        list(getattr(fan, way)(failing, range(9), progress=told.append, max_errors=1))
    last = told[-1]
    assert (last.total, last.done, last.failed, last.cancelled) == (9, 9, 9, 8)
    assert displays.said(last).partition(", ")[0].endswith(": 1 of 9 (11 %)")
    assert "1 failed, 8 cancelled" in displays.said(last)


PLACES = [
    (Progress("fetch", 0, 0, 0, None, 0.0, 0.0), "fetch: 0"),
    (Progress("fetch", 3, 1, 2, 12, 4.0, 0.5), "fetch: 3 of 12 (25 %), 1 failed, 2 running, 0.5/s, 0:18 left"),
    (Progress("fetch", 1, 0, 1, 100_000, 1.0, 1.0), "fetch: 1 of 100000 (0 %), 1 running, 1/s, 27:46:39 left"),
    (Progress("fetch", 0, 0, 0, 0, 0.0, 0.0), "fetch: 0 of 0"),
]


@pytest.mark.parametrize(("progress", "line"), PLACES)
def test_in_words(progress, line):
    """What is not known or nothing is left out."""
    assert displays.said(progress) == line


def test_lines_where_there_is_no_terminal():
    """One every ten seconds, and one at the end."""
    stream = io.StringIO()
    lines = displays.Lines(stream)
    for second in range(25):
        lines.show(Progress("fetch", second, 0, 1, 25, float(second), 1.0))
    lines.close()
    found = [re.findall(r"fetch: (\d+) of 25 .*, after (\d:\d\d)", line)[0] for line in stream.getvalue().splitlines()]
    assert found == [("10", "0:10"), ("20", "0:20"), ("24", "0:24")]


class Terminal(io.StringIO):
    """One of 60 columns, which keeps what is written."""

    def isatty(self):
        """As a terminal."""
        return True


@pytest.mark.parametrize("library", ["rich", "tqdm"])
def test_bars(library, monkeypatch):
    """Each library's bar tells of the calls, keeps within the terminal, and is taken where it is installed."""
    pytest.importorskip(library)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    if library == "tqdm":
        monkeypatch.setitem(sys.modules, "rich.progress", None)
    display = displays.chosen_display()
    assert type(display) is {"rich": displays.RichBar, "tqdm": displays.TqdmBar}[library]
    display.show(Progress("a_function_with_a_long_name", 1, 0, 2, 4, 1.0, 1.0))
    display.show(Progress("a_function_with_a_long_name", 4, 1, 0, 4, 4.0, 1.0))
    display.close()
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    last = [line for line in re.split(r"[\r\n]", written) if line.strip()][-1]
    assert "1 failed" in last
    assert "100" in last
    if library == "rich":  # tqdm asks the terminal itself, which is none here
        assert len(last.rstrip()) <= 60


def test_a_narrow_terminal(monkeypatch):
    """What counts is there, whole; the name is shortened, and what can be done without is left out."""
    pytest.importorskip("rich")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    display = displays.chosen_display()
    display.show(Progress("a_function_with_a_long_name", 104, 10, 32, 1200, 1.0, 51.6))
    display.close()
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert re.search(r"a_func\w*… ━* ?104 of 1200 \(8 %\), 10 failed, 51.6/s, 0:21 left$", written, re.MULTILINE)


def test_no_terminal_has_lines(monkeypatch):
    """Also where stderr is nothing, as under pythonw."""
    monkeypatch.setattr("sys.stderr", None)
    display = displays.chosen_display()
    display.show(Progress("fetch", 1, 0, 0, 1, 1.0, 1.0))
    display.close()
    assert isinstance(display, displays.Lines)


def test_a_bar_around_the_inputs_is_warned_of():
    """It is full as soon as they are read."""
    tqdm = pytest.importorskip("tqdm")
    bar = tqdm.tqdm(range(3), file=io.StringIO())
    with Fan(1) as fan, pytest.warns(RuntimeWarning, match=r"right is: fan.run\(fn, inputs, progress=True\)") as caught:
        assert fan.run(fail_at_two, bar)[0].ok
    assert caught[0].filename == __file__
