"""The flags that ``run``, ``ask`` and ``exec`` share, checked before anything is called."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from threadfan import Budget, RateLimit
from threadfan._core.base.arguments import read_rate
from threadfan._core.base.texts import brief
from threadfan._core.batches.halting import Halt

from .errors import USAGE, CommandError, Debugging
from .formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

_FILES, _CALLS, _JOURNAL = "Files", "Calls", "Going on, and looking back"
SECONDS = "SECONDS"
"""What stands for a number of these in the help."""
_NO_END = 1e12  # dollars
MOST_WORKERS = 10_000  # arbitrary: more threads than that are a slip of the hand


def _formats(incomplete: str) -> list[str]:
    return [name for name in FORMATS if name.startswith(incomplete)]


def _debug(wanted: bool) -> bool:
    Debugging.wanted = Debugging.wanted or wanted
    return wanted


Debug = Annotated[
    bool, typer.Option("--debug", callback=_debug, is_eager=True, help="Show the traceback of an error, too.")
]


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """What the user says of a run besides what is called; the texts are its help.

    Attributes are as they stand on the command line; ``checked`` looks at them.
    """

    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where results go; - is standard output.", rich_help_panel=_FILES
        ),
    ] = "-"
    format: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            autocompletion=_formats,
            help=f"Of INPUT, where its ending does not say it: {', '.join(FORMATS)}.",
            rich_help_panel=_FILES,
        ),
    ] = None
    output_format: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", autocompletion=_formats, help="The same of the output.", rich_help_panel=_FILES),
    ] = None
    encoding: Annotated[str, typer.Option(help="Of INPUT's text.", rich_help_panel=_FILES)] = "utf-8"
    failures: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where inputs go that have failed; it can be the INPUT of a run.",
            show_default="OUTPUT.failed.jsonl",
            rich_help_panel=_FILES,
        ),
    ] = None
    keep_order: Annotated[
        bool,
        typer.Option("--keep-order", "-k", help="Write results in the order of the inputs.", rich_help_panel=_FILES),
    ] = False
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            "-w",
            help="Calls that run at once.",
            show_default="CPUs + 4, at most 32",
            rich_help_panel=_CALLS,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar=SECONDS,
            help="How long each attempt of a call may take.",
            show_default="no limit; 600 for ask",
            rich_help_panel=_CALLS,
        ),
    ] = None
    total_timeout: Annotated[
        float | None,
        typer.Option(
            metavar=SECONDS,
            help="How long all attempts of a call may take, with the waits between them.",
            show_default="no limit",
            rich_help_panel=_CALLS,
        ),
    ] = None
    retry: Annotated[
        int | None,
        typer.Option(help="How often a call is tried again.", show_default="see above", rich_help_panel=_CALLS),
    ] = None
    rate: Annotated[
        str | None,
        typer.Option(metavar="N/UNIT", help="Calls that may begin: 50/min, 10/s, 3000/h.", rich_help_panel=_CALLS),
    ] = None
    halt: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN,WHAT=N",
            help="Stop early: soon,fail=5 begins no call after five have failed, now,fail=10% ends those that run too.",
            rich_help_panel=_CALLS,
        ),
    ] = None
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Keep each result there; the same command goes on where it was.",
            rich_help_panel=_JOURNAL,
        ),
    ] = None
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--fresh",
            " /--no-resume",
            help="Go on with the journal, or forget it and replace OUTPUT.",
            show_default="go on if it is there",
            rich_help_panel=_JOURNAL,
        ),
    ] = None
    key: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN,…",
            help="By which columns the journal knows a row.",
            show_default="all",
            rich_help_panel=_JOURNAL,
        ),
    ] = None
    journal_version: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Of what is called: results of other versions are not taken.",
            rich_help_panel=_JOURNAL,
        ),
    ] = None
    report: Annotated[
        str | None,
        typer.Option(metavar="FILE.html", help="Write a page that shows what happened.", rich_help_panel=_JOURNAL),
    ] = None
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Call nothing: show which inputs would be called.", rich_help_panel=_JOURNAL),
    ] = False
    price: Annotated[
        str | None,
        typer.Option(
            metavar="IN,OUT",
            help="Dollars for a million tokens in and out, to say what it costs.",
            show_default="for ask those of genai-prices, if that is installed",
            rich_help_panel=_JOURNAL,
        ),
    ] = None
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="USD", help="Dollars that this run may cost; then no further call begins.", rich_help_panel=_JOURNAL
        ),
    ] = None
    progress: Annotated[
        bool | None,
        typer.Option(
            "--progress/--no-progress", help="Show a bar.", show_default="on a terminal", rich_help_panel=_JOURNAL
        ),
    ] = None
    debug: Debug = False

    def checked(self) -> BatchOptions:
        """The same, if all of it can be.

        Raises:
            CommandError: something cannot be.
        """
        if self.workers is not None and not 1 <= self.workers <= MOST_WORKERS:
            raise CommandError(f"--workers is {self.workers}; right are 1 to {MOST_WORKERS}", USAGE)
        for flag, seconds in (("--timeout", self.timeout), ("--total-timeout", self.total_timeout)):
            if seconds is not None and not 0 < seconds < float("inf"):
                raise CommandError(f"{flag} is {seconds:g}; right is more than 0 seconds", USAGE)
        if self.retry is not None and not 0 <= self.retry <= 1000:
            raise CommandError(f"--retry is {self.retry}; right are 0 to 1000", USAGE)
        for flag, given in (
            ("--resume", bool(self.resume)),
            ("--key", self.key is not None),
            ("--journal-version", self.journal_version is not None),
            ("--report", self.report is not None),
        ):
            if given and self.journal is None:
                raise CommandError(f"{flag} needs a journal; right is --journal run.db too", USAGE)
        if self.budget is not None and not 0 < self.budget < float("inf"):
            raise CommandError(f"--budget is {self.budget:g}; right are dollars, more than 0", USAGE)
        self.rate_limit(), self.halting()  # for what they raise
        return self

    def rate_limit(self) -> RateLimit | None:
        """What ``--rate`` says."""
        if self.rate is None:
            return None
        found = read_rate(self.rate)
        if found is None or not float(found[0]) > 0:
            raise CommandError(
                f"--rate is {brief(self.rate)}; right is a number greater than 0 and a unit: 50/min, 10/s or 3000/h",
                USAGE,
            )
        number, per_minute = found
        if per_minute is None:
            raise CommandError(
                f"--rate is {brief(self.rate)}, which names no unit; right is {number}/s or {number}/min", USAGE
            )
        return RateLimit(per_minute)

    def money(self, model: str | None = None, *, endless: bool = False) -> Budget | None:
        """What counts the dollars that are spent, up to ``--budget``; None if nothing says what tokens cost.

        Args:
            model: for which the library genai-prices knows it, where ``--price`` does not say so.
            endless: whether it only counts.
        """
        try:
            prices = None if self.price is None else tuple(map(float, self.price.split(",")))
            if prices is not None or model is not None:
                return Budget(usd=_NO_END if endless or self.budget is None else self.budget, prices=prices)
        except (TypeError, ValueError) as error:
            raise CommandError(
                f"--price is {brief(self.price)}; right are dollars for a million tokens in and out, as 1,5", USAGE
            ) from error
        except ImportError:
            pass  # then nobody has asked for it, or it is said below
        if self.budget is not None:
            raise CommandError("--budget needs to know what tokens cost; right is --price 1,5 too", USAGE)
        return None

    def halting(self) -> Halt | None:
        """What ``--halt`` says."""
        try:
            return None if self.halt is None else Halt(self.halt)
        except ValueError as error:
            raise CommandError(f"--{error}", USAGE) from error

    def but(self, **changes: str | float) -> BatchOptions:
        """With some changed that the user has not given."""
        return replace(self, **{name: value for name, value in changes.items() if getattr(self, name) is None})  # type: ignore[arg-type]  # whoever calls knows


def with_batch_options(command: Callable[..., int]) -> Callable[..., int]:
    """A command that takes these flags besides its own, and is given them as ``options``."""
    hints = get_type_hints(BatchOptions, include_extras=True)
    own = signature(command, eval_str=True).parameters
    names = [field.name for field in fields(BatchOptions)]

    @wraps(command)
    def called(**values: Any) -> int:
        options = BatchOptions(**{name: values.pop(name) for name in names})
        return command(**values, options=options.checked())

    parameters = [one for name, one in own.items() if name != "options"] + [
        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name])
        for field in fields(BatchOptions)
    ]
    called.__signature__ = Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    del called.__wrapped__  # else its parameters would be looked at
    return called
