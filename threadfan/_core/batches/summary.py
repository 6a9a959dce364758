"""A report in a few lines: why calls have no value, which took longest, and what to change.

Errors and their texts are the user's code, so this runs where the user asks for it, in no helper and under no lock.
"""

from __future__ import annotations

import re

from ..base.outcome import CANCELLED, FAILED, SKIPPED, TIMED_OUT
from ..base.texts import shortened, text_of
from .index_ranges import written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..base.outcome import Outcome
    from .stats import Stats

MOST = 5  # causes that are written, of failures as of cancellations; arbitrary: a screen is to hold all
SLOWEST = 3  # calls; arbitrary
_VARIES = re.compile(r"""https?://\S+|'[^']*'|"[^"]*"|\w*\d\w*""")  # in texts that say the same of different items


def summary(
    outcomes: Sequence[Outcome[object]],
    stats: Stats,
    labels: Sequence[int | str],
    stages: Sequence[str | None],
    cause: int | None,
) -> str:
    """The text.

    Args:
        outcomes: of all calls, but for those that a journal has of runs before.
        stats: their figures.
        labels: what each is called.
        stages: where each has ended, in a pipeline.
        cause: the place of the one that has ended the batch.
    """
    counts = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in stats.counts.items() if number)
    kept = f", {stats.kept} of them before" if stats.kept else ""
    head = f"<Report of {stats.total} calls: {counts or 'nothing to do'}{kept}; {stats.wall:.3f} s>"
    ended = [_Ended(one, labels[place], stages[place], place) for place, one in enumerate(outcomes) if not one.ok]
    lines = [
        line
        for statuses in ((FAILED, TIMED_OUT), (CANCELLED,), (SKIPPED,))
        for line in _causes([one for one in ended if one.status in statuses], cause)
    ]
    lines += filter(None, (_slowest(outcomes, stats, labels), stats.advice))
    return "\n  ".join([head, *lines])


class _Ended:
    """A call without a value, and why."""

    __slots__ = ("kind", "label", "place", "stage", "status", "text")

    def __init__(self, outcome: Outcome[object], label: int | str, stage: str | None, place: int) -> None:
        error = outcome.error
        self.label = label
        self.place = place
        self.stage = stage
        self.status = outcome.status
        self.kind = type(error)
        self.text = text_of(error)

    def same(self) -> tuple[object, ...]:
        return (*self.related(), self.text)

    def alike(self) -> tuple[object, ...]:
        return (*self.related(), _VARIES.sub("#", self.text))

    def related(self) -> tuple[object, ...]:
        return self.stage, self.status, id(self.kind)  # a class may not want to be compared

    def what(self) -> str:
        where = "" if self.stage is None else f" in {self.stage!r}"
        return f"{self.status}{where}, {self.kind.__name__}"


def _causes(ended: list[_Ended], cause: int | None) -> list[str]:
    """A line for each cause: that of the batch's end first, then those of most calls."""
    groups: list[list[_Ended]] = []
    for key in (_Ended.same, _Ended.alike, _Ended.related):  # so coarse that there are few
        groups = _grouped(ended, key)
        if len(groups) <= MOST:
            break
    groups.sort(key=lambda group: (all(one.place != cause for one in group), -len(group)))
    lines = [_line(group) for group in groups[:MOST]]
    if rest := groups[MOST:]:
        lines.append(f"… and {sum(map(len, rest))} more, for {len(rest)} other reasons")
    return lines


def _grouped(ended: list[_Ended], key: Callable[[_Ended], tuple[object, ...]]) -> list[list[_Ended]]:
    groups: dict[tuple[object, ...], list[_Ended]] = {}
    for one in ended:
        groups.setdefault(key(one), []).append(one)
    return list(groups.values())


def _line(group: list[_Ended]) -> str:
    first = group[0]
    text = shortened(first.text)
    if len(group) == 1:
        return f"{first.label}: {first.what()}{text and f': {text}'}"
    such_as = "" if all(one.text == first.text for one in group) else ", such as"
    return f"{len(group)} {first.what()}{such_as}{text and f': {text}'} ({written([one.label for one in group])})"


def _slowest(outcomes: Sequence[Outcome[object]], stats: Stats, labels: Sequence[int | str]) -> str | None:
    """The calls that took longest, if there are several to compare."""
    durations = [(outcome.duration, place) for place, outcome in enumerate(outcomes) if outcome.attempts]
    if len(durations) < 2 or not stats.duration_max:
        return None
    longest = sorted(durations, key=lambda one: (-one[0], one[1]))[:SLOWEST]
    calls = [f"{labels[place]} ({took:.3f} s{_end_of(outcomes[place])})" for took, place in longest]
    return f"slowest: {', '.join(calls)}; median {stats.duration_p50:.3f} s"


def _end_of(outcome: Outcome[object]) -> str:
    return "" if outcome.ok else f", {outcome.status.replace('_', ' ')}"
