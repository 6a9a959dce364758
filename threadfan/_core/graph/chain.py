"""What made a graph take so long: the chain of calls of which each waited for the one before."""

from __future__ import annotations

from bisect import bisect_right

from ..base.outcome import END, SINCE, raw_of
from ..batches.advice import BUSY, HALF, TINY
from ..batches.advice_on_time import alone, more

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..base.outcome import Outcome
    from ..batches.advice import Label
    from ..batches.figures import Conditions
    from ..batches.stats import Stats


def chain(outcomes: Sequence[Outcome[object]], stats: Stats, conditions: Conditions, label: Label) -> str | None:
    """Slots, if its calls have waited for them; else the one call that nothing went on beside."""
    if not stats.wall or stats.duration_sum < TINY * len(outcomes):
        return None
    waited = sum(outcome.waited_slot for outcome in _latest(outcomes))
    full = stats.duration_sum >= BUSY * stats.slots * waited  # else they have waited for a limit of their own
    growing = stats.slots < conditions.get("ceiling", 0)
    if waited >= HALF * stats.wall and full and not growing:
        return more(min(1.0, waited / stats.wall), stats, conditions)
    return alone(outcomes, stats, label)


def _latest(outcomes: Sequence[Outcome[object]]) -> list[Outcome[object]]:
    """From the call that ended last back to the first: each came when the next one in this list had ended."""
    ran = sorted((outcome for outcome in outcomes if outcome.attempts), key=lambda outcome: raw_of(outcome)[END])
    ends = [raw_of(outcome)[END] for outcome in ran]
    found, place = [], len(ran) - 1
    while place >= 0:
        found.append(ran[place])
        place = min(place, bisect_right(ends, raw_of(ran[place])[SINCE])) - 1
    return found
