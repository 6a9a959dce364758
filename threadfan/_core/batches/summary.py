"""A report in a few lines: why calls have no value, which took longest, and what to change.

Errors and their texts are the user's code, so this runs where the user asks for it, in no helper and under no lock.
"""

from __future__ import annotations

import re

from ..base.index_ranges import written
from ..base.outcome import CANCELLED, FAILED, PAYLOAD, SKIPPED, STATUS, SUCCEEDED, TIMED_OUT
from ..base.texts import shortened, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..base.outcome import Raw
    from .advice import Label
    from .stats import Stats

MOST = 5  # causes that are written, of failures as of cancellations; arbitrary: a screen is to hold all
SLOWEST = 3  # calls; arbitrary
MANY = 300  # calls, of which more than SLOWEST took as long as the 99th percentile or longer
_VARIES = re.compile(r"""https?://\S+|'[^']*'|"[^"]*"|\b[^\W\d]*+\d\w*""")
"""In texts that say the same of different items.  A word is looked at once, from its beginning: texts may be long, and
come from afar."""


def summary(
    raws: Sequence[Raw],
    durations: list[float | None],
    tried: dict[int, int],
    stats: Stats,
    label: Label,
    stage: Callable[[int], str | None],
    cause: int | None,
    stopped: str | None,
) -> str:
    """The text.

    Args:
        raws: the outcomes, all of them but for what a journal had from runs before.
        durations: how long each call ran; None of those that never started.
        tried: how many attempts a call had, by place, if more than one.
        stats: their figures.
        label: what the call at a place is called.
        stage: where it has ended, in a pipeline.
        cause: the place of the one that has ended the batch.
        stopped: why the batch was ended early.
    """
    counts = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in stats.counts.items() if number)
    kept = f", {stats.kept} of them before" if stats.kept else ""
    head = f"<Report of {stats.total} calls: {counts or 'nothing to do'}{kept}; {stats.wall:.3f} s>"
    without = [] if stats.succeeded == stats.total else enumerate(raws)
    ended = [
        _Ended(raw, label(place), stage(place), place, tried.get(place, 1))
        for place, raw in without
        if raw[STATUS] is not SUCCEEDED
    ]
    lines = [] if stopped is None or cause is not None else [f"stopped early: {stopped}"]  # the cause says it better
    lines += [
        line
        for statuses in ((FAILED, TIMED_OUT), (CANCELLED,), (SKIPPED,))
        for line in _causes([one for one in ended if one.status in statuses], cause)
    ]
    lines += filter(None, (_slowest(raws, durations, tried, stats, label), stats.advice))
    return "\n  ".join([head, *lines])


class _Ended:
    """A call without a value, and why."""

    __slots__ = ("attempts", "kind", "label", "place", "stage", "status", "text")

    def __init__(self, raw: Raw, label: int | str, stage: str | None, place: int, attempts: int = 1) -> None:
        error = raw[PAYLOAD]
        self.attempts = attempts
        self.label = label
        self.place = place
        self.stage = stage
        self.status = raw[STATUS]
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
    said = f"{_said(group)}{_after(group)}"
    if len(group) == 1:
        return f"{group[0].label}: {said}"
    return f"{len(group)} {said} ({written([one.label for one in group])})"


def _after(group: list[_Ended]) -> str:
    """In how many attempts, unless the text of the error says so."""
    most = max(one.attempts for one in group)
    if most < 2 or f"in {most} attempts" in group[0].text:
        return ""
    same = all(one.attempts == most for one in group)
    return f", in {'' if same else 'up to '}{most} attempts{' each' if same and len(group) > 1 else ''}"


def _said(group: list[_Ended]) -> str:
    """What they have in common."""
    first = group[0]
    text = shortened(first.text)
    such_as = "" if all(one.text == first.text for one in group) else ", such as"
    return f"{first.what()}{such_as}{text and f': {text}'}"


def causes(
    raws: Sequence[Raw], labels: Sequence[int | str], stage: Callable[[int], str | None]
) -> list[tuple[str, list[int]]]:
    """Why calls have no value, each cause once, with the places of its calls; those of most calls first.

    Errors whose texts differ in names and numbers alone are one cause.
    """
    places = [place for place, raw in enumerate(raws) if raw[STATUS] is not SUCCEEDED]
    ended = [_Ended(raws[place], labels[place], stage(place), place) for place in places]
    groups = sorted(_grouped(ended, _Ended.alike), key=len, reverse=True)
    return [(_said(group), [one.place for one in group]) for group in groups]


def _slowest(
    raws: Sequence[Raw], durations: list[float | None], tried: dict[int, int], stats: Stats, label: Label
) -> str | None:
    """The calls that took longest, if there are several to compare."""
    started = len(durations) - durations.count(None)
    if started < 2 or not stats.duration_max:
        return None
    least = stats.duration_p99 if started >= MANY else 0.0
    some = [(-took, place) for place, took in enumerate(durations) if took is not None and took >= least]
    calls = [
        f"{label(place)} ({-took:.3f} s{_ended(raws[place], tried.get(place, 1))})"
        for took, place in sorted(some)[:SLOWEST]
    ]
    return f"slowest: {', '.join(calls)}; median {stats.duration_p50:.3f} s"


def _ended(raw: Raw, attempts: int) -> str:
    """In how many attempts a call has ended, and how, where it was not in one and well."""
    several = "" if attempts < 2 else f" in {attempts} attempts"
    return f"{several}{'' if raw[STATUS] is SUCCEEDED else ', ' + raw[STATUS].replace('_', ' ')}"
