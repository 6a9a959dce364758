"""Commands and their flags."""

from __future__ import annotations

import json
import os
from tempfile import mkstemp
from typing import TYPE_CHECKING, Annotated

import typer

from threadfan._core.base.packages import install

from . import commands, demo, settings
from .errors import CommandError
from .invoking import invoke
from .keys import api_key
from .options import SECONDS, Debug
from .script import SETTINGS, script
from .serve import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .figures import Answer, Call, Result

app: typer.Typer = typer.Typer(pretty_exceptions_enable=False)
app.command("run")(commands.run)
app.command("ask")(commands.ask)
app.command("exec")(commands.execute)
app.command("report")(commands.report)
app.command("serve")(serve)
app.command("script", context_settings=SETTINGS)(script)


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit status.

    Raises:
        CommandError: it did not come to a good end, or a flag is wrong.
    """
    status = invoke(app, arguments, "threadfan")
    return status if isinstance(status, int) else 0


def _print_version(wanted: bool) -> None:
    if wanted:
        from threadfan import __version__

        typer.echo(f"threadfan {__version__}")
        raise typer.Exit


@app.callback()
def _threadfan(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Debug = False,
) -> None:
    """A thread pool for tools that block.

    threadfan SCRIPT.py runs a program that uses concurrent.futures; its options: threadfan script --help.
    """


@app.command("demo")
def _demo(
    workers: Annotated[int, typer.Option(help="Companies that the fan is busy with at once.")] = 12,
    latency: Annotated[
        float | None,
        typer.Option(
            metavar=SECONDS,
            help="How long the loopback server takes for an answer.",
            show_default=f"{settings.LATENCY:g}",
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(metavar=SECONDS, help="How long each call may take.")] = 30.0,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the real API with the key in ANTHROPIC_API_KEY.  This costs tokens.")
    ] = False,
    model: Annotated[str, typer.Option(help="The model to ask.")] = settings.MODEL,
    companies: Annotated[
        str | None, typer.Option(help="Companies to study, separated by commas.", show_default="12 of them")
    ] = None,
    sequential: Annotated[
        bool,
        typer.Option(
            "--sequential/--no-sequential", help="Whether to make the calls one after another first, to compare."
        ),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of progress and tables.")
    ] = False,
    base_url: Annotated[
        str | None,
        typer.Option(help="Ask the server at this URL; without --live it does not get your key."),
    ] = None,
    page: Annotated[
        str | None, typer.Option(metavar="FILE.html", help="Where the page goes.", show_default="a temporary file")
    ] = None,
    debug: Debug = False,  # noqa: ARG001 -- its callback has taken it
) -> int:
    """Research 12 companies and analyse each: 24 blocking calls, one after another, then through the fan.

    The real anthropic client asks a server on this machine, unless --live or --base-url says otherwise.
    """
    if latency is not None and (live or base_url):
        raise CommandError("--latency is the loopback server's; right is to leave it out with --live or --base-url", 2)
    try:
        todo = settings.DemoSettings(
            companies=settings.COMPANIES
            if companies is None
            else tuple(filter(None, map(str.strip, companies.split(",")))),
            workers=workers,
            timeout=timeout,
            model=model,
            sequential=sequential,
            latency=settings.LATENCY if latency is None else latency,
            base_url=base_url,
            key=api_key("--live needs an API key") if live else None,
        )
    except ValueError as error:
        raise CommandError(str(error), 2) from error
    try:
        result = _watched(todo, page, as_json=as_json)
    except settings.DemoError as error:
        raise CommandError(str(error)) from error
    if result.failures:
        raise CommandError(result.complaint())
    return 0


def _watched(todo: settings.DemoSettings, page: str | None, *, as_json: bool) -> Result:
    if as_json:
        result = demo.run(todo, _Silent())
        typer.echo(json.dumps(result.to_dict(), indent=2, ensure_ascii=False))
        return result
    from .show import Screen

    with Screen() as screen:
        result = demo.run(todo, screen)
        screen.result(result)
        screen.page(_page(result, page))
    return result


def _page(result: Result, path: str | None) -> str:
    """Write the page of the fan's part; what to say of it."""
    report, names = result.report, [answer.company for answer in result.fan.answers]
    if report is None:
        return ""
    if path is None:
        handle, path = mkstemp(prefix="threadfan-demo-", suffix=".html")
        os.close(handle)
    try:
        report.to_html(path, title="threadfan demo", label=lambda outcome: names[outcome.index])
    except ImportError:
        os.unlink(path)
        return f"for a page of it: {install('draw')}"
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}; right is another --page") from error
    return f"see it as a page: {path}"


class _Silent:
    def asking(self, server: str) -> None: ...
    def begin(self, title: str, calls: int) -> None: ...
    def finished(self, call: Call) -> None: ...
    def failed(self, answer: Answer) -> None: ...
