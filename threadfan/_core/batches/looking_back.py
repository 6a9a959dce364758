"""What can be asked of a batch afterwards: which calls were slow, why some failed, and pictures of all of them."""

from __future__ import annotations

from os import fspath

from ..base import checks
from ..base.generic import TYPE_CHECKING, Generic, T_co
from ..base.outcome import raw_of
from ..base.portable import Portable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike
    from typing import Any

    from ..base.outcome import Outcome
    from ..base.usage import Usage
    from ..pages.story import Story
    from .columns import Columns
    from .stats import Stats

    Labels = Callable[[Outcome[Any]], object]
    SequenceOfOutcomes = Sequence[Outcome[T_co]]
else:
    from collections.abc import Sequence

    class SequenceOfOutcomes(Generic, Sequence):
        """``Sequence``, with parameters that are forgotten."""


class LookingBack(Portable, SequenceOfOutcomes[T_co]):
    """The part of a report that looks back on its outcomes."""

    __slots__ = ()

    @property
    def stats(self) -> Stats:
        """Counts, times, tokens, and what to change."""
        raise NotImplementedError

    def _all(self) -> list[Outcome[T_co]]:
        """The outcomes, in input order."""
        raise NotImplementedError

    def _label(self, place: int) -> int | str:
        """What the call at that place is called: its name or its index."""
        raise NotImplementedError

    def _tried(self, columns: Columns) -> dict[int, int]:
        """How many attempts each call had, by place, of those that had more than one; not of items with stages."""
        return columns.attempts()

    def _ended_in(self, place: int) -> str | None:
        """Where in a pipeline the call at that place has ended."""
        return None

    @property
    def succeeded(self) -> list[Outcome[T_co]]:
        """The outcomes that have a value."""
        return [outcome for outcome in self._all() if outcome.ok]

    @property
    def failed(self) -> list[Outcome[T_co]]:
        """The outcomes that have none: failed, timed out, cancelled or skipped."""
        return [outcome for outcome in self._all() if not outcome.ok]

    @property
    def usage(self) -> Usage | None:
        """The tokens of all calls; None if no call has noted any."""
        from ..base.usage import added

        return added(outcome.usage for outcome in self._all())

    def slowest(self, count: int = 10) -> list[Outcome[T_co]]:
        """The calls that ran longest, the longest first, whatever became of them."""
        count = checks.count("count", count)
        started = [outcome for outcome in self._all() if outcome.attempts]
        return sorted(started, key=lambda outcome: -outcome.duration)[:count]

    def by_error(self) -> dict[str, list[Outcome[T_co]]]:
        """The calls without a value by their cause, in words, the most frequent first.

        Errors whose texts differ only in quoted names and numbers count as one cause: ``report.by_error()`` of 300
        refused calls has one entry, with 300 outcomes.
        """
        outcomes, found = self._all(), self._causes([self._label(place) for place in range(len(self))])
        named: dict[str, list[Outcome[T_co]]] = {}
        for text, places in found:
            named.setdefault(text, []).extend(outcomes[place] for place in places)
        return named

    def rows(self) -> list[dict[str, Any]]:
        """One flat dictionary for each call, for ``csv.DictWriter``, a database or a data frame; times in seconds.

        ``item`` and ``value`` are the objects themselves; ``started`` and ``ended`` are seconds since 1970.
        """
        from ..pages.table import row

        return [row(outcome, self._ended_in(place)) for place, outcome in enumerate(self._all())]

    def to_frame(self) -> Any:
        """``rows`` as a data frame of pandas, or of polars if that is what is installed.

        Raises:
            ImportError: neither is installed.
        """
        from ..pages.table import frame

        return frame(self.rows())

    def to_html(self, path: str | PathLike[str], title: str = "Report", label: Labels | None = None) -> None:
        """Write a page that shows what happened: a timeline, concurrency, waits, the slowest calls, failures by cause.

        The page is one file that opens without a network.  It holds neither items nor values, which may be secret.

        Args:
            path: the file, which is replaced.
            title: stands above it.
            label: a function of an outcome that returns the name of its call: ``lambda outcome: outcome.item["name"]``.
                By default calls have their name in ``gather``, or their index.

        Raises:
            ImportError: plotly is not installed.
        """
        from ..pages.page import write

        write(self._story(title, label), fspath(path))

    def to_trace(self, path: str | PathLike[str], title: str = "Report", label: Labels | None = None) -> None:
        """Write what ``to_html`` shows as a trace, for Perfetto (https://ui.perfetto.dev) and chrome://tracing.

        The arguments are those of ``to_html``; it needs no other package.
        """
        from ..pages.trace import write

        write(self._story(title, label), fspath(path))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from ..pages.summary import html

        return html(self._story())

    def _causes(self, labels: list[int | str]) -> list[tuple[str, list[int]]]:
        from .summary import causes

        return causes(list(map(raw_of, self._all())), labels, self._ended_in)

    def _story(self, title: str = "Report", label: Labels | None = None) -> Story:
        from ..pages.story import Story

        outcomes, places = self._all(), range(len(self))
        labels: list[int | str] = [self._label(place) for place in places]
        if label is not None:
            labels = [str(label(outcome)) for outcome in outcomes]
        found = self._causes(labels)
        figures, advice = self.stats.to_dict(), self.stats.advice
        return Story(title, outcomes, labels, [self._ended_in(place) for place in places], figures, found, advice)
