"""What the command line does with texts from afar, and with folders that others have filled."""

import csv
import json
import os
import subprocess
import sys
from functools import partial

import pytest

from support.command_line import said

pty = pytest.importorskip("pty", reason="there are no terminals of this kind")

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe"


@pytest.fixture
def hostile(tmp_path):
    """Functions that return, raise and warn of texts that would steer a terminal; and lines to call them with."""
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    (tmp_path / "work.py").write_text(
        f"import os, warnings\nTEXT = {ESCAPES!r}\ndef give(line): return TEXT\n"
        "def fail(line): raise ValueError(TEXT + line)\ndef warn(line): warnings.warn(TEXT, stacklevel=1)\n"
        "def link(line):\n    os.symlink('precious', 'out.jsonl.failed.jsonl')\n    raise ValueError(line)\n",
        encoding="utf-8",
    )


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("name", ["fail", "warn"])
def test_what_is_said_steers_no_terminal(here, name):
    """Texts of errors and warnings come from servers; in what the command says they are text."""
    done = here("run", f"work.py:{name}", "in.txt", "-o", "out.jsonl")
    assert SHOWN in done.stderr
    assert all(line.isprintable() for line in done.stderr.splitlines())


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("output_format", ["lines", "jsonl", "csv"])
def test_results_on_a_terminal_steer_it_not(here, output_format, monkeypatch):
    """Shown they are harmless; in a file or a pipe they are what was returned."""
    options = ("run", "work.py:give", "in.txt", "--output-format", output_format)
    assert "\x9b" in here(*options).stdout
    monkeypatch.setattr(os, "isatty", lambda descriptor: descriptor == 1)
    shown = here(*options).stdout
    assert "gnp.exe" in shown
    assert all(line.isprintable() for line in shown.splitlines())


def test_a_real_terminal(command, tmp_path, server, monkeypatch):
    """An answer of a model's, asked for on a terminal."""
    server.configure(replies={"hi": ESCAPES})
    (tmp_path / "in.txt").write_text("hi\n", encoding="utf-8")
    ours, theirs = pty.openpty()
    try:
        program = "import os, sys; os.dup2(int(sys.argv.pop(1)), 1); from threadfan.cli import main; sys.exit(main())"
        options = ("ask", tmp_path / "in.txt", "--model", "m", "--base-url", server.url, "--no-progress")
        os.set_inheritable(theirs, True)
        monkeypatch.setattr(subprocess, "Popen", partial(subprocess.Popen, close_fds=False))
        done = command(theirs, *options, python=("-c", program))
        assert done.returncode == 0, done.stderr
        assert os.read(ours, 4096).decode().strip() == SHOWN
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.usefixtures("hostile")
def test_failures_follow_no_link(here, tmp_path):
    """The name of that file follows from the output's; a link that is there when it is written leads nowhere."""
    (tmp_path / "precious").write_text("mine\n")
    assert here("run", "work.py:link", "in.txt", "-o", "out.jsonl").returncode == 1
    assert (tmp_path / "precious").read_text() == "mine\n"


MODULES = ("json", "sqlite3", "typing", "rich", "typer", "pydantic", "structlog", "anthropic", "plotly", "threadfan")


@pytest.mark.parametrize("compared", [False, True], ids=["once", "compared"])
def test_the_current_folder_is_not_imported_from(command, tmp_path, monkeypatch, compared):
    """The command, as it is installed, looks for modules where Python has them and in the folder of the script."""
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from the current folder')", encoding="utf-8")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "neighbour.py").write_text("NAME = 'the right one'", encoding="utf-8")
    (tmp_path / "scripts" / "job.py").write_text("import json, neighbour\nprint(neighbour.NAME)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    # As pip's script for it begins, whose own folder is where -P leaves out the current one.
    begin = ("-c", "import sys; sys.path[0] = sys.exec_prefix; from threadfan.cli import main; sys.exit(main())")
    options = ("--compare",) if compared else ()
    done = command("script", *options, "--no-summary", os.path.join("scripts", "job.py"), python=begin)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == ["the right one"] * (2 if compared else 1)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no POSIX shell")
@pytest.mark.parametrize(
    "template",
    ['printf %s "$(printf %s {})"', 'printf %s "$( (printf %s "{}") )"', 'X="$(printf %s {})"; printf %s "$X"'],
)
def test_an_input_is_one_word_within_a_command_in_quotes(here, tmp_path, template):
    """There the shell would split it again, and take what looks like an option for one."""
    evil = ["a b", "-n -e x", "*", "$(touch evil)", "'; touch evil; '", ") touch evil ("]
    (tmp_path / "in.txt").write_text("\n".join(evil), encoding="utf-8")
    assert here("exec", template, "in.txt", "-o", "out.csv", "-k").returncode == 0
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert [row["result"] for row in csv.DictReader(file)] == evil
    assert not (tmp_path / "evil").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no POSIX shell")
def test_back_quotes_in_double_ones_are_refused(here, tmp_path):
    """What stands there cannot be quoted."""
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    assert "{} in back quotes in double ones" in said(here("exec", 'echo "`echo {}`"', "in.txt", "-o", "x.csv"), 2)


def test_cells_stay_as_they_are(here, tmp_path):
    """A formula in a CSV file is data here: who opens results in a spreadsheet imports them as text."""
    cells = ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x","y")', "\t=1"]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps({"x": cell}) for cell in cells))
    (tmp_path / "work.py").write_text("def same(row): return {'y': row['x']}", encoding="utf-8")
    assert here("run", "work.py:same", "in.jsonl", "-o", "out.csv", "-k").returncode == 0
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert [(row["x"], row["y"]) for row in csv.DictReader(file)] == [(cell, cell) for cell in cells]


def test_a_header_of_many_columns(here, tmp_path):
    """Names are compared once, however many there are: a file with 100,000 columns stalls nobody."""
    names = ",".join(f"c{number}" for number in range(100_000))
    (tmp_path / "in.csv").write_text(f"{names},c0\n", encoding="utf-8")
    (tmp_path / "work.py").write_text("def same(row): return 1", encoding="utf-8")
    assert "more than one column 'c0'" in said(here("run", "work.py:same", "in.csv", "-o", "out.jsonl"), 2)
