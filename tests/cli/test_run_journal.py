"""`threadfan run` with a journal: whatever ends it, the same command goes on, and the output agrees with it."""

import os
import random
import re
import signal
import sqlite3
import sys
import time

import pytest

from support.command_line import lines_of, said
from threadfan.cli import failures

PRESS = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
COUNTING = """
import os, time

def f(row):
    with open({calls!r}, "ab", 0) as calls:
        calls.write(row["n"].encode() + b"\\n")
    time.sleep(0.002)
    return int(row["n"]) ** 2
"""


@pytest.fixture
def counted(work, tmp_path):
    """A table of 400 rows, and a function that notes each of its calls in a file."""
    number = 400
    (tmp_path / "in.csv").write_text("n\n" + "".join(f"{one}\n" for one in range(number)), encoding="utf-8")
    place = work(COUNTING.format(calls=str(tmp_path / "calls")))
    flags = ["-o", tmp_path / "out.jsonl", "--journal", tmp_path / "run.db", "-w", 4]
    return number, tmp_path, ["run", f"{place}:f", tmp_path / "in.csv", *flags]


def _complete(number, folder):
    rows = lines_of(folder / "out.jsonl")
    assert sorted(int(row["n"]) for row in rows) == list(range(number))
    assert all(row["result"] == int(row["n"]) ** 2 for row in rows)


def _begun(folder, least=1):
    """Waits until some calls have begun."""
    end = time.monotonic() + 60
    while not (folder / "calls").exists() or (folder / "calls").read_bytes().count(b"\n") < least:
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("output", ["out.jsonl", "out.csv"])
def test_killed_and_gone_on_with(command, counted, output):
    """Killed at random moments, with a torn last line: in the end each row is there once, and few calls are lost."""
    number, folder, arguments = counted
    arguments = [folder / output if one == folder / "out.jsonl" else one for one in arguments]
    kills = 5
    for turn in range(kills):
        with command.start(*arguments) as process:
            _begun(folder, least=60 * turn + random.randrange(1, 60))
            process.kill()
        if (folder / output).exists():
            with open(folder / output, "ab") as file:
                file.write(b'{"n": "7", "resu')  # as far as a write may get
    assert said(command(*arguments), 0).startswith(f"{number} succeeded (")
    if output == "out.jsonl":
        _complete(number, folder)
    else:
        rows = (folder / output).read_text(encoding="utf-8").splitlines()
        assert rows[0] == "n,result"
        assert sorted(rows[1:]) == sorted(f"{one},{one**2}" for one in range(number))
    assert (folder / "calls").read_bytes().count(b"\n") <= number + 4 * kills


@PRESS
def test_ctrl_c(command, counted):
    """Ctrl-C ends it at once, says how to go on, and what was done is whole; then the same command goes on."""
    number, folder, arguments = counted
    with command.start(*arguments, "--progress") as process:
        _begun(folder, least=20)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=240)
    assert process.returncode == 130
    bar, line = err.splitlines()
    assert re.match(rf"f: \d+ of {number} \(\d\d? %\), \d+ cancelled, ", bar)
    assert line.startswith("threadfan: interrupted: ")
    assert line.endswith(f"the same command goes on, by {folder / 'run.db'}")
    before = len(lines_of(folder / "out.jsonl"))
    assert before < number
    assert said(command(*arguments), 0).startswith(f"{number} succeeded (")
    _complete(number, folder)


@PRESS
@pytest.mark.parametrize("rate", [[], ["--rate", "100/min"]])
def test_sigterm(command, counted, rate):
    """SIGTERM begins no further call, and lets those that run end: not one is called again."""
    number, folder, arguments = counted
    with command.start(*arguments, *rate) as process:
        _begun(folder)
        process.terminate()
        _, err = process.communicate(timeout=240)
    assert process.returncode == 143
    assert err.splitlines()[-1].startswith("threadfan: terminated: ")
    called = (folder / "calls").read_bytes().count(b"\n")
    assert len(lines_of(folder / "out.jsonl")) == called < number
    assert command(*arguments).returncode == 0
    assert (folder / "calls").read_bytes().count(b"\n") == number
    _complete(number, folder)


@PRESS
def test_sigterm_while_inputs_are_waited_for(command, work, tmp_path):
    """Who waits for a line of a pipe is ended too."""
    place = work("def f(text): return text")
    with command.start("run", f"{place}:f", "-", "-o", tmp_path / "out.txt", stdin="") as process:
        process.stdin.write("one\n" * 100)  # more than are taken before the first is handed out
        process.stdin.flush()
        end = time.monotonic() + 60
        while not (tmp_path / "out.txt").exists() or not (tmp_path / "out.txt").read_bytes():
            assert time.monotonic() < end
            time.sleep(0.005)
        process.terminate()
        assert process.wait(60) == 143


@PRESS
def test_another_run_is_at_it(command, work, tmp_path):
    """Two runs do not write one output, and a journal that is in use is not forgotten; two outputs share the work."""
    go, calls, out, journal = (tmp_path / name for name in ("go", "calls", "out.jsonl", "run.db"))
    place = work(
        f"""
        import os, time

        def f(text):
            open({str(calls)!r}, "a").write(text)
            end = time.monotonic() + 60
            while not os.path.exists({str(go)!r}):
                assert time.monotonic() < end
                time.sleep(0.01)
        """
    )
    (tmp_path / "in.txt").write_text("a\nb\nc\n", encoding="utf-8")
    arguments = ["run", f"{place}:f", tmp_path / "in.txt", "--journal", journal, "-w", 3, "-o"]
    with command.start(*arguments, out) as process:
        _begun(tmp_path, least=0)
        assert said(command(*arguments, out), 2).startswith(f"another run writes {out}; right is another -o")
        line = said(command(*arguments, out, "--fresh"), 1)
        assert line == f"--fresh cannot forget {journal}: another run is at it; right is to end that"
        go.touch()
        assert command(*arguments, tmp_path / "other.jsonl").returncode == 0
        assert process.wait(60) == 0
    for name in ("out.jsonl", "other.jsonl"):
        assert sorted(row["input"] for row in lines_of(tmp_path / name)) == ["a", "b", "c"]
    assert sorted(calls.read_text(encoding="utf-8")) == ["a", "b", "c"]


def test_an_output_that_another_run_takes_away(tmp_path, monkeypatch):
    """A run that is refused removes the output it has made: whoever opened that by then opens the path once more."""
    out, lock, rounds = tmp_path / "out.jsonl", failures.lock_whole, []

    def lock_late(file):
        rounds.append(file)
        if len(rounds) <= 2:
            out.unlink()
        if len(rounds) == 2:
            out.touch()
        lock(file)

    monkeypatch.setattr(failures, "lock_whole", lock_late)
    file = failures.opened_to_write(str(out))
    os.write(file, b"a result")
    os.close(file)
    assert len(rounds) == 3
    assert out.read_text(encoding="utf-8") == "a result"


def test_failures_are_called_again(here, work, tmp_path):
    """The same command calls what has failed, and nothing else."""
    (tmp_path / "in.txt").write_text("a\nb\nc\n", encoding="utf-8")
    command = ["run", "work.py:f", "in.txt", "-o", "out.txt", "--journal", "run.db", "-k"]
    work("def f(text): return 1 / (text != 'b')")
    line = said(here(*command), 1)
    assert line.endswith("they are in out.txt.failed.jsonl, and the same command tries them again")
    work("def f(text): return 2")
    assert said(here(*command), 0).startswith("3 succeeded (2 of them before), 0 failed")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "1.0\n2\n1.0\n"
    assert not (tmp_path / "out.txt.failed.jsonl").exists()


def test_fresh(here, work, tmp_path):
    """`--fresh` forgets the journal, and `--resume` refuses to begin."""
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    command = ["run", "work.py:f", "in.txt", "-o", "out.txt", "--journal", "run.db"]
    work("def f(text): return 1")
    assert (
        said(here(*command, "--resume"), 2)
        == "there is no journal run.db to go on with; right is to leave --resume out"
    )
    assert here(*command).returncode == 0
    work("def f(text): return 2")
    for flag, found in (("--resume", "1\n"), ("--fresh", "2\n")):
        assert here(*command, flag).returncode == 0
        assert (tmp_path / "out.txt").read_text(encoding="utf-8") == found
    work("def f(text): return 3")
    assert here(*command, "--no-resume").returncode == 0
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "3\n"


def test_fresh_removes_nothing_but_a_journal(here, work, tmp_path):
    """A file of another kind is not forgotten."""
    work("def f(text): return 1")
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    (tmp_path / "dear").write_text("a letter", encoding="utf-8")
    line = said(here("run", "work.py:f", "in.txt", "-o", "out.txt", "--journal", "dear", "--fresh"), 2)
    assert line.startswith("--fresh cannot forget dear: ")
    assert (tmp_path / "dear").read_text(encoding="utf-8") == "a letter"


def test_results_that_no_journal_knows(here, work, tmp_path):
    """An output that is there is not replaced unless the user says so."""
    work("def f(text): return 1")
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    (tmp_path / "out.txt").write_text("dear\n", encoding="utf-8")
    for more in ([], ["--journal", "run.db"]):
        line = said(here("run", "work.py:f", "in.txt", "-o", "out.txt", *more), 2)
        assert line.startswith("out.txt is there, and no journal knows what is in it; right is another -o, or --fresh")
        assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "dear\n"
    assert here("run", "work.py:f", "in.txt", "-o", "out.txt", "--fresh").returncode == 0
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "1\n"


def test_key_and_version(here, work, tmp_path):
    """`--key` says by which columns a row is known, `--journal-version` that what is called has changed."""
    work("called = []\ndef f(row): return row['n']")
    command = ["run", "work.py:f", "in.csv", "-o", "out.csv", "--journal", "run.db", "--key", "n"]
    (tmp_path / "in.csv").write_text("n,more\n1,a\n", encoding="utf-8")
    assert said(here(*command), 0).startswith("1 succeeded, ")
    (tmp_path / "in.csv").write_text("n,more\n1,b\n", encoding="utf-8")
    assert said(here(*command), 0).startswith("1 succeeded (1 of them before)")
    assert said(here(*command, "--journal-version", "2"), 0).startswith("1 succeeded, ")
    assert said(here(*command, "--key", "m"), 2) == "--key names 'm', and in.csv has no such column; right are n, more"


def test_dry_run(here, work, tmp_path):
    """It shows what would be called, says how much is done, and writes nothing."""
    work("def f(row): return {'usage': {'input_tokens': 1000, 'output_tokens': 500}}")
    (tmp_path / "in.csv").write_text("n\n1\n", encoding="utf-8")
    command = ["run", "work.py:f", "in.csv", "-o", "out.csv", "--journal", "run.db", "--price", "2,10"]
    process = here(*command, "--dry-run")
    assert process.stdout == '{"n":"1"}\n'
    assert said(process, 0) == (
        "dry run: 1 would be called, 0 are done; what a call costs is not known until a journal has some"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "work.py"]
    assert here(*command).returncode == 0
    (tmp_path / "in.csv").write_text("n\n1\n2\n1\n3\n", encoding="utf-8")
    out = (tmp_path / "out.csv").read_bytes()
    process = here(*command, "--dry-run")
    assert process.stdout == '{"n":"2"}\n{"n":"1"}\n{"n":"3"}\n'  # the second 1 is an input of its own
    assert said(process, 0) == (
        "dry run: 3 would be called, 1 are done; about $0.0210, at 1,000 tokens in and 500 out a call, as those "
        "that are done"
    )
    assert (tmp_path / "out.csv").read_bytes() == out


@pytest.mark.parametrize("flags", [["--price", "1"], ["--price", "free"], ["--budget", "5"]])
def test_a_dry_run_with_a_price_that_is_none(here, work, tmp_path, flags):
    """It is refused before any input is shown."""
    work("def f(row): ...")
    (tmp_path / "in.txt").write_text("a\nb\n", encoding="utf-8")
    process = here("run", "work.py:f", "in.txt", "--dry-run", *flags)
    assert flags[0] in said(process, 2)
    assert process.stdout == ""


def test_report(here, work, tmp_path):
    """`--report` writes the page at the end, and `threadfan report` does at any time."""
    pytest.importorskip("plotly")
    work("def f(row): return 1 / int(row)")
    (tmp_path / "in.txt").write_text("0\n1\n", encoding="utf-8")
    process = here("run", "work.py:f", "in.txt", "-o", "out.txt", "--journal", "run.db", "--report", "page.html")
    assert process.returncode == 1
    assert "; see page.html" in process.stderr
    assert "ZeroDivisionError" in (tmp_path / "page.html").read_text(encoding="utf-8")
    process = here("report", "run.db")
    assert (process.returncode, process.stdout) == (0, "run.html\n")
    assert (tmp_path / "run.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert here("report", "run.db", "-o", "other.html").stdout == "other.html\n"
    assert said(here("report", "run.db", "-o", "run.db"), 2).startswith("--output is the journal, run.db; ")
    assert "nowhere.db" in said(here("report", "nowhere.db"), 2)
    assert "in.txt" in said(here("report", "in.txt", "-o", "page.html"), 2)
    line = said(here("report", "run.db", "-o", "in.txt"), 2)
    assert line.startswith("--output is in.txt, which is there and is no page of a report; right is another path")
    assert (tmp_path / "in.txt").read_text(encoding="utf-8") == "0\n1\n"


def test_a_journal_that_cannot_be_used(here, work, tmp_path):
    """It is one line that names it, and nothing is called."""
    work("def f(row): return open('called', 'w') and None")
    (tmp_path / "in.txt").write_text("0\n", encoding="utf-8")
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE dear (one)")
    connection.close()
    line = said(here("run", "work.py:f", "in.txt", "-o", "out.txt", "--journal", "other.db"), 2)
    assert "other.db" in line
    assert not (tmp_path / "out.txt").exists()
    assert not (tmp_path / "called").exists()


DAMAGES = {
    "its head": lambda data: b"garbage" + data[7:],
    "its middle": lambda data: data[:4096] + b"\xff" * (len(data) - 4096),
    "all of it": lambda data: b"a letter",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("flags", [[], ["--dry-run"], ["--fresh"]])
def test_a_refused_command_changes_no_file(here, work, tmp_path, damage, flags):
    """A journal that is damaged ends the command before anything is called, and results and failures stay."""
    if flags == ["--fresh"] and damage == "its middle":
        pytest.skip("the journal is to be forgotten, whatever is in it")
    if flags == ["--dry-run"] and damage == "its middle":
        pytest.skip("it writes nothing, and may show what it has read")
    work("def f(row): return 1 / int(row['n'])")
    (tmp_path / "in.csv").write_text("n\n0\n" + "".join(f"{n}\n" for n in range(1, 200)), encoding="utf-8")
    command = ["run", "work.py:f", "in.csv", "--journal", "run.db", "-o", "out.csv"]
    assert here(*command).returncode == 1
    journal = tmp_path / "run.db"
    journal.write_bytes(DAMAGES[damage](journal.read_bytes()))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    work("def f(row): raise SystemExit('called')")
    del before["work.py"]
    assert "run.db" in said(here(*command, *flags), 2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "work.py"} == before


def test_a_run_without_an_outcome_changes_no_file(here, work, tmp_path):
    """What ends a run before its first outcome leaves the results of the one before."""
    work("def f(row): return 1")
    (tmp_path / "in.jsonl").write_text('{"n": 1}\n', encoding="utf-8")
    command = ["run", "work.py:f", "in.jsonl", "-o", "out.csv", "--journal", "run.db", "--key", "n"]
    assert here(*command).returncode == 0
    (tmp_path / "in.jsonl").write_text("3\n", encoding="utf-8")
    assert said(here(*command), 2).startswith("--key names columns, and an input has none")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "n,result\n1,1\n"


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_what_stands_in_the_way_of_an_output(here, work, tmp_path, name):
    """An output that cannot be written is refused before anything is called, and leaves no file."""
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    work("def f(row): raise SystemExit('called')")
    (tmp_path / "in.csv").write_text("n\n1\n", encoding="utf-8")
    (tmp_path / name).mkdir()
    names = sorted(path.name for path in tmp_path.iterdir())
    for output, said_of_it in ((f"nowhere/{name}", "No such file or directory"), (name, "Is a directory")):
        line = said(
            here("run", "work.py:f", "in.csv", "-o", output, "--journal", "run.db", "--failures", "bad.jsonl"), 2
        )
        assert line.startswith(f"{output} cannot be written: {said_of_it}")
        assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_an_output_of_another_journal(here, work, tmp_path):
    """A journal writes its own outputs anew, and no other file; a folder may be moved as a whole."""
    work("def f(row): return 1")
    (tmp_path / "in.csv").write_text("n\n1\n", encoding="utf-8")
    for name in ("one", "two"):
        assert here("run", "work.py:f", "in.csv", "-o", f"{name}.csv", "--journal", f"{name}.db").returncode == 0
    (tmp_path / "one.csv").write_text("dear\n", encoding="utf-8")
    for more in ([], ["--resume"]):
        line = said(here("run", "work.py:f", "in.csv", "-o", "one.csv", "--journal", "two.db", *more), 2)
        assert line == (
            "one.csv is there, and two.db is not its journal; right is another -o, or to move one.csv away: what "
            "two.db has is written again"
        )
        assert (tmp_path / "one.csv").read_text(encoding="utf-8") == "dear\n"
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("one.csv", "one.db"):
        (tmp_path / name).rename(folder / name)
    command = ["run", "work.py:f", "in.csv", "-o", folder / "one.csv", "--journal", folder / "one.db"]
    assert here(*command).returncode == 0
    assert (folder / "one.csv").read_text(encoding="utf-8") == "n,result\n1,1\n"


def test_pages_that_cannot_be_written(here, work, tmp_path):
    """A page with no place is refused before anything is called, and nothing but a page is replaced by one."""
    pytest.importorskip("plotly")
    work("def f(row): raise SystemExit('called')")
    (tmp_path / "in.csv").write_text("n\n1\n", encoding="utf-8")
    (tmp_path / "dear.html").write_text("<p>dear", encoding="utf-8")
    for page, why in (("nowhere/x.html", "cannot be written"), (".", "is a folder"), ("dear.html", "no page of")):
        line = said(here("run", "work.py:f", "in.csv", "-o", "out.csv", "--journal", "run.db", "--report", page), 2)
        assert line.startswith(f"--report is {page}, which ")
        assert why in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dear.html", "in.csv", "work.py"]


PAID = "def f(row): return {'usage': {'input_tokens': 400_000, 'output_tokens': 50_000}}"


def test_a_budget_is_of_this_run(here, work, tmp_path):
    """What the journal holds was paid for before; the line tells of both; what calls nothing costs nothing."""
    work(PAID)
    (tmp_path / "in.csv").write_text("n\n1\n2\n3\n", encoding="utf-8")
    command = ["run", "work.py:f", "in.csv", "-o", "out.jsonl", "--journal", "run.db", "--price", "1,5", "-w", 1]
    assert here(*command).returncode == 0
    (tmp_path / "in.csv").write_text("n\n1\n2\n3\n4\n", encoding="utf-8")
    # The last call uses it up, and nothing is left to be stopped.
    first, rest = said(here(*command, "--budget", 0.65), 0).split("; ", 1)
    assert first.startswith("4 succeeded (3 of them before)")
    assert rest == "400,000 tokens in, 50,000 out, $0.6500; in all 1,600,000 tokens in, 200,000 out, $2.60"
    line = said(here(*command, "--budget", 0.01), 0)
    assert line.endswith(" s; in all 1,600,000 tokens in, 200,000 out, $2.60")
