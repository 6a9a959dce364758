"""Where progress is shown: as a bar by rich or tqdm, whichever is installed, else as lines of text.

All write to stderr, so that what a program prints can be sent elsewhere.
"""

from __future__ import annotations

import sys
from importlib import import_module

from ..base.texts import one_line, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from .progress import Display, Progress

NARROW = 80  # columns, below which a bar says less beside it; else it would have no room itself
LINE_EVERY = 10.0  # seconds between lines where there is no terminal; arbitrary: a log that can be read


def chosen_display() -> Display:
    """The best there is here: a bar of rich's or tqdm's on a terminal or in a notebook, lines anywhere else."""
    shows_bars = _is_terminal(sys.stderr) or "ipykernel" in sys.modules
    for library, kind in (("rich.progress", RichBar), ("tqdm.auto", TqdmBar)) if shows_bars else ():
        try:
            return kind(import_module(library))
        except ImportError:
            continue
    return Lines(sys.stderr)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except Exception:  # what stands in for it is somebody else's
        return False


def said(progress: Progress, *, narrow: bool = False) -> str:
    """How far it is, in a line.

    Args:
        narrow: leave out what one can do without.
    """
    done, failed = progress.done - progress.cancelled, progress.failed - progress.cancelled
    parts = [f"{done}" if progress.total is None else f"{done} of {progress.total}"]
    if progress.total:
        parts[0] += f" ({100 * done // progress.total} %)"
    parts.append(f"{failed} failed" if failed else "")
    parts.append(f"{progress.cancelled} cancelled" if progress.cancelled else "")
    parts.append(f"{progress.running} running" if progress.running and not narrow else "")
    parts.append(f"{progress.rate:.3g}/s" if progress.rate else "")
    parts.append(f"{duration(progress.remaining)} left" if progress.remaining else "")
    return f"{one_line(progress.name)}: {', '.join(filter(None, parts))}"


def duration(seconds: float) -> str:
    """As on a clock: ``4:05``, ``1:04:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Lines:
    """A line now and then, and one at the end; for logs, and for terminals without a library of bars."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._next = LINE_EVERY
        self._last: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Write a line if it is time to."""
        self._last = progress
        if progress.seconds >= self._next:
            self._next = progress.seconds + LINE_EVERY
            self._write(progress)

    def close(self) -> None:
        """Write the last line."""
        if self._last is not None:
            self._write(self._last)

    def _write(self, progress: Progress) -> None:
        if self._stream is not None:
            print(f"{said(progress)}, after {duration(progress.seconds)}", file=self._stream, flush=True)


class RichBar:
    """A bar of rich's.  What is printed or logged meanwhile appears above it."""

    def __init__(self, module: Any) -> None:
        from rich.console import Console

        columns = (
            module.TextColumn("{task.description}", markup=False),
            module.BarColumn(bar_width=None),
            module.TextColumn("{task.fields[counts]}", markup=False),
        )
        self._bar = module.Progress(*columns, console=Console(stderr=True), expand=True, refresh_per_second=10)
        self._task: Any = None
        self._handlers: list[tuple[Any, Any]] = []

    def show(self, progress: Progress) -> None:
        """Draw it anew."""
        if self._task is None:
            self._bar.start()
            self._take_over_logging()
            self._task = self._bar.add_task(_shortened(progress.name), total=progress.total, counts="")
        narrow = self._bar.console.width < NARROW
        name = _shortened(progress.name, 9 if narrow else 20)
        counts = said(progress, narrow=narrow).partition(": ")[2]
        self._bar.update(
            self._task,
            description=name,
            completed=progress.done - progress.cancelled,
            total=progress.total,
            counts=counts,
        )

    def close(self) -> None:
        """Leave it as it is."""
        if self._task is not None:
            self._bar.refresh()
            for handler, stream in self._handlers:
                handler.setStream(stream)
            self._bar.stop()

    def _take_over_logging(self) -> None:
        """Handlers have the stream that there was before the bar: their lines would be written into it."""
        import logging

        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.__stderr__:
                self._handlers.append((handler, handler.setStream(sys.stderr)))


class TqdmBar:
    """A bar of tqdm's, which is a widget in a notebook."""

    def __init__(self, module: Any) -> None:
        self._kind = module.tqdm
        self._bar: Any = None

    def show(self, progress: Progress) -> None:
        """Draw it anew."""
        if self._bar is None:
            self._bar = self._kind(desc=_shortened(progress.name), total=progress.total, dynamic_ncols=True)
        self._bar.total = progress.total
        self._bar.set_postfix_str(", ".join(filter(None, [
            f"{failed} failed" if (failed := progress.failed - progress.cancelled) else "",
            f"{progress.cancelled} cancelled" if progress.cancelled else "",
            f"{progress.running} running" if progress.running else "",
        ])), refresh=False)  # fmt: skip
        self._bar.update(progress.done - progress.cancelled - self._bar.n)
        self._bar.refresh()

    def close(self) -> None:
        """Leave it as it is."""
        if self._bar is not None:
            self._bar.close()


def _shortened(name: str, most: int = 20) -> str:
    return shortened(name, most)
