"""Advice on what makes a batch long: slots, slow inputs, slow calls."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

from ..base.index_ranges import written
from ..base.outcome import CANCELLED, END, SINCE, START, TIMED_OUT, attempts_of, raw_of
from ..base.times import time_covered
from .advice import BUSY, CLEAR, FAR, FEW, HALF, QUARTER, SLOW, TINY, best
from .advice_on_limits import needed
from .replay import UNCAPPED, makespan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .advice import Found, Label, Outcomes
    from .figures import Conditions
    from .stats import Stats


def slow(outcomes: Outcomes, stats: Stats, conditions: Conditions, label: Label) -> str | None:
    """Slots, slow inputs, slow calls."""
    if conditions.get("gaps"):
        return None
    if conditions.get("keyed"):
        return _seats(outcomes, stats, conditions)
    if stats.duration_sum < TINY * stats.succeeded:  # a report is not asked for its outcomes if that tells it
        return None
    places = [place for place, outcome in enumerate(outcomes) if outcome.attempts]
    if not stats.wall or len(places) < 2 or stats.duration_sum < TINY * len(places):
        return None
    came = [raw_of(outcomes[place])[SINCE] for place in places]
    begin = min(came)
    ways = [(since - begin, [outcomes[place].duration]) for since, place in zip(came, places, strict=True)]
    cap = conditions.get("cap", UNCAPPED)
    now = makespan(ways, stats.slots, [cap])
    fit = min(1.0, stats.wall / now) if now else 1.0  # calls that wait for others lend their slots
    found = [
        *_inputs(ways, stats, cap, now, conditions),
        *_slots(outcomes, ways, stats, conditions, now),
        *_stragglers(outcomes, places, ways, stats, conditions, now, label),
    ]
    return best([(seconds * fit, line) for seconds, line in found], stats.wall) or alone(outcomes, stats, label)


def _seats(outcomes: Outcomes, stats: Stats, conditions: Conditions) -> str | None:
    """Calls may have waited for others of their key while slots were free; of which key each is, nobody knows here."""
    each, cap = conditions.get("each"), conditions.get("cap", UNCAPPED)
    if each is None or not stats.wall or conditions.get("processor", 0.0) >= BUSY:
        return None
    share = min(1.0, time_covered(list(waits(outcomes))) / stats.wall)
    if share < HALF or stats.concurrency > HALF * min(stats.slots, cap):
        return None
    return f"calls waited for max_concurrent={each} of their keys for {share:.0%} of the time: raise it"


def _inputs(
    ways: list[tuple[float, list[float]]], stats: Stats, cap: float, now: float, conditions: Conditions
) -> list[Found]:
    """They may have come slowly."""
    if conditions.get("taken") or max(comes for comes, _ in ways) <= QUARTER * stats.wall:
        return []
    spared = now - makespan([(0.0, took) for _, took in ways], stats.slots, [cap])
    share = min(1.0, spared / stats.wall)
    return [(spared, f"{share:.0%} of the time went to waiting for inputs: have them at hand before, as a list")]


def _slots(
    outcomes: Outcomes, ways: list[tuple[float, list[float]]], stats: Stats, conditions: Conditions, now: float
) -> list[Found]:
    """Calls may have waited for one."""
    slots, cap, ceiling = stats.slots, conditions.get("cap", UNCAPPED), conditions.get("ceiling")
    waited = time_covered(list(waits(outcomes)))
    share = min(1.0, waited / stats.wall)
    if share < QUARTER or (ceiling is not None and slots < ceiling):  # which is on its way
        return []
    caps = [2 * cap if cap <= slots else cap]
    then = makespan(ways, slots if cap < slots else 2 * slots, caps)
    spared = now - max(then, needed(outcomes, conditions)[1])
    if cap == UNCAPPED and now < HALF * stats.wall and share >= HALF:  # other calls of the fan have held the slots
        spared = max(spared, waited / 2)
    return [(spared, more(share, stats, conditions))]


def more(share: float, stats: Stats, conditions: Conditions) -> str:
    """That calls have waited for slots for this share of the time."""
    slots, cap = stats.slots, conditions.get("cap", UNCAPPED)
    if conditions.get("processor", 0.0) >= BUSY:
        instead = ", take processes, or a Python without the GIL" if conditions.get("processors", 1) == 1 else ""
        return (
            f"the processor was busy for {min(1.0, conditions['processor']):.0%} of the time: more threads do not help "
            f"calls that compute{instead}"
        )
    if cap <= slots:
        both = " and max_workers" if cap == slots else ""
        return f"calls waited for max_concurrent={cap} for {share:.0%} of the time: raise it{both}"
    change = "the ceiling of Adaptive" if "ceiling" in conditions else "max_workers"
    return f"calls waited for one of {slots} slots for {share:.0%} of the time: raise {change}"


def waits(outcomes: Outcomes) -> list[tuple[float, float]]:
    """When calls have waited for a slot before they started."""
    found = []
    for outcome in outcomes:
        raw, history = raw_of(outcome), attempts_of(outcome)
        since, start = raw[SINCE], raw[START]
        if history:
            found += [
                (since + one.started - one.waited_slot, since + one.started) for one in history if one.waited_slot > 0
            ]
        elif start is not None and start > since:
            found.append((since, start))
    return found


def _stragglers(
    outcomes: Outcomes,
    places: list[int],
    ways: list[tuple[float, list[float]]],
    stats: Stats,
    conditions: Conditions,
    now: float,
    label: Label,
) -> list[Found]:
    """A few calls may have taken far longer than the others."""
    median, cap = stats.duration_p50, conditions.get("cap", UNCAPPED)
    slowest = [place for place in places if outcomes[place].duration >= max(FAR * median, SLOW)]
    if len(places) < FEW or not slowest or not median:
        return []
    first = now - makespan(sorted(ways, key=lambda way: -way[1][0]), stats.slots, [cap])
    ordinary = (CLEAR + 1) * median  # with a second attempt that takes as long as most
    cut = now - makespan([(comes, [min(took, ordinary)]) for comes, (took,) in ways], stats.slots, [cap])
    calls = f"{len(slowest)} slow call{'s' if len(slowest) > 1 else ''}"
    which = f"{calls} ({written([label(place) for place in slowest])}; median {median:.2g} s)"
    if first > max(QUARTER * stats.wall, cut / 2):  # which costs nothing
        return [(first, f"{min(1.0, first / stats.wall):.0%} of the time went to {which}: start them first")]
    changes = []
    if not all(outcomes[place].status is TIMED_OUT for place in slowest):  # else they got what was asked for
        timeout = conditions.get("timeout")
        changes.append("a timeout" if timeout is None else f"a shorter timeout than {timeout:g} s")
    budget = f", budget={ceil(100 * len(slowest) / len(places)) / 100:g}" if 20 * len(slowest) > len(places) else ""
    if not _hedged(outcomes):
        changes.append(f"hedge=Hedge(after={CLEAR * median:.2g}{budget}) if they may be made twice")
    if not changes:
        return []
    share = min(1.0, cut / stats.wall)
    return [(cut, f"{share:.0%} of the time went to {which}: give the calls {', or '.join(changes)}")]


def _hedged(outcomes: Outcomes) -> bool:
    """Whether any call was attempted a second time while the first attempt ran."""
    for outcome in outcomes:
        history = sorted(attempts_of(outcome), key=lambda one: one.started)
        if any(later.started < first.started + first.duration for first, later in pairwise(history)):
            return True
    return False


def alone(outcomes: Outcomes, stats: Stats, label: Label) -> str | None:
    """One call may have run while no other did, for most of the time."""
    spans = []
    for place, outcome in enumerate(outcomes):
        raw, history = raw_of(outcome), attempts_of(outcome)
        since, start, end = raw[SINCE], raw[START], raw[END]
        if history:
            spans += [(since + one.started, since + one.started + one.duration, place) for one in history]
        elif start is not None:
            spans.append((start, end, place))
    by_place: dict[int, float] = {}
    running: dict[int, int] = {}
    before = 0.0
    for moment, change, place in sorted(
        [(start, 1, place) for start, _, place in spans] + [(end, -1, place) for _, end, place in spans]
    ):
        if len(running) == 1:
            (one,) = running
            by_place[one] = by_place.get(one, 0.0) + moment - before
        before = moment
        running[place] = running.get(place, 0) + change
        if not running[place]:
            del running[place]
    seconds, place = max(((seconds, place) for place, seconds in by_place.items()), default=(0.0, 0))
    status = outcomes[place].status if outcomes else None
    if len(outcomes) < 2 or seconds < max(HALF * stats.wall, SLOW) or status is TIMED_OUT:  # it got what was asked for
        return None
    name = label(place)
    who = f"call {name}" if isinstance(name, int) else repr(name)
    said = ": make it shorter, or divide it"
    if status is CANCELLED:  # it would have gone on
        said = " and was cancelled: give it a timeout"
    return f"{who} ran alone for {min(1.0, seconds / stats.wall):.0%} of the time{said}"
