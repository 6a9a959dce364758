"""The demo on a terminal, or in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from .figures import Answer, Call, Part, Result


class Screen:
    """A line per finished call, and tables at the end."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._done = self._planned = self._width = 0

    def begin(self, title: str, calls: int) -> None:
        """A heading."""
        self._done, self._planned = 0, calls
        self._console.print(Text(f"\n{title}, {calls} calls", "bold"))

    def finished(self, call: Call) -> None:
        """Which, how long, how much."""
        self._done += 1
        self._line(
            call.company,
            f"{call.stage:<8}  {call.seconds:6.2f} s  {call.input_tokens:>5} tokens in {call.output_tokens:>5} out",
        )

    def failed(self, answer: Answer) -> None:
        """Which, and why."""
        self._done += 1
        self._line(answer.company, f"failed    {answer.error}", "red")

    def _line(self, company: str, rest: str, style: str = "") -> None:
        place = f"{self._done:>{len(str(self._planned))}}/{self._planned}"
        self._console.print(Text(f"{place}  {_plain(company, 16):<16}  {_plain(rest, 200)}", style), soft_wrap=True)

    def result(self, result: Result) -> None:
        """The answers in input order, and the figures."""
        self._console.print()
        self._console.print(_answers(result))
        self._console.print(_figures(result))


def _answers(result: Result) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("company", no_wrap=True, max_width=16)
    table.add_column("answer", no_wrap=True, overflow="ellipsis", ratio=1)
    for answer in result.fan.answers:
        style = "" if answer.error is None else "red"
        text = answer.text if answer.error is None else f"failed at {answer.error}"
        table.add_row(
            str(answer.index + 1), Text(_plain(answer.company, 60)), Text(_plain(text or "", 400)), style=style
        )
    for answer in result.sequential.failures if result.sequential else ():
        text = f"failed one after another at {answer.error}"
        table.add_row(str(answer.index + 1), Text(_plain(answer.company, 60)), Text(_plain(text, 400)), style="red")
    return table


def _figures(result: Result) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("")
    parts = [part for part in (result.sequential, result.fan) if part is not None]
    if result.sequential:
        table.add_column("one after another", justify="right")
    table.add_column(f"fan, {result.workers} workers", justify="right")

    def row(name: str, *cells: str, style: str = "") -> None:
        table.add_row(name, *[""] * (len(parts) - len(cells)), *cells, style=style)

    row("seconds", *(f"{part.seconds:.3f}" for part in parts))
    row("calls answered", *(str(len(part.calls)) for part in parts))
    if result.speed_up is not None:
        row("speed-up", f"{result.speed_up:.1f}", style="bold")
    if result.ideal is not None and result.reached is not None and result.call_seconds is not None:
        row(f"ideal: {result.rounds} rounds of {result.call_seconds:.3f} s", f"{result.ideal:.3f}")
        row("reached of the ideal", f"{100 * result.reached:.1f} %", style="bold")
    row("p50 / p90 / p99 of a call, s", *map(_percentiles, parts))
    row("tokens in / out", *("{} / {}".format(*part.tokens) for part in parts))
    return table


def _percentiles(part: Part) -> str:
    return " / ".join(f"{part.percentile(percent):.3f}" for percent in (50, 90, 99))


def _plain(text: str, limit: int) -> str:
    """On one line, without the control characters with which a text from afar could steer the terminal."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 2 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
