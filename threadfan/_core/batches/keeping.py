"""Streams that keep what they have handed out, for a report."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain, count
from operator import itemgetter

from ..base.generic import TYPE_CHECKING, T
from ..base.outcome import INDEX, Outcome
from .window import BatchStream

if TYPE_CHECKING:
    from collections import deque
    from typing import Any

    from ..base.outcome import Raw
    from .report import Report


class KeepingStream(BatchStream[T]):
    """As any, of inputs that have an end: everything is kept."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._kept: list[Raw] = []
        self._given = 0  # how many of them the reader has

    def harvest(self, ready: deque[Raw]) -> None:
        """As of any; what is not kept yet is first."""
        results, kept = self._results, self._kept
        if self._ordered:
            with suppress(KeyError):  # of the first that is not there
                kept.extend(map(results.pop, count(len(kept))))
        else:
            kept.extend(map(results.pop, list(results)))
        ready.extend(kept[self._given :])
        self._given = len(kept)

    def outcome(self, raw: Raw) -> Outcome[T]:
        """As of any, but what was noted of the call stays."""
        collector = self._collector
        return Outcome(raw, None, collector.usages.get(raw[INDEX]), collector.attempts.get(raw[INDEX]))

    def report(self, raws: list[Raw]) -> Report[T]:
        """A report of all outcomes that there are, handed out or not."""
        results: dict[int, Raw] = self._results.copy()  # first: from there they go to the others
        found = {raw[INDEX]: raw for raw in chain(results.values(), self._kept.copy())}
        return super().report(sorted(found.values(), key=itemgetter(INDEX)))
