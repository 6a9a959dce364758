"""`threadfan run`: what goes in, what is called, and what comes out."""

import csv
import json
import subprocess
import sys

import pytest

from support.command_line import lines_of, said
from support.controlled import PATIENCE
from threadfan._core.pool import shutdown

SQUARE = "def square(row): return {'square': int(row['n']) ** 2}"


def _table(path, number):
    path.write_text("n\n" + "".join(f"{one}\n" for one in range(number)), encoding="utf-8")
    return path


def test_a_table_to_lines_of_json(here, work, tmp_path):
    """Each row is handed on as a dict, and written with the columns that the function returns."""
    work(SQUARE)
    _table(tmp_path / "in.csv", 20)
    process = here("run", "work:square", "in.csv", "-o", "out.jsonl")
    assert said(process, 0).startswith("20 succeeded, 0 failed, in ")
    assert process.stdout == ""
    found = sorted(lines_of("out.jsonl"), key=lambda row: row["square"])
    assert found == [{"n": str(one), "square": one**2} for one in range(20)]


def test_a_table_to_a_table(here, work, tmp_path):
    """A CSV has the columns of the input and of the result, whatever is in the cells."""
    work("def f(row): return {'back': row['text'][::-1], 'facts': {'length': len(row['text'])}, 'none': None}")
    texts = ['a "quote"', "two\nlines", "a, comma", "ä€😀", ""]
    with open("in.csv", "w", encoding="utf-8-sig", newline="") as file:  # as a spreadsheet writes it
        csv.writer(file).writerows([["text", "more"], *([text, "x"] for text in texts)])
    assert here("run", "work.py:f", "in.csv", "-o", "out.csv", "--keep-order").returncode == 0
    with open("out.csv", encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["text"] for row in found] == texts
    assert [row["back"] for row in found] == [text[::-1] for text in texts]
    assert [json.loads(row["facts"]) for row in found] == [{"length": len(text)} for text in texts]
    assert {row["none"] for row in found} == {""}
    assert list(found[0]) == ["text", "more", "back", "facts", "none"]


def test_lines(here, work, tmp_path):
    """A plain line is a text; lines come out as lines, and text as it is."""
    work("def shout(text): return text.upper()")
    (tmp_path / "in.txt").write_bytes(b"one\r\n\n two\nthr\xc3\xa9e")
    assert here("run", "work:shout", "in.txt", "-o", "out.txt", "-k").returncode == 0
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "ONE\n TWO\nTHRÉE\n"
    assert here("run", "work:shout", "in.txt", "-o", "out.jsonl", "-k").returncode == 0
    assert lines_of("out.jsonl")[0] == {"input": "one", "result": "ONE"}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('id;review\n1;good, but slow\n2;"a; b"\n', [["1", "good, but slow"], ["2", "a; b"]]),
        ("id,a;b\n1,2\n", [["1", "2"]]),
        ('"a;b"\n1\n', [["1"]]),
    ],
)
def test_semicolons(here, work, tmp_path, text, rows):
    """A table whose header has semicolons and no comma is divided by them."""
    work("def f(row): return list(row.values())")
    (tmp_path / "in.csv").write_text(text, encoding="utf-8")
    assert here("run", "work.py:f", "in.csv", "-o", "out.jsonl", "-k").returncode == 0
    assert [row["result"] for row in lines_of("out.jsonl")] == rows


def test_a_column_that_is_there(here, work, tmp_path):
    """A result without a name of its own takes no column's place; one that has it does."""
    (tmp_path / "in.csv").write_text("result\nold\n", encoding="utf-8")
    for returned, found in (("'new'", {"result": "old", "result_2": "new"}), ("{'result': 'new'}", {"result": "new"})):
        work(f"def f(row): return {returned}")
        assert here("run", "work.py:f", "in.csv", "-o", "out.jsonl", "--fresh").returncode == 0
        assert lines_of("out.jsonl") == [found]


def test_standard_input_and_output(command, work, tmp_path):
    """With `-` it is a filter of lines, or of what `--format` says."""
    work("def shout(text): return text.upper()\ndef twice(row): return row['n'] * 2")
    place = tmp_path / "work.py"
    process = command("run", f"{place}:shout", "-", "-k", stdin="one\ntwo\n")
    assert (process.returncode, process.stdout) == (0, "ONE\nTWO\n")
    process = command("run", f"{place}:twice", "-", "--format", "jsonl", "-k", stdin='{"n": 1}\n{"n": 2}\n')
    assert process.stdout == '{"n":1,"result":2}\n{"n":2,"result":4}\n'


def test_what_stands_in_the_file_behind_standard_output_stays(work, tmp_path):
    """A shell that appends to a file means to."""
    work("def shout(text): return text.upper()")
    place = tmp_path / "all.txt"
    place.write_text("before\n", encoding="utf-8")
    with place.open("ab") as out:
        command = [sys.executable, "-m", "threadfan", "run", f"{tmp_path / 'work.py'}:shout", "-", "-k"]
        subprocess.run(command, check=True, input=b"one\n", stdout=out, stderr=subprocess.PIPE, timeout=240)
    assert place.read_text(encoding="utf-8") == "before\nONE\n"


def test_keep_order(here, work, tmp_path):
    """Without `--keep-order` results are written as they come, with it in the order of the inputs."""
    work(
        """
        from threading import Event
        second = Event()

        def f(row):
            if row["n"] == "1":
                second.set()
            assert second.wait(60)  # the first ends last
            return 0
        """
    )
    _table(tmp_path / "in.csv", 2)
    assert here("run", "work.py:f", "in.csv", "-o", "out.csv", "--keep-order", "-w", 2).returncode == 0
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "n,result\n0,0\n1,0\n"


def test_results_are_written_as_they_come(command, work, tmp_path):
    """What has ended is in the file, whole, while other calls run."""
    work(
        f"""
        import time
        from pathlib import Path

        def f(text):
            end = time.monotonic() + 60
            while text == "last" and not Path({str(tmp_path / "out.jsonl")!r}).read_bytes().endswith(b"}}\\n"):
                assert time.monotonic() < end
                time.sleep(0.01)
            return len(text)
        """
    )
    process = command("run", f"{tmp_path / 'work.py'}:f", "-", "-o", tmp_path / "out.jsonl", stdin="last\nfirst\n")
    assert process.returncode == 0, process.stderr
    assert [row["input"] for row in lines_of(tmp_path / "out.jsonl")] == ["first", "last"]


def test_columns_as_arguments(here, work, tmp_path):
    """With `--kwargs` a function is called with the columns by name."""
    work("def f(n, more='no'): return f'{n} {more}'")
    _table(tmp_path / "in.csv", 1)
    assert here("run", "work:f", "in.csv", "--kwargs", "-o", "out.jsonl").returncode == 0
    assert lines_of("out.jsonl") == [{"n": "0", "result": "0 no"}]
    (tmp_path / "in.txt").write_text("a line\n", encoding="utf-8")
    assert "takes rows with columns, not 'a line'" in said(here("run", "work:f", "in.txt", "--kwargs"), 1)


def test_dataclasses_and_models(here, work, tmp_path):
    """A dataclass or a model becomes columns as a dict does."""
    work(
        """
        from dataclasses import dataclass
        from datetime import date

        from pydantic import BaseModel

        @dataclass
        class Found:
            n: int
            day: date

        class Model(BaseModel):
            m: int

        def f(row):
            return Found(7, date(2026, 1, 2)) if row["n"] == "0" else Model(m=8)
        """
    )
    _table(tmp_path / "in.csv", 2)
    assert here("run", "work:f", "in.csv", "-o", "out.jsonl", "-k").returncode == 0
    assert lines_of("out.jsonl") == [{"n": 7, "day": "2026-01-02"}, {"n": "1", "m": 8}]


def test_what_is_done_to_a_row(here, work, tmp_path):
    """A function may do to its row what it likes; the output has the row as it was."""
    work("def f(row): return row.pop('n')")
    _table(tmp_path / "in.csv", 1)
    assert here("run", "work:f", "in.csv", "-o", "out.jsonl").returncode == 0
    assert lines_of("out.jsonl") == [{"n": "0", "result": "0"}]


def test_failures_can_be_fed_back_in(here, work, tmp_path):
    """Inputs that have failed are in a file of their own, which can be the input of a run."""
    work("def f(row): return 1 / (int(row['n']) - 3)")
    _table(tmp_path / "in.csv", 5)
    line = said(here("run", "work.py:f", "in.csv", "-o", "out.csv"), 1)
    assert line.startswith("1 failed: ZeroDivisionError: ")
    assert line.endswith("they are in out.csv.failed.jsonl, and that file can be the INPUT of a run")
    (failure,) = lines_of("out.csv.failed.jsonl")
    assert failure["input"] == {"n": "3"}
    assert failure["failed"]["error"].startswith("ZeroDivisionError: ")
    work("def f(row): return row['n']")
    assert here("run", "work.py:f", "out.csv.failed.jsonl", "-o", "more.csv").returncode == 0
    assert (tmp_path / "more.csv").read_text(encoding="utf-8") == "n,result\n3,3\n"
    assert not (tmp_path / "more.csv.failed.jsonl").exists()


def test_retries_and_timeouts(command, work, tmp_path):
    """Transient errors are tried again, and a call whose time is up has failed."""
    place = work(
        """
        import time
        from itertools import count

        attempts = count()

        def f(row):
            if row["n"] == "0" and next(attempts) < 2:
                raise ConnectionError("again")
            if row["n"] == "1":
                time.sleep(60)
            return 1
        """
    )
    table, out = _table(tmp_path / "in.csv", 2), tmp_path / "out.csv"
    process = command("run", f"{place}:f", table, "-o", out, "--retry", 3, "--timeout", 1, "-w", 2)
    assert "1 failed: timed_out, TaskTimeout" in said(process, 1)
    assert "; 5 retries" in process.stderr
    assert "warning: run: 4 threads are stuck" in process.stderr
    assert lines_of(f"{out}.failed.jsonl")[0]["input"] == {"n": "1"}


def test_the_time_for_all_attempts(here, work, tmp_path):
    """However many there may be."""
    work("def f(row): raise ConnectionError('again')")
    _table(tmp_path / "in.csv", 1)
    line = said(here("run", "work.py:f", "in.csv", "-o", "out.csv", "--retry", 50, "--total-timeout", 0.2), 1)
    assert line.startswith("1 failed: ")
    (failure,) = lines_of("out.csv.failed.jsonl")
    assert failure["failed"]["attempts"] < 10


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sleep")
def test_what_is_attached_ends_with_its_call(here, work, tmp_path, monkeypatch):
    """So no thread is said to be stuck; a function that the module imports by its name is reached as well."""
    monkeypatch.delitem(sys.modules, "work", raising=False)
    monkeypatch.setattr(shutdown, "MOMENT", PATIENCE)  # a thread that is late is not stuck
    work("from subprocess import run\ndef f(row): run(['sleep', '60'])")
    _table(tmp_path / "in.csv", 1)
    process = here("run", "work.py:f", "in.csv", "-o", "out.csv", "--attach", "subprocess", "--timeout", 0.2)
    assert "1 failed: timed_out, TaskTimeout" in said(process, 1)
    assert "stuck" not in process.stderr
    assert subprocess.run is not sys.modules["work"].run


@pytest.mark.parametrize("halt", ["soon,fail=2", "now,fail=2"])
def test_halt(here, work, tmp_path, halt):
    """A run that stops on a condition says so, and calls no more."""
    work(
        """
        called = []

        def f(row):
            called.append(row)
            raise ValueError("no")
        """
    )
    _table(tmp_path / "in.csv", 500)
    process = here("run", "work.py:f", "in.csv", "-o", "out.csv", "--halt", halt, "-w", 1)
    assert f"stopped early, 2 calls had failed (halt='{halt}')" in said(process, 1)


def test_lines_that_cannot_be_read(here, work, tmp_path):
    """A broken line in the middle is a failure among others, and ends nothing."""
    work("def f(row): return row['n']")
    (tmp_path / "in.jsonl").write_bytes(b'{"n": 1}\n{"n": \n\xff\n\n{"n": 2}\n')
    process = here("run", "work:f", "in.jsonl", "-o", "out.jsonl", "-k")
    assert said(process, 1).startswith("2 failed: lines that cannot be read (2 times)")
    assert [row["n"] for row in lines_of("out.jsonl")] == [1, 2]
    failures = lines_of("out.jsonl.failed.jsonl")
    assert [one["failed"]["line"] for one in failures] == [2, 3]
    (tmp_path / "in.csv").write_text("a,n\n1,2\n1,2,3\n4,5\n6\n", encoding="utf-8")
    process = here("run", "work:f", "in.csv", "-o", "out.csv", "-k")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "a,n,result\n1,2,2\n4,5,5\n6,,\n"
    assert "it has 3 cells, and the header has 2" in lines_of("out.csv.failed.jsonl")[0]["failed"]["error"]


def test_results_that_do_not_fit(here, work, tmp_path):
    """A result with columns that the header has not goes to the failures, and nothing else is lost."""
    work("def f(row): return {row['n']: 1} if row['n'] == '2' else {'result': row['n']}")
    _table(tmp_path / "in.csv", 4)
    process = here("run", "work:f", "in.csv", "-o", "out.csv", "-k")
    assert said(process, 1).startswith("1 failed: results that do not fit into the output")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "n,result\n0,0\n1,1\n3,3\n"
    assert "the column '2'" in lines_of("out.csv.failed.jsonl")[0]["failed"]["error"]


def test_a_result_that_is_no_data(here, work, tmp_path):
    """What cannot be written fails its input alone."""
    work("def f(row): return object() if row['n'] == '1' else 0")
    _table(tmp_path / "in.csv", 3)
    assert said(here("run", "work:f", "in.csv", "-o", "out.jsonl"), 1).startswith("1 failed: ")
    assert len(lines_of("out.jsonl")) == 2


def test_nothing_to_do(here, work, tmp_path):
    """An empty table is a run without calls."""
    work("def f(row): return row")
    _table(tmp_path / "in.csv", 0)
    assert said(here("run", "work:f", "in.csv", "-o", "out.csv"), 0).startswith("0 succeeded")
    assert (tmp_path / "out.csv").read_bytes() == b""


def test_a_reader_that_has_seen_enough(command, work, tmp_path):
    """`| head` ends it without a word of pipes."""
    place = work("def f(text): return text * 9999")
    with command.start("run", f"{place}:f", __file__, "--format", "lines", "--output-format", "lines") as process:
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 141


def test_a_reader_of_a_dry_run_that_has_seen_enough(command, work, tmp_path):
    """It goes on counting, and says how many there are."""
    place, number = work("def f(text): return text"), 50_000  # more than a pipe holds
    (tmp_path / "in.txt").write_text("a line\n" * number, encoding="utf-8")
    with command.start("run", f"{place}:f", tmp_path / "in.txt", "--dry-run") as process:
        assert process.stdout.readline() == '"a line"\n'
        process.stdout.close()
        assert process.stderr.read() == f"threadfan: dry run: {number:,} would be called, 0 are done\n"
        assert process.wait(60) == 0


@pytest.mark.parametrize("order", [[], ["--keep-order"]])
def test_a_pipe_that_goes_on(command, work, tmp_path, order):
    """What has ended is written although the next line has not come."""
    place = work("def f(text): return text.upper()")
    with command.start("run", f"{place}:f", "-", *order, stdin="") as process:
        for text in ("one", "two", "three"):
            process.stdin.write(f"{text}\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{text.upper()}\n"
        process.stdin.close()
        assert process.wait(60) == 0
        process.stdin = None  # which the end of the block would flush


@pytest.mark.parametrize("halt", ["soon,fail=2", "now,fail=2"])
def test_a_pipe_is_halted(command, work, tmp_path, halt):
    """A condition ends it although the pipe goes on."""
    place = work("def f(text): raise ValueError(text)")
    with command.start("run", f"{place}:f", "-", "--halt", halt, "-w", 1, stdin="") as process:
        process.stdin.write("one\n" * 20)
        process.stdin.flush()
        assert process.wait(60) == 1
        assert f"stopped early, 2 calls had failed (halt='{halt}')" in process.stderr.read()


def test_a_large_pipe(command, work, tmp_path):
    """More lines than are read ahead all come through, in order."""
    place = work("def f(text): return text")
    text = "".join(f"{number}\n" for number in range(30_000))
    process = command("run", f"{place}:f", "-", "-k", stdin=text)
    assert process.returncode == 0
    assert process.stdout == text
