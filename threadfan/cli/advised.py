"""Advice in the words of the command line: its options, where a report names arguments."""

from __future__ import annotations

import re

_WORDS = (
    (r"^.*: give the calls hedge=Hedge.*$", ""),
    (r", or hedge=Hedge\(.*\) if they may be made twice$", ""),
    (r"give the fan a rate=RateLimit\(…\), and a retry$", "give it --rate and --retry"),
    (r"look at their errors in outcome\.history", "--report run.html shows their errors"),
    (r"to the rate limit: raise it\b", "to the rate limit: raise --rate"),
    (r" a timeout$", " a --timeout"),
    (r" shorter timeout than ", " shorter --timeout than "),
)


def in_flags(advice: str, *, workers: bool) -> str:
    """The advice; empty if there is no such option.

    Args:
        workers: whether ``--workers`` counts for any executor of the program.
    """
    for pattern, words in _WORDS:
        advice = re.sub(pattern, words, advice)
    return advice.replace("max_workers", "--workers" if workers else "max_workers in the program")
