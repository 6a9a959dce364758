"""Streams that keep what they have handed out, for a report."""

from __future__ import annotations

from collections import deque
from itertools import chain
from operator import itemgetter

from ..base.generic import TYPE_CHECKING, T
from ..base.outcome import INDEX, Outcome
from .window import BatchStream

if TYPE_CHECKING:
    from typing import Any, TypeVar

    from ..base.outcome import Raw
    from .report import Report

    S = TypeVar("S", bound="BatchStream[object]")


class Keeping(BatchStream[T]):
    """What such a stream does besides; of inputs that have an end.

    Guarantee: at any moment each outcome that was not handed out is in one of three places, if not in two of them.
    """

    keeps = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._kept: list[Raw] = []
        self._fresh: deque[Raw] = deque()  # on their way

    def harvest(self, ready: deque[Raw]) -> None:
        """As of any; what leaves is kept."""
        super().harvest(self._fresh)
        self._kept.extend(self._fresh)
        ready.extend(self._fresh)
        self._fresh.clear()

    def has_handed_out(self, index: int) -> bool:
        """As of any; here it is known."""
        return any(raw[INDEX] == index for raw in chain(tuple(self._fresh), self._kept.copy()))

    def outcome(self, raw: Raw) -> Outcome[T]:
        """As of any, but what was noted of the call stays."""
        collector = self._collector
        return Outcome(raw, None, collector.usages.get(raw[INDEX]), collector.attempts.get(raw[INDEX]))

    def report(self, raws: list[Raw]) -> Report[T]:
        """A report of all outcomes that there are, handed out or not."""
        results: dict[int, Raw] = self._results.copy()  # first: from there they go to the others
        found = {raw[INDEX]: raw for raw in chain(results.values(), tuple(self._fresh), self._kept.copy())}
        return super().report(sorted(found.values(), key=itemgetter(INDEX)))


def keeping(kind: type[S]) -> type[S]:
    """The kind of stream that does what a kind does, and keeps outcomes."""
    made = _made.get(kind)
    if made is None:
        made = _made[kind] = type(f"Keeping{kind.__name__}", (Keeping, kind), {})
    return made


_made: dict[type, type] = {}
