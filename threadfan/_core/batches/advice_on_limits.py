"""Advice on what stops calls, and on what keeps them from starting: refusals, limits, back-offs."""

from __future__ import annotations

from math import ceil

from ..base.errors import LimitExhausted
from ..base.outcome import FAILED, PAYLOAD, STATUS
from .advice import HALF, LONG, REFUSED, SAMPLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.outcome import Raw
    from .advice import Outcomes
    from .figures import Conditions
    from .stats import Stats


# -- what stops calls --------------------------------------------------------------------------------------------------


def refused(raws: list[Raw], stats: Stats, conditions: Conditions) -> str | None:
    """Calls that have failed because they were refused, or are to wait for long."""
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
    retry = "" if conditions.get("retried") else ", and a retry"
    return f"{share:.0%} of the calls were refused as too many: {_fewer(conditions)}{retry}"


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
    if share < HALF or _broken(outcomes, stats):
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
