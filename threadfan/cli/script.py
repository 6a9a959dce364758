"""``python -m threadfan SCRIPT``: a program that uses ``concurrent.futures``, with fans in the place of its pools."""

from __future__ import annotations

import atexit
import json
import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from threadfan._core.base.packages import install as command_to_install
from threadfan._core.base.places import CommandLine
from threadfan._core.base.texts import text_of

from .advised import in_flags
from .attached import Attach, clients_named
from .ctrl_c import interrupt_fans
from .errors import USAGE, CommandError
from .invoking import invoke
from .options import SECONDS, BatchOptions, Debug
from .program import Program
from .tally import say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from threadfan import Outcome, Report
    from threadfan.dropin.installation import Installation

SETTINGS = {"allow_interspersed_args": False}
"""Of the command: what follows the script is the script's, whatever it looks like."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """What is to be run, and how."""

    program: Program
    options: BatchOptions
    attach: Sequence[str]
    sequential: bool
    compare: bool
    report: str | None
    summary: bool
    figures: str | None
    """Where the seconds go that it takes, for a comparison."""

    def run(self) -> int:
        """Run it, in the place of this program.

        Returns:
            The exit status, if it has come to its end.

        Raises:
            BaseException: what has ended it early; the interpreter is to deal with that.
        """
        if self._misplaced() and self.figures is None:  # else the comparison has said it
            say(self._misplaced())
        if self.compare:
            from .comparing import compare

            return compare(self.program, self._flags(), self._idle())
        from threadfan import install

        options = self.options
        if self.sequential and self.summary and self._idle():
            say(f"without threads {self._idle()}")
        CommandLine.attaches = True
        installation = install(
            options.workers,
            timeout=options.timeout,
            total_timeout=options.total_timeout,
            retry=options.retry,
            rate=options.rate_limit(),
            attach=self.attach,
            sequential=self.sequential,
        )
        # First: what is registered later is called before, and so is the end of all calls.
        atexit.register(self._finish, installation, os.getpid(), time.monotonic())
        interrupt_fans()
        if self.figures is not None:
            sys.excepthook = _show_no_interrupt
        self.program.run()
        return 0

    def _idle(self) -> str:
        """Which options are given that do not hold without threads, in words."""
        flags = [one for one in ("--timeout", "--total-timeout", "--retry", "--rate") if one in self._flags()]
        return f"{_enumerated(flags)} {'do' if len(flags) > 1 else 'does'} not hold" if flags else ""

    def _misplaced(self) -> str:
        """Options of this command that stand behind the script, in words."""
        known = {
            "--workers",
            "--timeout",
            "--total-timeout",
            "--retry",
            "--rate",
            "--attach",
            "--report",
            "--sequential",
        }
        known |= {"--compare", "--no-summary"}
        names = dict.fromkeys(one.partition("=")[0] for one in self.program.arguments)
        flags = [one for one in names if one in known.difference(self._flags())]
        what = "went to the script, as they stand" if len(flags) > 1 else "went to the script, as it stands"
        return f"{_enumerated(flags)} {what} behind its name; threadfan's own stand before it" if flags else ""

    def _flags(self) -> list[str]:
        """What the user has said of threads, as flags."""
        options = self.options
        flags: list[tuple[str, object]] = [
            ("--workers", options.workers), ("--timeout", options.timeout),
            ("--total-timeout", options.total_timeout), ("--retry", options.retry), ("--rate", options.rate),
            ("--report", self.report), *(("--attach", name) for name in self.attach),
        ]  # fmt: skip
        given = [text for flag, value in flags if value is not None for text in (flag, str(value))]
        return given if self.summary else [*given, "--no-summary"]

    def _finish(self, installation: Installation, process: int, begun: float) -> None:
        """The interpreter ends, and all calls have ended before."""
        if os.getpid() != process:  # the child of a fork
            return
        seconds = time.monotonic() - begun
        report = installation.report()
        if self.report is not None:
            try:
                report.to_html(self.report, title=os.path.basename(self.program.target))
            except (ImportError, OSError) as error:
                say(f"{self.report} cannot be written: {text_of(error)}")
        if self.summary:
            workers = installation.swap.own_workers < installation.swap.made
            for line in installation.lines(report, partial(in_flags, workers=workers)):
                say(line)
            if self.report is not None:
                say(f"see {self.report}")
        if self.figures is not None:
            with open(self.figures, "w", encoding="utf-8") as file:
                figures = {
                    "seconds": seconds,
                    "executors": installation.swap.made,
                    "cut": list(map(_named, _cut(report))),
                }
                json.dump(figures, file)


def _cut(report: Report[object]) -> list[Outcome[object]]:
    """Calls that ran when the program was interrupted."""
    return [one for one in report if one.status == "cancelled" and one.started is not None]


def _named(outcome: Outcome[object]) -> str:
    return f"{outcome.name} ({outcome.duration:.1f} s)"


def _enumerated(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))


def _show_no_interrupt(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Of a run that is compared, whose end is told in a line."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)


def asked_for(arguments: Sequence[str]) -> int | Script:
    """What the arguments of the command ask for; an exit status if nothing is to be run.

    Raises:
        CommandError: a flag is wrong, or there is no such script.
    """
    alone = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    alone.command(context_settings=SETTINGS)(script)
    found = invoke(alone, arguments, "threadfan script")
    return found if isinstance(found, Script) else 0


def script(
    target: Annotated[str, typer.Argument(metavar="SCRIPT", help="A Python file, or with -m the name of a module.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGS", help="The script's own, options among them.")
    ] = None,
    *,
    is_module: Annotated[bool, typer.Option("-m", help="SCRIPT is a module, as for python -m.")] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-w", help="Calls that run at once, of an executor that does not say it."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar=SECONDS, help="How long each attempt of a call may take.")
    ] = None,
    total_timeout: Annotated[
        float | None,
        typer.Option(metavar=SECONDS, help="How long all its attempts may take, with the waits between them."),
    ] = None,
    retry: Annotated[int | None, typer.Option(help="How often a call is tried again after a transient error.")] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="N/UNIT", help="Calls that may begin, in all executors: 50/min, 10/s, 3000/h.")
    ] = None,
    attach: Attach = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Have no threads: make each call where it is handed in.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Run it without threads and then with them, and print both times.")
    ] = False,
    report: Annotated[
        str | None, typer.Option(metavar="FILE.html", help="Write a page that shows what happened.")
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary/--no-summary", help="Say at the end what became of the calls.")
    ] = True,
    figures: Annotated[str | None, typer.Option(hidden=True)] = None,
    debug: Debug = False,  # noqa: ARG001 -- its callback has taken it
) -> Script:
    """Run a Python program that uses concurrent.futures, unchanged, with a Fan for each ThreadPoolExecutor.

    It is what python -m threadfan SCRIPT does, too.  Options come before SCRIPT; what comes after it is the script's.
    """
    options = BatchOptions(
        workers=workers, timeout=timeout, total_timeout=total_timeout, retry=retry, rate=rate
    ).checked()
    attached = clients_named(attach)
    if compare and sequential:
        raise CommandError("--compare runs it both ways; right is to leave --sequential out", USAGE)
    if report is not None and find_spec("plotly") is None:
        right = command_to_install("draw")
        raise CommandError(f"--report needs plotly, which cannot be imported; right is: {right}", USAGE)
    if report is not None and os.path.realpath(report) == os.path.realpath(target):
        raise CommandError(f"--report is the script, {report}; right is a path for the page", USAGE)
    return Script(
        program=Program(target, arguments or [], is_module=is_module), options=options, attach=attached,
        sequential=sequential, compare=compare, report=None if report is None else os.path.abspath(report),
        summary=summary, figures=figures,
    )  # fmt: skip
