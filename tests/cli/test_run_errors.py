"""`threadfan run` that is asked for wrongly: one line with the value and what would be right, and nothing is called."""

import os

import pytest

from support.command_line import said


@pytest.fixture
def run(here, work, tmp_path):
    """`threadfan run` of a function that must not be called, over a table."""
    work("def f(row): raise SystemExit('called')\nvalue = 3\nclass Thing:\n    def f(self, row): ...")
    (tmp_path / "in.csv").write_text("n,m\n1,2\n", encoding="utf-8")

    def run(*arguments, function="work.py:f", file="in.csv"):
        process = here("run", function, file, *arguments)
        assert process.stdout == ""
        assert not (tmp_path / "out.csv").exists()
        return said(process, 2)

    return run


@pytest.mark.parametrize(
    ("function", "line"),
    [
        ("work", "'work' names no function; right is MODULE:FUNCTION or FILE.py:FUNCTION, such as questions.py:ask"),
        ("work.py:", "'work.py:' names no function; "),
        ("work.py:g", "work.py has no g; it has Thing, f"),
        ("work.py:ff", "work.py has no ff; right may be work.py:f"),
        ("work.py:value", "work.py:value is 3, which cannot be called; right is MODULE:FUNCTION"),
        ("nowhere.py:f", "there is no file nowhere.py; right is "),
        ("nowhere:f", "there is no module nowhere here; right is to be in its folder, or to name its file"),
        ("os.nowhere:f", "there is no module os.nowhere here; "),
    ],
)
def test_functions(run, function, line):
    """A function that is not there."""
    assert line in run("-o", "out.csv", function=function)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--workers", "0"], "--workers is 0; right are 1 to 10000"),
        (["--timeout", "-1"], "--timeout is -1; right is more than 0 seconds"),
        (["--timeout", "nan"], "--timeout is nan; right is more than 0 seconds"),
        (["--timeout", "5s"], "--timeout is '5s'; right is a number of seconds, such as 5"),
        (["--total-timeout", "0"], "--total-timeout is 0; right is more than 0 seconds"),
        (["--total-timeout=soon"], "--total-timeout is 'soon'; right is a number of seconds, such as 5"),
        (["--retry", "3x"], "--retry is '3x'; right is a whole number, such as 3"),
        (["-wmany"], "--workers is 'many'; right is a whole number, such as 5"),
        (["--workers", "2", "--workers", "1.5"], "--workers is '1.5'; right is a whole number, such as 1"),
        (["--retry", "-1"], "--retry is -1; right are 0 to 1000"),
        (["--rate", "fast"], "--rate is 'fast'; right is a number greater than 0 and a unit: 50/min, 10/s or 3000/h"),
        (["--rate", "10"], "--rate is '10', which names no unit; right is 10/s or 10/min"),
        (["--attach", "httpx"], "--attach names 'httpx'; right are 'requests' and 'subprocess'"),
        (["--rate", "0/s"], "--rate is '0/s'; right is a number greater than 0"),
        (["--halt", "later"], "--halt must be 'now' or 'soon', a comma, and "),
        (["--price", "cheap"], "--price is 'cheap'; right are dollars for a million tokens in and out, as 1,5"),
        (["--budget", "0", "--price", "1,5"], "--budget is 0; right are dollars, more than 0"),
        (["--budget", "5"], "--budget needs to know what tokens cost; right is --price 1,5 too"),
        (["--format", "xml"], "--format is 'xml'; right is one of jsonl, csv, tsv, parquet, lines"),
        (
            ["--encoding", "utf-16"],
            "--encoding is utf-16, whose lines are not told apart by bytes; right is one such as",
        ),
        (["--encoding", "klingon"], "--encoding is 'klingon', which Python does not know; right is one such as utf-8"),
        (["--resume"], "--resume needs a journal; right is --journal run.db too"),
        (["--key", "n"], "--key needs a journal; right is --journal run.db too"),
        (["--report", "x.html"], "--report needs a journal; right is --journal run.db too"),
        (["--failures", "in.csv"], "in.csv is both INPUT and --failures; right is another path for --failures"),
        (["--journal", "./out.csv"], "./out.csv is both --output and --journal; right is another path for --journal"),
        (["--frobnicate"], "frobnicate"),
    ],
)
def test_flags(run, arguments, line):
    """A flag whose value cannot be, or that does not go with the others."""
    assert line in run("-o", "out.csv", *arguments)


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("in.csv", "in.csv is both INPUT and --output; right is another path for --output"),
        ("out.xyz", "the ending of out.xyz says no format; right is --output-format jsonl|csv|tsv|parquet|lines"),
        ("out.json", "out.json may be one JSON value, which cannot be read row by row; right is a line for each row"),
        (
            "nowhere/out.csv",
            "nowhere/out.csv cannot be written: No such file or directory; right is a path in a folder",
        ),
    ],
)
def test_outputs(run, output, line):
    """An output that cannot be."""
    assert line in run("-o", output)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("none.csv", None, "none.csv cannot be read: No such file or directory; right is a file, or -"),
        ("bad.jsonl", b"n,m\n1,2\n", "bad.jsonl, line 1, is no jsonl (expected"),
        ("bad.csv", b"n,\xff\n1,2\n", "bad.csv, line 1, is no csv (not utf-8, invalid start byte at byte 2)"),
        ("twice.csv", b"n,n\n1,2\n", "twice.csv has more than one column 'n'; right are names that differ"),
        ("in.xml", b"<a/>", "the ending of in.xml says no format; right is --format jsonl|csv|tsv|parquet|lines"),
    ],
)
def test_inputs(run, tmp_path, name, content, line):
    """An input that cannot be read, or is of another format."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert line in run("-o", "out.csv", file=name)


def test_a_module_that_cannot_be_imported(here, work, tmp_path):
    """What goes wrong in it is one line that says where; `--debug` shows the traceback."""
    work("import json\nundefined")
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    line = said(here("run", "work.py:f", "in.txt"), 1)
    assert line == (
        "work.py cannot be imported: NameError: name 'undefined' is not defined (line 2 of work.py); --debug shows the "
        "traceback"
    )
    process = here("run", "work.py:f", "in.txt", "--debug")
    assert "Traceback" in process.stderr
    assert said(process, 1) == line
    work("def f(:")
    assert "(line 1 of work.py)" in said(here("run", "work.py:f", "in.txt"), 1)
    work("import nowhere_at_all")
    assert "ModuleNotFoundError: No module named 'nowhere_at_all'" in said(here("run", "work.py:f", "in.txt"), 1)


def test_a_function_that_is_none_to_call(here, work, tmp_path):
    """A coroutine function is refused with what would be right."""
    work("async def f(row): ...")
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    assert "asyncio.run(f(…))" in said(here("run", "work.py:f", "in.txt"), 2)
    work("def f(one, two): ...")
    line = said(here("run", "work.py:f", "in.txt"), 2)
    assert line.endswith("; right may be --kwargs, for the columns as arguments")


def test_files_of_other_kinds(here, work, tmp_path):
    """What is no file of failures is not replaced by one."""
    work("def f(row): return 1")
    for name in ("in.txt", "dear.txt"):
        (tmp_path / name).write_text("dear\n", encoding="utf-8")
    line = said(here("run", "work.py:f", "in.txt", "-o", "out.txt", "--failures", "dear.txt"), 2)
    assert line == "dear.txt is there, and holds no failures; right is another path for --failures"
    assert (tmp_path / "dear.txt").read_text(encoding="utf-8") == "dear\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk here")
def test_a_full_disk(here, work, tmp_path):
    """It ends the run with a line."""
    work("def f(row): return 1")
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    line = said(here("run", "work.py:f", "in.txt", "-o", "/dev/full"), 1)
    assert line == "/dev/full cannot be written: No space left on device"


def test_parquet_without_pyarrow(command, work, tmp_path):
    """The package that is missing is named with the command that installs it."""
    place = work("def f(row): return 1")
    (tmp_path / "in.parquet").write_bytes(b"PAR1")
    line = said(command.without("pyarrow", "run", f"{place}:f", tmp_path / "in.parquet"), 2)
    right = 'pip install "threadfan[parquet]", or another format'
    assert line == f"Parquet needs pyarrow, which cannot be imported; right is: {right}"
