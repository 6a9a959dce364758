"""`threadfan demo` when all goes well."""

import json
import re
from io import StringIO
from statistics import median

import pytest

cells = pytest.importorskip("rich.cells")
Console = pytest.importorskip("rich.console").Console

from threadfan.cli.figures import Answer, Call, Part, Result  # noqa: E402 -- what is below needs rich
from threadfan.cli.show import Screen  # noqa: E402

NAMES = ["Airbus", "Infosys", "Maersk", "Nestlé", "Novo Nordisk", "Petrobras", "Safaricom", "Samsung", "Shopify"]
NAMES += ["Siemens", "Toyota", "Unilever"]


def _json(process):
    assert process.stderr == ""
    return json.loads(process.stdout)


def test_terminal(command, server, tmp_path):
    """On its own server it prints a line per call and then the answers in input order, all within 60 columns."""
    pytest.importorskip("plotly")
    page = tmp_path / "page.html"
    process = command("demo", "--latency", "0.02", "--page", page, COLUMNS="60")
    assert (process.returncode, process.stderr) == (0, "")
    lines = process.stdout.splitlines()
    assert lines[0] == "asking the loopback server (0.02 s an answer)"
    done = [found[1] for line in lines if (found := re.match(r" +(\d+)/24 .* s +\d+ in +\d+ out$", line))]
    assert done == [str(number) for _ in range(2) for number in range(1, 25)]
    rows = [
        found.groups()
        for line in lines
        if (found := re.match(r" *(\d+)  +(\S.*?)  +(?:It|Its|Brands|The|M-Pesa|Merchants) ", line))
    ]
    assert rows == [(str(place), name) for place, name in enumerate(NAMES, 1)]
    for figure in (
        "seconds",
        "speed-up",
        "ideal: 2 rounds",
        "reached of the ideal",
        "p50 of a call",
        "p90 of a call",
        "p99 of a call",
        "tokens in / out",
    ):
        assert sum(line.strip().startswith(figure) for line in lines) == 1
    assert lines.pop() == f"see it as a page: {page}"
    assert all(name in page.read_text(encoding="utf-8") for name in ("Airbus", "Unilever"))
    assert max(map(cells.cell_len, lines)) <= 60


@pytest.mark.parametrize("columns", [60, 120])
def test_bars(columns):
    """On a terminal there is a bar for each part in the place of lines, and nothing wraps."""
    console = Console(file=StringIO(), force_terminal=True, width=columns, highlight=False, legacy_windows=False)
    calls = [
        Call(index, name, stage, 0.5, 50, 70) for index, name in enumerate(NAMES) for stage in ("research", "analyse")
    ]
    answers = [Answer(index, name, "It is strong. " * 20, None) for index, name in enumerate(NAMES)]
    with Screen(console) as screen:
        for title in ("one after another", "through the fan, 12 workers"):
            screen.begin(title, len(calls))
            for call in calls:
                screen.finished(call)
        screen.result(Result(Part(12.345, answers, calls), Part(1.234, answers, calls), 12))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    lines = text.replace("\r", "\n").splitlines()
    assert max(map(cells.cell_len, lines)) <= columns
    for title in ("one after another", "through the fan, 12 workers"):
        assert any(re.fullmatch(rf"{title} +━+ 24/24 \d:\d\d:\d\d *", line) for line in lines)


def test_a_company_that_nobody_knows(command, server):
    """The server on this machine makes nothing up of other companies."""
    process = command("demo", "--json", "--no-sequential", "--latency", "0", "--companies", "Acme,Toyota")
    acme, toyota = (answer["text"] for answer in _json(process)["fan"]["answers"])
    assert acme.startswith("What to think of Acme a model would say here")
    assert toyota.startswith("Its production is a model for others")


def test_json(demo):
    """The JSON holds both parts' calls and answers, in input order, and figures that follow from them."""
    result = _json(demo("--json"))
    assert result["ok"]
    for part in (result["sequential"], result["fan"]):
        assert [answer["company"] for answer in part["answers"]] == NAMES
        assert all(answer["text"].startswith("About ") and answer["error"] is None for answer in part["answers"])
        for index in range(12):
            stages = [call["stage"] for call in part["calls"] if call["index"] == index]
            assert stages == ["research", "analyse"]
        assert part["input_tokens"] == sum(call["input_tokens"] for call in part["calls"])
        assert part["p99"] == max(call["seconds"] for call in part["calls"])
    assert result["fan"]["answers"] == result["sequential"]["answers"]
    seconds = result["fan"]["seconds"]
    assert result["ideal_seconds"] == 2 * median(call["seconds"] for call in result["sequential"]["calls"])
    assert result["reached"] == result["ideal_seconds"] / seconds
    assert result["speed_up"] == result["sequential"]["seconds"] / seconds


def test_calls(demo, server):
    """Both parts make 24 calls, after one to greet and one for each connection; never more than `--workers` at once."""
    _json(demo("--json", "--workers", 3))
    seen = server.stats()
    assert seen.requests == 1 + 24 + 3 + 24
    assert seen.max_open <= 3


def test_together(command, server):
    """The fan's calls run at the same time: none of three is answered, and all three are asked."""
    names = "[fault:hang]1,[fault:hang]2,[fault:hang]3"
    with command.start("demo", "--base-url", server.url, "--no-sequential", "--companies", names) as process:
        server.wait_for(open=3, requests=1 + 3 + 3, timeout=60)
        process.kill()


def test_analysis_of_research(demo, server):
    """Each analysis is asked with the notes of its own company's research."""
    server.configure(
        replies={
            "Research Acme": "notes-on-acme",
            "Research Globex": "notes-on-globex",
            "notes-on-acme": "Acme analysed",
            "notes-on-globex": "Globex analysed",
        }
    )
    result = _json(demo("--json", "--companies", "Globex, Acme,"))
    assert [answer["text"] for answer in result["fan"]["answers"]] == ["Globex analysed", "Acme analysed"]


def test_no_sequential(demo, server):
    """Without the sequential part half the calls are made, and the ideal comes from the fan's own calls."""
    result = _json(demo("--json", "--no-sequential"))
    assert server.stats().requests == 1 + 12 + 24
    assert result["sequential"] is None
    assert result["speed_up"] is None
    assert result["ideal_seconds"] == 2 * median(call["seconds"] for call in result["fan"]["calls"])
    process = demo("--no-sequential", "--companies", "Acme")
    assert "one after another" not in process.stdout
    assert "speed-up" not in process.stdout


def test_live_at_another_server(demo, server):
    """With `--live` each call carries the key and the model, and no call is made only to open a connection."""
    result = _json(demo("--json", "--live", "--no-sequential", ANTHROPIC_API_KEY="a-key"))
    assert result["ok"]
    assert server.stats().requests == 1 + 24


def test_key_stays_here(demo, server):
    """Without `--live` a server does not get the key in the environment."""
    server.configure(reject_keys=["a-key"])
    assert demo("--no-sequential", "--companies", "Acme", ANTHROPIC_API_KEY="a-key").returncode == 0


def test_poor_encoding(demo):
    """An output that has not all characters gets question marks instead of a traceback."""
    process = demo("--no-sequential", "--companies", "Ørsted 日本", PYTHONIOENCODING="ascii")
    assert (process.returncode, process.stderr) == (0, "")
    assert " ?rsted ?? " in process.stdout


def test_answers_cannot_steer_the_terminal(demo, server):
    """Control characters, line breaks and markup in names and answers are shown as plain text on one line."""
    server.configure(replies={"Analyse": "one\x1b[31m\ntwo [red]three"})
    process = demo("--no-sequential", "--companies", "[b]Ac\x1b[7mme")
    assert "\x1b" not in process.stdout
    assert re.search(r"^ *1 +\[b\]Ac \[7mme +one \[31m two \[red\]three *$", process.stdout, re.MULTILINE)


def test_version(command):
    """`--version` says which."""
    from threadfan import __version__

    assert command("--version").stdout == f"threadfan {__version__}\n"


def test_help(command):
    """Without arguments there is help, and every flag of the demo has a text."""
    assert "demo" in command().stdout
    text = command("demo", "--help", COLUMNS="200").stdout
    for flag in ("workers", "latency", "timeout", "live", "model", "companies", "sequential", "json", "base-url"):
        assert re.search(rf"--{flag}\b.* [A-Z][a-z]+ .*\.", text), flag
