"""Parquet files, by pyarrow."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from threadfan._core.base.packages import install
from threadfan._core.base.texts import shortened, text_of

from .errors import USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .rows import Row

Library: TypeAlias = Any
"""pyarrow, which need not be installed, and what it makes."""

_AT_ONCE = 1000  # rows that are read, or written, together; arbitrary: some megabytes of text


def _pyarrow() -> tuple[Library, Library]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "pyarrow":
            raise
        raise CommandError(
            f"Parquet needs pyarrow, which cannot be imported; right is: {install('parquet')}, or another format", USAGE
        ) from error


class ParquetRows:
    """The rows of a file."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        pyarrow, parquet = _pyarrow()
        try:
            self._file = parquet.ParquetFile(file)
        except (pyarrow.ArrowException, OSError) as error:
            text = shortened(text_of(error), 150)
            raise CommandError(
                f"{name} cannot be read as Parquet ({text}); right may be another --format", 2
            ) from error

    @property
    def names(self) -> list[str]:
        """Of its columns."""
        names: list[str] = self._file.schema_arrow.names
        return names

    @property
    def number(self) -> int:
        """Of its rows."""
        number: int = self._file.metadata.num_rows
        return number

    def __iter__(self) -> Iterator[Row]:
        for batch in self._file.iter_batches(batch_size=_AT_ONCE):
            yield from batch.to_pylist()


class ParquetFile:
    """A file that is written.

    What is there already is replaced when the last row is written: a Parquet file without its end cannot be read.
    The first rows decide of which types the columns are.
    """

    def __init__(self, path: str) -> None:
        self._arrow, self._parquet = _pyarrow()
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self._path, self._part = path, f"{path}.{os.getpid()}.part"
        with open(self._part, "wb"):  # so that it is known now whether it can be written
            pass
        self._writer: Library = None
        self._rows: list[Row] = []
        self.unfit: list[tuple[Row, str]] = []
        """Rows that did not fit, and why."""

    def write(self, row: Row) -> None:
        """Write one row, now or together with others."""
        self._rows.append(row)
        if len(self._rows) >= _AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if self._writer is None:
            names = list(dict.fromkeys(name for row in rows for name in row))
            table = self._arrow.Table.from_pylist([{name: row.get(name) for name in names} for row in rows])
            fields = [
                self._arrow.field(field.name, self._arrow.string() if str(field.type) == "null" else field.type)
                for field in table.schema
            ]
            schema = self._arrow.schema(fields)
            self._writer = self._parquet.ParquetWriter(self._part, schema)
            self._writer.write_table(table.cast(schema))
            return
        try:
            self._writer.write_table(self._table(rows))
        except self._arrow.ArrowException:
            for row in rows:
                try:
                    self._writer.write_table(self._table([row]))
                except self._arrow.ArrowException as error:
                    self.unfit.append((row, text_of(error)))

    def _table(self, rows: list[Row]) -> Library:
        known = set(self._writer.schema.names)
        for row in rows:
            more = [name for name in row if name not in known]
            if more:
                raise self._arrow.ArrowInvalid(f"the first rows had no column {more[0]!r}")
        return self._arrow.Table.from_pylist(rows, schema=self._writer.schema)

    def close(self) -> None:
        """Write what is left, and the end."""
        if self._rows or self._writer is None:
            self._flush()
        self._writer.close()
        os.replace(self._part, self._path)

    def give_up(self) -> None:
        """Leave no part behind; harmless after ``close``."""
        with suppress(OSError):
            os.unlink(self._part)
