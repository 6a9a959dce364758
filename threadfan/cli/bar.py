"""The bar of a run: as ``progress=True`` shows it, and it knows how many rows a file has."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from threadfan._core.base.static import describe
from threadfan._core.events.displays import chosen_display

from .formats import STANDARD

if TYPE_CHECKING:
    from collections.abc import Callable

    from threadfan._core.events.progress import Display, Progress

    from .reading import Source


class Bar:
    """What ``progress=`` is given.

    Args:
        total: how many calls there will be; None if that is not known.
        name: what is called.
    """

    def __init__(self, total: int | None, name: str, display: Display | None = None) -> None:
        self._total = total
        self._name = name
        self._display: Display = display or chosen_display()
        self._open = True

    def show(self, progress: Progress) -> None:
        """Show how far it is; called in a thread of its own, and no more once the stream has ended."""
        progress.name = self._name
        cut = progress.total is not None and progress.cancelled > 0  # then it is all that were taken
        if self._total is not None and (progress.total is None or cut):
            progress.total = max(self._total, progress.done)
            progress.remaining = (
                (progress.total - progress.done) / progress.rate if progress.rate > 0 and not cut else None
            )
        self._display.show(progress)

    def close(self) -> None:
        """Leave the bar as it is; harmless if that was done."""
        if self._open:
            self._open = False
            self._display.close()


def bar_for(source: Source, fn: Callable[..., object], *, wanted: bool | None, output: str) -> Bar | None:
    """The bar of a run, if there is to be one.

    Args:
        wanted: what the user says; None for a bar where there is a terminal on which nothing else is written.
    """
    if wanted is None:
        wanted = _is_terminal(sys.stderr) and not (output == STANDARD and _is_terminal(sys.stdout))
    return Bar(source.count(), describe(fn)) if wanted else None


def _is_terminal(stream: object) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)())
