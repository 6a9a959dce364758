"""Prints what it takes to go on with a journal that has all results: ``resume PATH ITEMS WAY``."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from time import perf_counter

from benchmarks.children.memory import resident
from threadfan import Fan
from threadfan._core.base.static import describe
from threadfan._core.journal.digests import Digests

WORKERS = 8
CALLED: list[str] = []
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def question(number: int) -> str:
    """One of the items."""
    return f"question number {number}"


def answer(item: str) -> str:
    """What is called on each."""
    CALLED.append(item)
    return "an answer of some words"


def filled(path: str, number: int) -> None:
    """Make the journal, as a run of so many items would leave it."""
    with Fan(1) as fan:
        fan.run(answer, [question(0)], journal=path)
    digests = Digests(describe(answer), None, None)
    rows = ((digests.of(question(place)), place, b'"an answer of some words"') for place in range(1, number))
    query = "INSERT INTO results (key, run, place, value, started, ended, worker) VALUES (?, 1, ?, ?, 0, 0, 'w')"
    with closing(sqlite3.connect(path)) as database:
        database.executemany(query, rows)
        database.commit()


def main(path: str, number: int, way: str) -> dict[str, float]:
    """Seconds, and megabytes at the most besides the items."""
    items = [question(place) for place in range(number)]
    with Fan(WORKERS, timeout=30) as fan:
        fan.run(answer, items[:10], journal=path)  # what is imported on first use
        before = resident()
        if _RESET.exists():
            _RESET.write_text("5", encoding="ascii")
        start = perf_counter()
        if way == "run":
            fan.run(answer, items, journal=path)
        else:
            for _ in fan.stream(answer, items, journal=path):
                pass
        seconds = perf_counter() - start
    if CALLED:
        raise RuntimeError(f"{len(CALLED)} items had no result")
    return {"seconds": seconds, "megabytes": _most() - before}


def _most() -> float:
    """Megabytes in memory at the most, since that was reset; now, where the system does not say so."""
    if not _STATUS.exists():
        return resident()
    lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM:")) * 1.024


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
