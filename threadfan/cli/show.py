"""The demo on a terminal, or in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.cells import set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from typing import Self

    from rich.progress import TaskID

    from .figures import Answer, Call, Result

_NAME = 13  # columns for a company


class Screen:
    """A bar for each part, or where there is no terminal a line per finished call; and tables at the end."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._done = self._planned = 0
        self._bars: Progress | None = _bars(self._console) if self._console.is_terminal else None
        self._bar: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def asking(self, server: str) -> None:
        """Who is asked."""
        self._console.print(Text(f"asking {_plain(server, 200)}"))

    def begin(self, title: str, calls: int) -> None:
        """A heading."""
        self._done, self._planned = 0, calls
        if self._bars is None:
            self._console.print(Text(f"\n{title}: {calls} calls", "bold"))
            return
        self._bars.start()
        self._bar = self._bars.add_task(title, total=calls)

    def finished(self, call: Call) -> None:
        """Which, how long, how much."""
        self._done += 1
        if self._bars is not None and self._bar is not None:
            self._bars.advance(self._bar)
            return
        tokens = f"{call.input_tokens:>5} in {call.output_tokens:>5} out"
        self._line(call.company, f"{call.stage:8} {call.seconds:6.2f} s {tokens}")

    def failed(self, answer: Answer) -> None:
        """Which, and why."""
        self._line(answer.company, f"failed at {_plain(answer.error, 200)}", "red")

    def _line(self, company: str, rest: str, style: str = "") -> None:
        width = len(str(self._planned))
        # A company that fails leaves calls unmade, so its line does not count.
        place = " " * (2 * width + 1) if style else f"{self._done:>{width}}/{self._planned}"
        line = f" {place}  {set_cell_size(_plain(company, _NAME), _NAME)}  {rest}"
        if style:
            self._console.print(Text(line, style), soft_wrap=True)
        else:
            # Past rich, which takes twenty times as long: this runs between a company's two calls, on the clock.
            print(line, file=self._console.file, flush=True)

    def result(self, result: Result) -> None:
        """The answers in input order, and the figures."""
        if self._bars is not None:
            self._bars.stop()
        self._console.print(_answers(result), _figures(result), sep="")

    def page(self, text: str) -> None:
        """Where the page is that shows it."""
        self._console.print(Text(text), soft_wrap=True)


def _answers(result: Result) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("company", no_wrap=True, max_width=_NAME, overflow="ellipsis")
    table.add_column("answer", no_wrap=True, ratio=1, overflow="ellipsis")

    def row(answer: Answer, text: str | None, style: str = "") -> None:
        table.add_row(str(answer.index + 1), Text(_plain(answer.company)), Text(_plain(text)), style=style)

    for answer in result.fan.answers:
        if answer.error is None:
            row(answer, answer.text)
        else:
            row(answer, f"failed at {answer.error}", "red")
    table.add_section()
    for answer in result.sequential.failures if result.sequential else ():
        row(answer, f"failed one after another at {answer.error}", "red")
    return table


def _figures(result: Result) -> Table:
    parts = [part for part in (result.sequential, result.fan) if part is not None]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    if result.sequential:
        table.add_column("one by one", justify="right")
    table.add_column(f"fan, {result.workers} workers", justify="right")

    def row(name: str, *cells: str, style: str = "") -> None:
        table.add_row(name, *[""] * (len(parts) - len(cells)), *cells, style=style)

    row("seconds", *(f"{part.seconds:.3f}" for part in parts))
    if result.speed_up is not None:
        row("speed-up", f"{result.speed_up:.1f}", style="bold")
    if result.call_seconds is not None and result.ideal is not None and result.reached is not None:
        row(f"ideal: {result.rounds} rounds of {result.call_seconds:.3f} s", f"{result.ideal:.3f}")
        row("reached of the ideal", f"{100 * result.reached:.1f} %", style="bold")
    row("calls answered", *(str(len(part.calls)) for part in parts))
    for percent in (50, 90, 99):
        row(f"p{percent} of a call", *(f"{part.percentile(percent):.3f}" for part in parts))
    row("tokens in / out", *("{} / {}".format(*part.tokens) for part in parts))
    return table


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        expand=True,
    )


def _plain(text: str | None, limit: int = 400) -> str:
    """On one line, without the control characters with which a text from afar could steer the terminal."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in (text or "")).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
