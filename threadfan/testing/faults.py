"""Which request fails, and how: markers in the prompt and odds under a seed.

A prompt asks for what happens to it with markers, which are removed before the server reads the rest:

    [fault:429]        every request with this prompt gets a 429
    [fault:429 x2]     the first two requests with this prompt get a 429, the next ones the answer
    [fault:429 x2] [fault:hang x1]    one after the other: two 429, one hang, then the answer
    [delay:0.5]        this request is answered after 0.5 seconds, whatever the server's latency
    [stop:refusal]     the answer has that stop reason

A prompt with a fault marker is left alone by the odds, so a test that asks for a fault gets exactly that.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

KINDS = ("429", "529", "500", "hang", "reset", "drip", "broken")

_FAULT = re.compile(r"\[fault:(\w+)(?: x(\d+))?\]")
_DELAY = re.compile(r"\[delay:(\d+(?:\.\d+)?)\]")
_STOP = re.compile(r"\[stop:(\w+)\]\s*")
_MARKER = re.compile(rf"(?:{_FAULT.pattern}|{_DELAY.pattern}|{_STOP.pattern})\s*")


class Faults:
    """Decides for each request, in order of arrival, which fault it meets.

    Args:
        odds: Probability of each kind of fault, between 0 and 1.
        seed: The n-th decision is the same in every run with the same seed.
    """

    def __init__(self, odds: Mapping[str, float], seed: int) -> None:
        self._odds = odds
        self._generator = random.Random(seed)  # noqa: S311 -- repeatable decisions are the purpose
        self._seen: Counter[Hashable] = Counter()

    def pick(self, prompt: str, conversation: Hashable) -> str | None:
        """Returns the kind of fault for this request, or None when it is answered.

        Args:
            prompt: The text that may hold markers.
            conversation: What must be equal for two requests to count as the same one for `xN`.

        Raises:
            ValueError: A marker names an unknown kind.
        """
        markers = _FAULT.findall(prompt)
        return self._marked(markers, conversation) if markers else self._drawn()

    def _marked(self, markers: list[tuple[str, str]], conversation: Hashable) -> str | None:
        check_kinds(kind for kind, _ in markers)
        turn = self._seen[conversation]
        self._seen[conversation] += 1
        for kind, times in markers:
            lasts = int(times) if times else math.inf
            if turn < lasts:
                return kind
            turn -= int(lasts)
        return None

    def _drawn(self) -> str | None:
        point = self._generator.random()
        for kind, odds in self._odds.items():
            point -= odds
            if point < 0:
                return kind
        return None


def check_kinds(kinds: Iterable[str]) -> None:
    """Raises ValueError when one of `kinds` is not a kind of fault."""
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"there is no fault {kind!r}; the kinds are {', '.join(KINDS)}")


def marked_delay(prompt: str) -> float | None:
    """Returns the seconds of a `[delay:SECONDS]` marker, or None without one."""
    found = _DELAY.search(prompt)
    return float(found[1]) if found else None


def split_stop(text: str) -> tuple[str, str | None]:
    """Returns a text without its `[stop:REASON]` marker, and that reason or None."""
    found = _STOP.search(text)
    return (_STOP.sub("", text).strip(), found[1]) if found else (text, None)


def without_markers(prompt: str) -> str:
    """Returns the prompt as it would have been written without any marker."""
    return _MARKER.sub("", prompt).strip()
