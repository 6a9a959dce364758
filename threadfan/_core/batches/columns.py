"""What the figures of a report are made of, a list for each.

To make an outcome costs a fifth of a microsecond and each look at it a tenth, where a call of a batch costs half a one.
So what is known of a call that had one attempt at most is read from its tuple, and only others are asked.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from math import inf
from operator import itemgetter
from time import time

from ..base.outcome import (
    CANCELLED,
    END,
    INDEX,
    PAYLOAD,
    SILENT,
    START,
    STATUS,
    STATUSES,
    SUCCEEDED,
    Outcome,
    usage_said,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..base.attempt import Attempt, Status
    from ..base.outcome import Raw
    from ..base.usage import Usage

_SILENT = frozenset((*SILENT, bool))


class Columns:
    """Of the calls of one report, in its order.

    Args:
        raws: what became of them.
        attempts: those of calls that may have several, by index.
        usages: tokens noted while calls ran, by index.
    """

    __slots__ = ("_durations", "_raws", "_several", "_usages")

    def __init__(self, raws: list[Raw], attempts: Mapping[int, list[Attempt]], usages: Mapping[int, Usage]) -> None:
        self._raws = raws
        self._usages = usages
        self._durations: list[float | None] | None = None
        self._several: dict[int, Outcome[object]] = {}  # those that are asked, by place
        if attempts:
            for place, raw in enumerate(raws):
                if raw[INDEX] in attempts:
                    self._several[place] = Outcome(raw, None, None, attempts[raw[INDEX]])

    def counts(self) -> dict[Status, int]:
        """How many have ended with each status."""
        return {**dict.fromkeys(STATUSES, 0), **Counter(map(itemgetter(STATUS), self._raws))}

    def durations(self) -> list[float | None]:
        """How long each ran; None of those that never started."""
        if self._durations is None:
            found = [None if raw[START] is None else raw[END] - raw[START] for raw in self._raws]
            for place, outcome in self._several.items():
                found[place] = outcome.duration if outcome.attempts else None
            self._durations = found
        return self._durations

    def attempts(self) -> dict[int, int]:
        """How many each had, by place, of those that had more than one."""
        return {place: one.attempts for place, one in self._several.items() if one.attempts > 1}

    def waited_slot(self) -> list[float]:
        """Seconds that each waited for a slot."""
        found = [(end if start is None else start) - since for _, _, since, _, _, start, end, _ in self._raws]
        for place, outcome in self._several.items():
            found[place] = outcome.waited_slot
        return found

    def several(self) -> list[Outcome[object]]:
        """Those that may have had several attempts, without what was noted of them besides."""
        return list(self._several.values())

    def asked(self) -> float:
        """The longest time that an answer to any of them has asked to wait, for another attempt."""
        waited = [one for one in self._several.values() if one.attempts >= (1 if one.status is CANCELLED else 2)]
        for place, raw in enumerate(self._raws):
            if raw[STATUS] is CANCELLED and raw[START] is not None and place not in self._several:
                waited.append(Outcome(raw))
        return max(map(_asked, waited), default=0.0)

    def usages(self) -> list[Usage]:
        """The tokens of those of which any are known."""
        noted, raws = self._usages, self._raws
        with suppress(Exception):  # a class of the user's may not want to be compared
            if not noted and set(map(type, map(itemgetter(PAYLOAD), raws))) <= _SILENT:
                return []
        found = []
        for raw in raws:
            usage = noted.get(raw[INDEX])
            if usage is None and raw[STATUS] is SUCCEEDED:
                usage = usage_said(raw[PAYLOAD])
            if usage is not None:
                found.append(usage)
        return found


def _asked(outcome: Outcome[object]) -> float:
    """The longest time that answers to a call have asked to wait."""
    from ..policies.retry_after import retry_after_of

    errors = (attempt.error for attempt in outcome.history if attempt.error is not None)
    return max((retry_after_of(error, time(), inf) or 0.0 for error in errors), default=0.0)
