"""The table, with rich where it is installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks.report import HEADS, row

if TYPE_CHECKING:
    from benchmarks.report import Report


def show(report: Report) -> None:
    """Prints the machine, the table and the notes."""
    rows = [row(figure) for _, figure in report.figures]
    print(*report.head(), "", sep="\n")
    # A pipe is 80 columns wide to rich, too few for the table.
    (_rich if sys.stdout.isatty() and find_spec("rich") else _plain)(rows)
    print("", *report.foot(), sep="\n")


def _rich(rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*HEADS)
    for cells in rows:
        table.add_row(*cells, style="bold red" if cells[-1] == "NO" else None)
    Console().print(table)


def _plain(rows: list[tuple[str, ...]]) -> None:
    lines = [HEADS, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for cells in lines:
        print(" | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
