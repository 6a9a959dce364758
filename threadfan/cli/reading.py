"""Inputs from a file or from standard input, taken one by one: a million rows need no more memory than a few.

A line that cannot be read ends nothing: it is told to ``unreadable``, and the next is taken.  The first is an
exception: a file that is of another format is refused before anything is called.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from pydantic_core import from_json

from threadfan._core.base.texts import shortened, text_of

from .errors import USAGE, CommandError
from .failures import input_of
from .formats import STANDARD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .rows import Item

_BOM = b"\xef\xbb\xbf"
_QUOTED = re.compile(r'"[^"]*"?')
_LONGEST_CELL = 1 << 24  # characters; arbitrary: more than any model reads, and a quote that is never closed ends there


class Unreadable(NamedTuple):
    """A line that is no input."""

    line: int
    text: str
    why: str


def _ignored(_: object) -> None:
    """Is told, and says nothing."""


class Source:
    """The inputs of a run.

    Args:
        stack: closes the file.
        file: its path, or ``-``.
        format: one of ``FORMATS``.
        encoding: of its text.
    """

    def __init__(self, stack: ExitStack, file: str, format: str, encoding: str = "utf-8") -> None:  # noqa: A002
        self.file = file
        self.name = "the standard input" if file == STANDARD else file
        self.format = format
        self.columns: tuple[str, ...] | None = None
        """The names of a table's columns, once it is opened."""
        self.unreadable: Callable[[Unreadable], object] = _ignored
        """Is told of lines that cannot be read."""
        self.is_slow = False
        """Whether it is a pipe or a terminal, for which one may have to wait."""
        self._encoding = _checked_encoding(encoding)
        self._opened = self._open(stack)
        self._first: list[Item] = []
        self._delimiter = "\t" if format == "tsv" else ","
        if format == "parquet":
            from .parquet import ParquetRows

            self._rows: Iterator[Item] = iter(ParquetRows(file, self._opened))
            self.columns = tuple(ParquetRows(file, self._opened).names)
        else:
            self._lines = 0
            self._rows = {"jsonl": self._json, "csv": self._table, "tsv": self._table, "lines": self._texts}[format]()
            self._begin()

    @property
    def is_table(self) -> bool:
        """Whether its rows have columns, as far as is known."""
        return self.columns is not None or bool(self._first and isinstance(self._first[0], dict))

    def first(self) -> object:
        """The first input, which is still to come; None if there is none."""
        if not self._first:
            self._first = [one for _, one in zip(range(1), self._rows, strict=False)]
        return self._first[0] if self._first else None

    def __iter__(self) -> Iterator[Item]:
        while self._first:
            yield self._first.pop()
        yield from self._rows

    def count(self) -> int | None:
        """How many inputs there will be; None if that is known only when they have come."""
        if self.file == STANDARD or self.is_slow:
            return None
        if self.format == "parquet":
            from .parquet import ParquetRows

            return ParquetRows(self.file, self._opened).number
        with open(self.file, "rb") as file:
            if self.format in ("csv", "tsv"):
                lines = (line.decode(self._encoding, "replace") for line in file)
                return max(0, sum(1 for row in self._cells(lines, _ignored) if row) - 1)
            return sum(1 for line in file if not line.isspace())

    # -- opening -----------------------------------------------------------------------------------------------------

    def _open(self, stack: ExitStack) -> BinaryIO:
        try:
            # A copy of standard input: a thread that waits for it at the end holds the one that the interpreter closes.
            found = open(os.dup(0) if self.file == STANDARD else self.file, "rb")  # noqa: SIM115 -- closed by the stack
            self.is_slow = not S_ISREG(os.fstat(found.fileno()).st_mode)
            if not self.is_slow:  # else a thread may wait for it
                stack.enter_context(found)
            return found
        except OSError as error:
            raise CommandError(f"{self.file} cannot be read: {error.strerror}; right is a file, or -", USAGE) from error

    def _begin(self) -> None:
        """Look at the first row, so that what is of another format is refused."""
        if self.format != "lines":
            with self._refusing():
                self.first()

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        found: list[Unreadable] = []
        self.unreadable = found.append
        yield
        self.unreadable = _ignored
        if found:
            line, text, why = found[0]
            raise CommandError(
                f"{self.name}, line {line}, is no {self.format} ({why}): {shortened(text, 60)!r}; right is another "
                "--format or --encoding, or to mend it",
                USAGE,
            )

    # -- formats -----------------------------------------------------------------------------------------------------

    def _raw_lines(self) -> Iterator[str]:
        self._lines = 0
        for raw in self._opened:
            self._lines += 1
            line = raw.removeprefix(_BOM) if self._lines == 1 else raw
            try:
                yield line.decode(self._encoding)
            except UnicodeDecodeError as error:
                why = f"not {self._encoding}, {error.reason} at byte {error.start}"
                self._tell(line.decode(self._encoding, "replace"), why)

    def _texts(self) -> Iterator[str]:
        for line in self._raw_lines():
            text = line.rstrip("\r\n")
            if text.strip():
                yield text

    def _json(self) -> Iterator[Item]:
        for text in self._texts():
            try:
                yield input_of(from_json(text))
            except ValueError as error:
                self._tell(text, text_of(error))

    def _cells(self, lines: Iterator[str], told: Callable[[str], object]) -> Iterator[list[str]]:
        csv.field_size_limit(_LONGEST_CELL)
        rows = csv.reader(lines, delimiter=self._delimiter, strict=True)
        while True:
            try:
                yield next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                told(text_of(error))

    def _table(self) -> Iterator[dict[str, str | None]]:
        lines = self._raw_lines()
        head = next((line for line in lines if not line.isspace()), "")
        if self.format == "csv" and "," not in head and ";" in _QUOTED.sub("", head):
            self._delimiter = ";"  # as spreadsheets write it where the comma is in numbers
        rows = self._cells(chain([head] if head else [], lines), partial(self._tell, ""))
        names = next(filter(None, rows), [])
        self.columns = _checked_names(self.name, names)
        for cells in rows:
            if not cells:
                continue
            if len(cells) > len(names):
                self._tell(self._delimiter.join(cells), f"it has {len(cells)} cells, and the header has {len(names)}")
                continue
            missing = len(names) - len(cells)
            yield dict(zip(names, cells + [None] * missing if missing else cells, strict=True))

    def _tell(self, text: str, why: str) -> None:
        self.unreadable(Unreadable(self._lines, text, why))


def _checked_names(name: str, names: list[str]) -> tuple[str, ...]:
    twice = sorted(one for one, times in Counter(names).items() if times > 1)
    if twice:
        raise CommandError(f"{name} has more than one column {twice[0]!r}; right are names that differ", USAGE)
    return tuple(names)


def _checked_encoding(encoding: str) -> str:
    try:
        if "\n".encode(encoding) == b"\n":
            return encoding
        why = f"is {encoding}, whose lines are not told apart by bytes"
    except LookupError:
        why = f"is {encoding!r}, which Python does not know"
    raise CommandError(f"--encoding {why}; right is one such as utf-8, latin-1 or cp1252", USAGE)
