"""Commands and their flags."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from . import demo as job

if TYPE_CHECKING:
    from collections.abc import Sequence


class CommandError(Exception):
    """What the user is told instead of a result, in one line.

    Args:
        message: the line.
        status: the exit status.
    """

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit status.

    Raises:
        CommandError: it did not come to its end, or a flag is wrong.
    """
    try:
        # Not standalone: typer would frame its errors over many lines, and swallow Ctrl-C in silence.
        command = typer.main.get_command(app)
        return int(command.main(list(arguments) or ["--help"], prog_name="threadfan", standalone_mode=False) or 0)
    except job.DemoError as error:
        raise CommandError(str(error)) from error
    except Exception as error:
        message = getattr(error, "format_message", None)  # click's, from wherever this version of typer has it
        if message is None:
            raise
        text = message()
        raise CommandError(f"{text[:1].lower()}{text[1:]}", 2) from error


def _print_version(wanted: bool) -> None:
    if wanted:
        from threadfan import __version__

        typer.echo(f"threadfan {__version__}")
        raise typer.Exit


@app.callback()
def _threadfan(
    version: Annotated[  # noqa: ARG001 -- its callback does the work
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A thread pool for tools that block."""


@app.command()
def demo(
    workers: Annotated[int, typer.Option(min=1, max=1000, help="Calls that the fan runs at once.")] = 12,
    latency: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds the loopback server thinks before each answer.", show_default="0.5"),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds each call may take.")] = 30.0,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the real API, with the key in ANTHROPIC_API_KEY.  This costs tokens.")
    ] = False,
    model: Annotated[str, typer.Option(help="The model to ask.")] = job.MODEL,
    companies: Annotated[
        str | None, typer.Option(help="Companies to study, separated by commas.", show_default="12 of them")
    ] = None,
    sequential: Annotated[
        bool,
        typer.Option(
            "--sequential/--no-sequential",
            help="Make the calls one after another first, to compare; without, half the calls are made.",
        ),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object in place of progress and tables.")
    ] = False,
    base_url: Annotated[
        str | None,
        typer.Option(help="Ask the server at this URL, without your key unless --live.", show_default="loopback"),
    ] = None,
) -> int:
    """Research 12 companies, then analyse each: 24 blocking calls, one after another and through the fan.

    The real anthropic client asks a server on this machine, unless --live or --base-url says otherwise.
    """
    plan = job.Plan(
        companies=_companies(companies),
        workers=workers,
        timeout=_checked_timeout(timeout),
        model=model,
        sequential=sequential,
        latency=_checked_latency(latency, elsewhere=live or base_url is not None),
        base_url=_checked_url(base_url),
        key=_key() if live else None,
    )
    if as_json:
        result = job.run(plan, job.Silent())
        typer.echo(json.dumps(result.to_dict(), indent=2, ensure_ascii=False))
    else:
        from . import show

        screen = show.Screen()
        result = job.run(plan, screen)
        screen.result(result)
    if result.failures:
        raise CommandError(result.complaint())
    return 0


def _companies(names: str | None) -> tuple[str, ...]:
    if names is None:
        return job.COMPANIES
    found = tuple(name.strip() for name in names.split(",") if name.strip())
    if not found:
        raise CommandError(f"--companies is {names!r}; right are names separated by commas: 'Airbus, Toyota'", 2)
    return found


def _checked_timeout(seconds: float) -> float:
    if not 0 < seconds <= job.LONGEST:
        raise CommandError(f"--timeout is {seconds:g}; right is a number of seconds, up to {job.LONGEST:g}", 2)
    return seconds


def _checked_latency(seconds: float | None, *, elsewhere: bool) -> float | None:
    if seconds is None:
        return None if elsewhere else job.LATENCY
    if elsewhere:
        raise CommandError("--latency is the loopback server's; right is to leave it out with --live or --base-url", 2)
    if not seconds <= job.LONGEST:
        raise CommandError(f"--latency is {seconds:g}; right is a number of seconds, 0 to {job.LONGEST:g}", 2)
    return seconds


def _checked_url(url: str | None) -> str | None:
    if url is None or (url.startswith(("http://", "https://")) and url.split("://", 1)[1].strip("/")):
        return url
    raise CommandError(f"--base-url is {url!r}; right is a URL such as http://127.0.0.1:8000", 2)


def _key() -> str:
    key = os.environ.get("ANTHROPIC_API_KEY", "")
    if not key:
        raise CommandError("--live needs an API key; right is: export ANTHROPIC_API_KEY=sk-ant-…")
    # The client's own error for such a key would show it.
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise CommandError("ANTHROPIC_API_KEY holds a blank or a special character; right is the bare key, sk-ant-…")
    return key
