"""`threadfan run` over many rows: memory does not grow with them."""

import os

import pytest

from support.command_line import said

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="only Linux tells the most memory used")

MEASURED = """
import re, sys
from threadfan.cli import main
status = main()
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
sys.exit(status)
"""


@pytest.mark.parametrize("journal", [False, True])
def test_memory_is_flat(command, work, tmp_path, journal):
    """Twenty thousand rows more take no more than a few megabytes more, though some fail and each is in a journal."""
    place = work("def f(row): return row['text'][:1] if int(row['n']) % 100 else 1 / 0")
    kilobytes = []
    for number in (1_000, 21_000):
        table = tmp_path / "in.csv"
        table.write_text("n,text\n" + "".join(f"{one},{'x' * 200}\n" for one in range(number)), encoding="utf-8")
        flags = ["-o", tmp_path / f"{number}.csv", *(["--journal", tmp_path / f"{number}.db"] if journal else [])]
        process = command("run", f"{place}:f", table, *flags, python=("-c", MEASURED))
        assert said(process, 1).startswith(f"{number // 100:,} failed: ZeroDivisionError")
        assert (tmp_path / f"{number}.csv").read_bytes().count(b"\n") == 1 + number - number // 100
        kilobytes.append(int(process.stdout))
    assert kilobytes[1] - kilobytes[0] < 6_000  # the rows as dicts would take twice as many
