"""The files of a run besides its input: which they are, and that none of them is another."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from threadfan import JournalError
from threadfan._core.base.packages import install
from threadfan._core.base.texts import masked, text_of
from threadfan._core.journal.claims import Claims
from threadfan._core.journal.database import opened_to_read

from . import outputs
from .errors import USAGE, CommandError
from .failures import ENDING
from .formats import STANDARD, format_of

if TYPE_CHECKING:
    from .options import BatchOptions
    from .reading import Source
    from .rows import Item, Row

_BESIDE = ("-wal", "-shm", "-claims")  # what belongs to a journal
_OURS = b'<meta name="generator" content="threadfan">'  # in the head of each page


@dataclass(frozen=True, kw_only=True)
class Files:
    """Paths, checked.

    Attributes:
        output: where results go.
        output_format: in which format.
        failures: where inputs go that have failed; None for nowhere.
        journal: the journal, if there is one.
        going_on: whether it is gone on with.
        report: the page to write, if there is one.
        columns: by which the journal knows rows; None for all that is in them.
        version: what the user says of it.
    """

    output: str
    output_format: str
    failures: str | None
    journal: str | None
    going_on: bool
    report: str | None
    columns: tuple[str, ...] | None
    version: str | None

    @classmethod
    def of(cls, source: Source, options: BatchOptions) -> Files:
        """Those that the user says.

        Raises:
            CommandError: one would be written over another, or over what is not to be lost.
        """
        like_input = source.format if source.format == "lines" and options.output == STANDARD else "jsonl"
        output_format = format_of(options.output, options.output_format, "--output-format", like_input)
        failures = options.failures
        if failures is None and options.output != STANDARD and _is_plain(options.output):
            failures = f"{options.output}{ENDING}"
        columns = None if options.key is None else tuple(filter(None, map(str.strip, options.key.split(","))))
        _check_columns(source, columns)
        named = {
            "INPUT": source.file,
            "--output": options.output,
            "--failures": failures,
            "--journal": options.journal,
            "--report": options.report,
        }
        _check_different({name: path for name, path in named.items() if path is not None and path != STANDARD})
        found = cls(
            output=options.output,
            output_format=output_format,
            failures=failures,
            journal=options.journal,
            going_on=options.resume is not False and _has_content(options.journal),
            report=options.report,
            columns=columns,
            version=options.journal_version,
        )
        if options.report is not None:
            if find_spec("plotly") is None:
                needs = f"--report needs plotly, which cannot be imported; right is: {install('draw')}"
                raise CommandError(needs, USAGE)
            check_page(options.report, "--report")
        if options.resume and not found.going_on:
            raise CommandError(
                f"there is no journal {options.journal} to go on with; right is to leave --resume out", USAGE
            )
        if not options.dry_run:
            found.check(fresh=options.resume is False)
        return found

    @property
    def output_name(self) -> str:
        """As it is told."""
        return "the standard output" if self.output == STANDARD else self.output

    def check(self, *, fresh: bool) -> None:
        """Check the journal, and refuse to write over results that it has not.

        Args:
            fresh: whether both are to be replaced.

        Raises:
            CommandError: it is no journal, or it is another's.
        """
        is_there = self._is_file and _has_content(self.output)
        if self.journal is not None and self.going_on:
            outputs.check(self.journal, self.output if is_there else None)
        elif self.journal is not None and fresh and _has_content(self.journal):
            self._check_forgettable(self.journal)
        elif is_there and not fresh:
            raise CommandError(
                f"{self.output} is there, and no journal knows what is in it; right is another -o, or --fresh to "
                "replace it",
                USAGE,
            )

    @property
    def _is_file(self) -> bool:
        return self.output != STANDARD and _is_plain(self.output)

    @staticmethod
    def _check_forgettable(journal: str) -> None:
        try:
            opened_to_read(journal).close()  # only what is a journal is removed
            if _in_use(journal):
                raise CommandError(f"--fresh cannot forget {journal}: another run is at it; right is to end that")
        except (JournalError, OSError) as error:
            raise CommandError(f"--fresh cannot forget {journal}: {text_of(error)}", USAGE) from error

    def begin(self) -> None:
        """Forget the journal if it is not to be gone on with, and note what its output is."""
        if self.journal is None:
            return
        if not self.going_on and _has_content(self.journal):
            try:
                os.unlink(self.journal)
            except OSError as error:
                raise CommandError(f"--fresh cannot forget {self.journal}: {text_of(error)}", USAGE) from error
            for ending in _BESIDE:
                with suppress(OSError):
                    os.unlink(f"{self.journal}{ending}")
        outputs.note(self.journal, self.output if self._is_file else None)

    def journal_options(self, version: str | None) -> Row:
        """As ``Fan.stream`` takes them.

        Args:
            version: of what is called, besides what the user says.
        """
        if self.journal is None:
            return {}
        versions = [one for one in (self.version, version) if one is not None]
        columns = self.columns

        def key(row: Item) -> object:
            if not isinstance(row, dict):
                raise CommandError(f"--key names columns, and an input has none: {row!r:.60}", USAGE)
            return [row.get(column) for column in columns or ()]

        return {
            "journal": self.journal,
            "key": None if columns is None else key,
            "version": "; ".join(versions) if versions else None,
        }

    def has_only_others(self, version: str | None) -> bool:
        """Whether the journal has results, and no run had this version of what is called.

        False if the user names versions himself: then he knows.
        """
        if self.journal is None or version is None or self.version is not None or not self.going_on:
            return False
        query = "SELECT EXISTS (SELECT 1 FROM results) AND NOT EXISTS (SELECT 1 FROM runs WHERE version = ?)"
        try:
            with closing(opened_to_read(self.journal)) as database:
                return database.do(query, (masked(version),)) == [(1,)]
        except JournalError:  # is told by whoever reads the results
            return False

    def write_report(self) -> str | None:
        """The page that shows what happened; its path."""
        if self.report is None or self.journal is None:
            return None
        write_page(self.journal, self.report)
        return self.report


def check_page(page: str, flag: str) -> None:
    """Check that a page can be written, and that nothing but an older one is replaced by it.

    Args:
        flag: by which it is named.

    Raises:
        CommandError: that is not so.
    """
    if os.path.isdir(page):
        raise CommandError(f"{flag} is {page}, which is a folder; right is the path of a file in it", USAGE)
    folder = os.path.dirname(page) or os.curdir
    if not os.access(page if os.path.exists(page) else folder, os.W_OK):
        raise CommandError(
            f"{flag} is {page}, which cannot be written; right is a path in a folder that is there and may be written",
            USAGE,
        )
    if os.path.isfile(page) and _has_content(page):
        with open(page, "rb") as file:
            if _OURS not in file.read(1000):
                raise CommandError(
                    f"{flag} is {page}, which is there and is no page of a report; right is another path, or to move "
                    "it away",
                    USAGE,
                )


def write_page(journal: str, page: str, status: int = 1) -> None:
    """Write the page of a journal, or of a saved report.

    Args:
        status: the exit status if there is none.

    Raises:
        CommandError: it cannot be.
    """
    from threadfan import Report

    try:
        Report.load(journal).to_html(page, title=os.path.basename(journal))
    except JournalError as error:
        raise CommandError(text_of(error), status) from error
    except ImportError as error:
        raise CommandError(text_of(error)) from error
    except OSError as error:
        raise CommandError(f"{page} cannot be written: {error.strerror}; right is a path that may be") from error


def _in_use(journal: str) -> bool:
    claims = Claims(journal)
    claims.open()
    try:
        return claims.others
    finally:
        claims.close()


def _is_plain(path: str) -> bool:
    """Whether it is a file, or nothing yet; no pipe, and not /dev/null."""
    return os.path.isfile(path) or not os.path.exists(path)


def _has_content(path: str | None) -> bool:
    return path is not None and os.path.exists(path) and os.path.getsize(path) > 0


def _check_columns(source: Source, columns: tuple[str, ...] | None) -> None:
    missing = [one for one in columns or () if source.columns is not None and one not in source.columns]
    if missing:
        known = ", ".join(source.columns or ())
        raise CommandError(
            f"--key names {missing[0]!r}, and {source.name} has no such column; right are {known}", USAGE
        )


def _check_different(named: dict[str, str]) -> None:
    seen: dict[str, str] = {}
    for name, path in named.items():
        place = os.path.realpath(path)
        if place in seen and _is_plain(path):
            raise CommandError(f"{path} is both {seen[place]} and {name}; right is another path for {name}", USAGE)
        seen[place] = name
