"""Results in a file or on the standard output, each as it comes: whole lines, whatever ends the program.

A file begins anew with each run, when its first outcome is there: a run that is refused leaves the file as it was.
What earlier runs have done is in the journal, which hands it out again, so the file agrees with the journal when a run
has ended: nothing is lost, and nothing is there twice.
"""

from __future__ import annotations

import csv
import os
from contextlib import suppress
from io import StringIO
from typing import TYPE_CHECKING

from pydantic_core import to_json, to_jsonable_python

from threadfan._core.base.texts import harmless, text_of

from .errors import USAGE, CommandError
from .failures import emptied, opened_to_write, write_whole
from .formats import STANDARD
from .rows import INPUT, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .parquet import ParquetFile
    from .rows import Item, Result, Row


class UnfitError(Exception):
    """A result that does not fit into the file."""


class Sink:
    """Where results are written.

    Args:
        file: the path, or ``-``.
        format: one of ``FORMATS``.
        columns: a result as columns, for tables; beside a row.
        text: a result as a text, for lines.
    """

    def __init__(
        self,
        file: str,
        format: str,  # noqa: A002
        columns: Callable[[Result, Row], Row] = columns_of,
        text: Callable[[Result], object] = lambda value: value,
    ) -> None:
        self.file = file
        self._columns, self._text = columns, text
        self._parquet: ParquetFile | None = None
        self._names: list[str] | None = None  # of a table's columns
        self._delimiter = "\t" if format == "tsv" else ","
        self._line = {"jsonl": self._json, "csv": self._row, "tsv": self._row, "lines": self._plain}.get(format)
        self._is_text = format == "lines"
        self._is_shown = file == STANDARD and os.isatty(1)
        self._out = -1
        self.begun = False
        """Whether what was in the file is there no more."""
        self._is_new = not os.path.lexists(file)
        try:
            if format == "parquet":
                from .parquet import ParquetFile

                self._parquet = ParquetFile(file)
            else:
                self._out = os.dup(1) if file == STANDARD else opened_to_write(file)
        except BlockingIOError as error:
            raise CommandError(f"another run writes {file}; right is another -o, or to wait for it", USAGE) from error
        except OSError as error:
            right = "right is a path in a folder that is there and may be written"
            raise CommandError(f"{file} cannot be written: {error.strerror}; {right}", USAGE) from error

    def begin(self) -> None:
        """Begin the file anew; harmless if that was done."""
        if not self.begun:
            self.begun = True
            if self._out >= 0 and self.file != STANDARD:  # what others have written there is theirs
                emptied(self._out)

    def write(self, item: Item, value: Result) -> None:
        """Write one result.

        Raises:
            UnfitError: it does not fit into the table that the first has begun.
            CommandError: the file cannot be written any more.
        """
        self.begin()
        try:
            row = {} if self._is_text else self._record(item, value)
            line = b"" if self._line is None else self._line(row, value)
        except ValueError as error:  # of pydantic's, for one
            raise UnfitError(text_of(error)) from error
        if self._parquet is not None:
            self._parquet.write(row)
        else:
            if self._is_shown:
                line = harmless(line.decode(errors="replace")).encode()
            try:
                write_whole(self._out, line)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise CommandError(f"{self.file} cannot be written: {error.strerror}") from error

    def unfit(self) -> list[tuple[Row, str]]:
        """Rows that were found not to fit after they were written, and why; each is told once."""
        if self._parquet is None:
            return []
        found, self._parquet.unfit = self._parquet.unfit, []
        return found

    def finish(self) -> None:
        """Write what is left."""
        self.begin()
        if self._parquet is not None:
            self._parquet.close()

    def close(self) -> None:
        """Let go of the file; harmless if that was done."""
        if self._parquet is not None:
            self._parquet.give_up()
        out, self._out = self._out, -1
        if out >= 0:
            with suppress(OSError):
                if self._is_new and not self.begun and os.path.isfile(self.file):  # nothing has come of the run
                    os.unlink(self.file)
                os.close(out)

    def _record(self, item: Item, value: Result) -> Row:
        row = item if isinstance(item, dict) else {INPUT: item}
        return {**row, **self._columns(value, row)}

    # -- formats -----------------------------------------------------------------------------------------------------

    def _json(self, row: Row, _: Result) -> bytes:
        return to_json(row, bytes_mode="base64", inf_nan_mode="null") + b"\n"

    def _plain(self, _: Row, value: Result) -> bytes:
        text = self._text(value)
        data = text.encode() if isinstance(text, str) else to_json(text, bytes_mode="base64")
        return data if data.endswith(b"\n") else data + b"\n"

    def _row(self, found: Row, _: Result) -> bytes:
        head: list[list[str]] = []
        if self._names is None:
            self._names = list(found)
            head = [self._names]
        elif len(found) > len(self._names) or not found.keys() <= set(self._names):
            more = next(name for name in found if name not in self._names)
            raise UnfitError(
                f"it has the column {more!r}, and the header has not; right are the same columns for all, or JSON lines"
            )
        text = StringIO()
        writer = csv.writer(text, delimiter=self._delimiter, lineterminator="\n")
        writer.writerows([*head, [_cell(found.get(name)) for name in self._names]])
        return text.getvalue().encode()


def _cell(value: object) -> object:
    if value is None or isinstance(value, (str, int, float)):
        return ("true" if value else "false") if isinstance(value, bool) else value
    if isinstance(value, (list, dict)):
        return to_json(value, bytes_mode="base64").decode()
    plain = to_jsonable_python(value, bytes_mode="base64")
    return plain if isinstance(plain, (str, int, float)) else to_json(plain).decode()
