"""The one line of advice: the change that would help a batch most.

What stops calls comes first, then what keeps them from starting, each of which a figure tells.  The rest is found by
running the batch again in thought (see ``replay``): a change is named if it would spare more than a quarter of the
time, and of several the one that spares most.  Each rule is held by a test in which the change is made and helps.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil

from ..base.outcome import FAILED, TIMED_OUT, time_covered
from .places import written
from .replay import UNCAPPED, makespan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..base.outcome import Outcome
    from .figures import Conditions
    from .stats import Stats

    Outcomes = Sequence[Outcome[Any]]
    Labels = Sequence[int | str]
    Found = tuple[float, str]
    """What a change spares, in seconds, and the advice."""

LONG = 60.0
"""Seconds; an answer that asks to wait for so long is said.  Arbitrary: more than limits per minute ask for."""

HALF = 0.5
"""Of the time; what took less does not decide.  Arbitrary."""

QUARTER = 0.25
"""Of the time; a change that spares less is not worth a line.  Arbitrary."""

BUSY = 0.8
"""Of the processors' time; what uses more of it computes.  Arbitrary."""

REFUSED = 0.01
"""Of the calls; fewer that were refused are not worth a line.  Arbitrary."""

TINY = 0.001
"""Seconds; of shorter calls the threads cost as much as the calls, and more of them gain nothing."""

FEW = 8
"""Calls; among fewer it cannot be said which are slow.  Arbitrary."""

CLEAR, FAR = 2.0, 4.0
"""Medians after which a second attempt is worth its price, and from which a call is slow: as ``Hedge`` has it."""

SAMPLE = 1000
"""Errors that are looked at, of as many as there are: each costs some ten microseconds."""


def advice(outcomes: Outcomes, stats: Stats, conditions: Conditions, labels: Labels) -> str | None:
    """For calls that do not depend on each other."""
    about = outcomes, stats, conditions
    return refused(*about) or held(*about) or slow(*about, labels)


def best(found: list[Found], wall: float) -> str | None:
    """The advice that spares most, if it is worth a line."""
    seconds, line = max(found, key=lambda one: one[0], default=(0.0, ""))
    return line if seconds > QUARTER * wall else None


# -- what stops calls --------------------------------------------------------------------------------------------------


def refused(outcomes: Outcomes, stats: Stats, conditions: Conditions) -> str | None:
    """Calls that have failed because they were refused, or are to wait for long."""
    if stats.asked >= LONG:
        return f"an answer has asked to wait for {stats.asked:g} s: look at your account, or come back later"
    failed = [outcome.error for outcome in outcomes if outcome.status is FAILED]
    if not failed:
        return None
    from ..policies.responses import is_overload
    from ..policies.words import account_word

    some: list[Any] = failed[:: ceil(len(failed) / SAMPLE)]
    words = [word for error in some if (word := account_word(error)) is not None]
    if words:
        share = len(words) / len(some) * len(failed) / len(outcomes)
        return f"{share:.0%} of the calls were refused for good ({words[0]}): look at your account"
    share = sum(map(is_overload, some)) / len(some) * len(failed) / len(outcomes)
    if share < REFUSED:
        return None
    return f"{share:.0%} of the calls were refused as too many: {_fewer(conditions)}, and a retry"


def _fewer(conditions: Conditions) -> str:
    """How fewer requests are refused."""
    if conditions.get("limits"):
        return "give the rate the numbers that the server keeps to"
    return "give the fan a rate=RateLimit(…)"


# -- what keeps them from starting -------------------------------------------------------------------------------------


def held(outcomes: Outcomes, stats: Stats, conditions: Conditions) -> str | None:
    """Limits and back-offs."""
    if not stats.wall:
        return None
    return _limited(outcomes, stats, conditions) or _backed_off(outcomes, stats, conditions)


def _limited(outcomes: Outcomes, stats: Stats, conditions: Conditions) -> str | None:
    share = min(1.0, stats.limited / stats.wall)
    if share < HALF:
        return None
    if conditions.get("paced") and not conditions.get("limits"):
        return f"{share:.0%} of the time went to the pace that Adaptive has found: only a higher limit there helps"
    unit, seconds = needed(outcomes, conditions)
    if stats.pauses and "rates" in conditions and seconds < HALF * stats.limited:
        return f"{share:.0%} of the time went to pauses after refusals ({stats.pauses}): {_fewer(conditions)}"
    limit = (
        f"limit of {unit.replace('_', ' ')}" if "tokens" in unit and seconds >= HALF * stats.limited else "rate limit"
    )
    enough = max(1, ceil(1.25 * stats.concurrency))
    lower = f" or lower max_workers to {enough}" if enough < stats.slots else ""
    return f"{share:.0%} of the time went to the {limit}: raise it{lower}"


def needed(outcomes: Outcomes, conditions: Conditions) -> tuple[str, float]:
    """The unit of which the batch's one rate limit has least, and for how many seconds the batch has used it up."""
    rates = conditions.get("rates")
    if not rates:
        return "", 0.0
    from ..policies.cost import Cost

    used = dict.fromkeys(rates, 0.0)
    for outcome in outcomes:
        usage = outcome.usage if len(rates) > ("requests" in rates) else None
        cost = Cost() if usage is None else Cost.of(usage)
        for unit in rates:
            used[unit] += outcome.attempts if unit == "requests" else cost.of_unit(unit)
    unit = max(rates, key=lambda unit: used[unit] / rates[unit])
    return unit, 60.0 * used[unit] / rates[unit]


def _backed_off(outcomes: Outcomes, stats: Stats, conditions: Conditions) -> str | None:
    if not stats.waited_backoff:
        return None
    share = stats.waited_backoff / (stats.waited_backoff + stats.duration_sum)
    if share < HALF:
        return None
    from ..policies.responses import is_overload

    retried = [attempt.error for outcome in outcomes for attempt in outcome.history[:-1] if attempt.error is not None]
    some = retried[:: ceil(len(retried) / SAMPLE)] if retried else []
    kinds = [type(error).__name__ for error in some]
    refused = 2 * sum(map(is_overload, some)) > len(some)
    often = f", most often {max(kinds, key=kinds.count)}" if kinds else ""
    change = _fewer(conditions) if refused else f"look at their errors in outcome.history{often}"
    return f"{share:.0%} of the calls' time went to waiting after failed attempts ({stats.retries} retries): {change}"


# -- what makes a batch long -------------------------------------------------------------------------------------------


def slow(outcomes: Outcomes, stats: Stats, conditions: Conditions, labels: Labels) -> str | None:
    """Slots, slow inputs, slow calls."""
    places = [place for place, outcome in enumerate(outcomes) if outcome.attempts]
    if not stats.wall or len(places) < 2 or stats.duration_sum < TINY * len(places):
        return None
    begin = min(outcomes[place]._raw[2] for place in places)
    ways = [(outcomes[place]._raw[2] - begin, [outcomes[place].duration]) for place in places]
    cap = conditions.get("cap", UNCAPPED)
    now = makespan(ways, stats.slots, [cap])
    fit = min(1.0, stats.wall / now) if now else 1.0  # calls that wait for others lend their slots
    found = [
        *_inputs(ways, stats, cap, now, conditions),
        *_slots(outcomes, ways, stats, conditions, now),
        *_stragglers(outcomes, places, ways, stats, cap, now, labels),
    ]
    return best([(seconds * fit, line) for seconds, line in found], stats.wall) or alone(outcomes, stats, labels)


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
        since, start, history = outcome._raw[2], outcome._raw[5], outcome._history
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
    cap: float,
    now: float,
    labels: Labels,
) -> list[Found]:
    """A few calls may have taken far longer than the others."""
    median = stats.duration_p50
    slowest = [place for place in places if outcomes[place].duration >= FAR * median]
    if len(places) < FEW or not slowest or not median:
        return []
    first = now - makespan(sorted(ways, key=lambda way: -way[1][0]), stats.slots, [cap])
    ordinary = (CLEAR + 1) * median  # with a second attempt that takes as long as most
    cut = now - makespan([(comes, [min(took, ordinary)]) for comes, (took,) in ways], stats.slots, [cap])
    calls = f"{len(slowest)} slow call{'s' if len(slowest) > 1 else ''}"
    which = f"{calls} ({written([labels[place] for place in slowest])}; median {median:.2g} s)"
    if first > max(QUARTER * stats.wall, cut / 2):  # which costs nothing
        return [(first, f"{min(1.0, first / stats.wall):.0%} of the time went to {which}: start them first")]
    shorter = " shorter" if any(outcomes[place].status is TIMED_OUT for place in slowest) else ""
    budget = f", budget={ceil(100 * len(slowest) / len(places)) / 100:g}" if 20 * len(slowest) > len(places) else ""
    hedge = f", or hedge=Hedge(after={CLEAR * median:.2g}{budget}) if they may be made twice"
    change = f"give the calls a{shorter} timeout{'' if _hedged(outcomes) else hedge}"
    return [(cut, f"{min(1.0, cut / stats.wall):.0%} of the time went to {which}: {change}")]


def _hedged(outcomes: Outcomes) -> bool:
    """Whether any call was attempted a second time while the first attempt ran."""
    for outcome in outcomes:
        history = sorted(outcome._history or (), key=lambda one: one.started)
        if any(later.started < first.started + first.duration for first, later in pairwise(history)):
            return True
    return False


def alone(outcomes: Outcomes, stats: Stats, labels: Labels) -> str | None:
    """One call may have run while no other did, for most of the time."""
    spans = []
    for place, outcome in enumerate(outcomes):
        since, start, end = outcome._raw[2], outcome._raw[5], outcome._raw[6]
        if outcome._history:
            spans += [(since + one.started, since + one.started + one.duration, place) for one in outcome._history]
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
    if len(outcomes) < 2 or seconds < HALF * stats.wall:
        return None
    name = f"call {labels[place]}" if isinstance(labels[place], int) else repr(labels[place])
    return f"{name} ran alone for {min(1.0, seconds / stats.wall):.0%} of the time: make it shorter, or divide it"
