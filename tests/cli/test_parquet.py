"""Parquet files, in and out."""

import datetime
import decimal
import signal
import sys
import time

import pytest

from support.command_line import lines_of, said

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def _written(path, rows):
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def test_there_and_back(here, work, tmp_path):
    """Rows are handed on with their types, and written with them; results have types of their own."""
    work("def f(row): return {'length': len(row['text'] or ''), 'half': len(row['text'] or '') / 2, 'none': None}")
    rows = [
        {"text": "one", "day": datetime.date(2026, 1, 2), "money": decimal.Decimal("1.50"), "parts": [1, 2]},
        {"text": None, "day": None, "money": None, "parts": []},
    ]
    _written(tmp_path / "in.parquet", rows)
    assert here("run", "work.py:f", "in.parquet", "-o", "out.parquet", "-k").returncode == 0
    table = parquet.read_table(tmp_path / "out.parquet")
    found = [{"length": 3, "half": 1.5, "none": None}, {"length": 0, "half": 0.0, "none": None}]
    assert table.to_pylist() == [{**row, **more} for row, more in zip(rows, found, strict=True)]
    assert here("run", "work.py:f", "in.parquet", "-o", "out.jsonl", "-k").returncode == 0
    assert lines_of("out.jsonl")[0] == {
        "text": "one", "day": "2026-01-02", "money": "1.50", "parts": [1, 2], "length": 3, "half": 1.5, "none": None,
    }  # fmt: skip


def test_many_rows(here, work, tmp_path):
    """More than are written at once."""
    work("def f(row): return row['n'] * 2")
    _written(tmp_path / "in.parquet", [{"n": number} for number in range(5000)])
    assert said(here("run", "work.py:f", "in.parquet", "-o", "out.parquet"), 0).startswith("5,000 succeeded")
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert sorted(row["n"] for row in rows) == list(range(5000))
    assert all(row["result"] == 2 * row["n"] for row in rows)


def test_a_result_of_another_type(here, work, tmp_path):
    """What does not fit the types of the first rows goes to the failures, and nothing else is lost."""
    work("def f(row): return {'result': 'text'} if row['n'] == 2500 else {'more': 1} if row['n'] == 2501 else row['n']")
    _written(tmp_path / "in.parquet", [{"n": number} for number in range(3000)])
    process = here("run", "work.py:f", "in.parquet", "-o", "out.parquet", "-k")
    assert said(process, 1).startswith("2 failed: results that do not fit into the output (2 times)")
    assert process.stderr.splitlines()[0].startswith("threadfan: 2,998 succeeded, 2 failed")
    failures = lines_of("out.parquet.failed.jsonl")
    assert [one["input"]["n"] for one in failures] == [2500, 2501]
    assert parquet.read_metadata(tmp_path / "out.parquet").num_rows == 2998


def test_nothing(here, work, tmp_path):
    """A run without a result writes a file that can be read."""
    work("def f(row): return 1")
    (tmp_path / "in.csv").write_text("n\n", encoding="utf-8")
    assert here("run", "work.py:f", "in.csv", "-o", "out.parquet").returncode == 0
    assert parquet.read_table(tmp_path / "out.parquet").num_rows == 0


def test_another_kind_of_file(here, work, tmp_path):
    """It is refused before anything is called."""
    work("def f(row): return 1")
    (tmp_path / "in.parquet").write_text("n\n1\n", encoding="utf-8")
    assert said(here("run", "work.py:f", "in.parquet"), 2).startswith("in.parquet cannot be read as Parquet (")
    assert "needs a file, not -" in said(here("run", "work.py:f", "-", "--format", "parquet"), 2)


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
def test_ctrl_c(command, work, tmp_path):
    """What was done is a file that can be read, and the same command goes on."""
    place = work(f"import time\ndef f(row): open({str(tmp_path / 'calls')!r}, 'a').write('x'); time.sleep(0.01)")
    _written(tmp_path / "in.parquet", [{"n": number} for number in range(300)])
    flags = [tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--journal", tmp_path / "run.db", "-w", 2]
    with command.start("run", f"{place}:f", *flags) as process:
        end = time.monotonic() + 60
        while not (tmp_path / "calls").exists() or (tmp_path / "calls").stat().st_size < 50:
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert 0 < parquet.read_metadata(tmp_path / "out.parquet").num_rows < 300
    assert command("run", f"{place}:f", *flags).returncode == 0
    assert sorted(row["n"] for row in parquet.read_table(tmp_path / "out.parquet").to_pylist()) == list(range(300))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "calls", "in.parquet", "out.parquet", "run.db", "work.py",
    ]  # fmt: skip
