"""Advice on what stops calls, and on what keeps them from starting: refusals, limits, back-offs."""

from __future__ import annotations

from math import ceil

from ..base.errors import LimitExhausted
from ..base.index_ranges import written
from ..base.outcome import FAILED, PAYLOAD, STATUS
from .advice import HALF, LONG, REFUSED, SAMPLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.outcome import Raw
    from .advice import Label, Outcomes
    from .figures import Conditions
    from .stats import Stats


# -- what stops calls --------------------------------------------------------------------------------------------------


def refused(raws: list[Raw], outcomes: Outcomes, stats: Stats, conditions: Conditions, label: Label) -> str | None:
    """Calls that have failed because they were refused, or are to wait for long; the outcomes are of these raws."""
    if stats.asked >= LONG:
        return f"an answer has asked to wait for {stats.asked:g} s: look at your account, or come back later"
    if not stats.failed:
        return None
    failed = [raw[PAYLOAD] for raw in raws if raw[STATUS] is FAILED and raw[PAYLOAD] is not None]
    if not failed:
        return None
    from ..policies.responses import is_overload
    from ..policies.words import account_word

    some = failed[:: ceil(len(failed) / SAMPLE)]
    words = [word for error in some if (word := account_word(error)) is not None]
    if words:
        share = len(words) / len(some) * len(failed) / len(raws)
        return f"{share:.0%} of the calls were refused for good ({words[0]}): look at your account"
    sent = [error for error in some if not isinstance(error, LimitExhausted)]  # others were not refused, but not made
    share = sum(map(is_overload, sent)) / len(some) * len(failed) / len(raws)
    if share < REFUSED:
        return None
    if always := _always_refused(outcomes, conditions):
        which = written([label(place) for place in always])
        return f"{share:.0%} of the calls were refused every time ({which}), and no others: {_OWN}"
    retry = "" if conditions.get("retried") else ", and a retry"
    return f"{share:.0%} of the calls were refused as too many: {_fewer(conditions)}{retry}"


def _fewer(conditions: Conditions) -> str:
    """How fewer requests are refused."""
    if conditions.get("limits"):
        return "give the rate the numbers that the server keeps to"
    return "give the fan a rate=RateLimit(…)"


_OWN = "raise an exception of your own for their refusals, with few retries of its own"
"""What to do about calls that no rate lets through: the others then do not pause with each of their refusals."""


def _always_refused(outcomes: Outcomes, conditions: Conditions) -> list[int]:
    """The places of a few calls that have failed under a limit, if these alone were refused, and each time."""
    if not conditions.get("limits"):
        return []
    failed = [place for place, outcome in enumerate(outcomes) if outcome.status is FAILED]
    if any(isinstance(outcomes[place].error, LimitExhausted) for place in failed):
        return []  # nothing got through any more
    from ..policies.responses import is_overload

    attempts = [
        (place, one.error) for place, outcome in enumerate(outcomes) for one in outcome.history if one.error is not None
    ]
    some = attempts[:: ceil(len(attempts) / SAMPLE)] if attempts else []
    refused = {place for place, error in some if is_overload(error)}
    through = refused.difference(failed) or {place for place, error in some if not is_overload(error)} & refused
    few = 2 * len(refused) <= len(outcomes) and all(outcomes[place].attempts > 1 for place in refused)
    return sorted(refused) if few and not through else []


# -- what keeps them from starting -------------------------------------------------------------------------------------


def held(outcomes: Outcomes, stats: Stats, conditions: Conditions, label: Label) -> str | None:
    """Limits and back-offs."""
    if not stats.wall:
        return None
    return _limited(outcomes, stats, conditions, label) or _backed_off(outcomes, stats, conditions)


def _limited(outcomes: Outcomes, stats: Stats, conditions: Conditions, label: Label) -> str | None:
    share = min(1.0, stats.limited / stats.wall)
    if share < HALF or _broken(outcomes, stats):
        return None
    if conditions.get("paced") and not conditions.get("limits"):
        return f"{share:.0%} of the time went to the pace that Adaptive has found: only a higher limit there helps"
    unit, seconds = needed(outcomes, conditions)
    if stats.pauses and "rates" in conditions and seconds < HALF * stats.limited:
        whose, change = "", _fewer(conditions)
        if always := _always_refused(outcomes, conditions):
            which = written([label(place) for place in always])
            whose, change = f", all of calls that were refused every time ({which})", _OWN
        return f"{share:.0%} of the time went to pauses after refusals ({stats.pauses}){whose}: {change}"
    limit = (
        f"limit of {unit.replace('_', ' ')}" if "tokens" in unit and seconds >= HALF * stats.limited else "rate limit"
    )
    enough = max(1, ceil(1.25 * stats.concurrency))
    if "most" in conditions:
        share_of_one = f", of which the one with most calls has {conditions['most']} of {stats.total}"
        return f"{share:.0%} of the time went to the {limit} of the keys{share_of_one}: raise it"
    lower = f" or lower max_workers to {enough}" if enough < stats.slots else ""
    return f"{share:.0%} of the time went to the {limit}: raise it{lower}"


def _broken(outcomes: Outcomes, stats: Stats) -> bool:
    """Whether all calls fail, and not for want of permits: with a higher limit they would fail sooner."""
    if stats.succeeded > stats.kept or stats.pauses:
        return False
    failed = [outcome.error for outcome in outcomes if outcome.status is FAILED]
    return any(not isinstance(error, LimitExhausted) for error in failed)


def needed(outcomes: Outcomes, conditions: Conditions) -> tuple[str, float]:
    """The unit of which the batch's one rate limit has least, and for how many seconds the batch has used it up."""
    rates = conditions.get("rates")
    if not rates:
        return "", 0.0
    from ..policies.cost import Cost

    if "most" in conditions:  # each key has one; tokens are not told by keys
        return ("requests", 60.0 * conditions["most"] / rates["requests"]) if "requests" in rates else ("", 0.0)
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
