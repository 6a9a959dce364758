"""How far below the configured limit to stay, learned from what the server refuses.

Two things are told apart.  A refusal out of a long calm is taken for jitter: requests arrive a little closer together
than they were sent, and a slightly larger margin absorbs it.  Refusals that follow each other mean that the limit is
lower than was said: the pace is cut to a share of it, and comes back along the curve of CUBIC (RFC 9438, section 4.2):
quickly towards the level that was refused, long on a plateau just below it, then on upwards, first very slowly.

Simulated (tests/policies/test_rate_limit_simulated.py): 10,000 items at 3000 a minute, half of it from the middle
on, against the best possible time: a bucket of 50 gives 1.00, a bucket of 10 gives 1.05, a sliding window 1.08, with
6 to 17 refusals in all; no burst at all 1.16, since jitter is then a large part of each gap of 20 ms.
"""

from __future__ import annotations

STEP, MOST = 0.02, 0.1  # what a single refusal adds to the margin, and all of them at most
FORGET = 0.001  # the part of that which each success takes away: half of it in about 700
CALM = 3.0  # seconds of work without a refusal that make the next one a single one
GENTLE, STRONG = 0.9, 0.7  # cuts of the share: after a calm, and when refusals follow each other
LEAST = 0.01  # the share is never cut below; arbitrary
BELOW = 0.96  # the plateau, as a part of the share that was refused
PLATEAU = 60.0  # seconds of work after a cut until the middle of the plateau
IDLE = 1.0  # seconds; a longer time between two successes counts as so much work ...
SHARED_IDLE = 10.0
"""... but where they are far apart because many processes take turns at the limit.  Simulated (benchmarks/planning): a
thousand of them at 100 a second, halved for ten minutes and whole again.  With 1 s 47 of the 50 are used meanwhile, and
it is not back in 15 minutes; with 10 s 43 and 7 minutes; with 30 s 33, for it is tried too often, and 3 minutes."""


class Feedback:
    """The part of a limit that is used, as the factor by which the time between two requests is stretched.

    Args:
        margin: what to stay below the limit from the start, e.g. 0.01 for one percent.
        idle: seconds that count as work between two successes, at most.
    """

    __slots__ = ("_bottom", "_idle", "_last", "_least", "_plateau", "_work", "margin", "share")

    def __init__(self, margin: float, idle: float = IDLE) -> None:
        self.margin: float = margin
        self._idle = idle
        self._least: float = margin
        self.forget()
        self._work = CALM  # seconds of work since the last refusal
        self._last = float("inf")

    def least(self, margin: float) -> None:
        """Stay below the limit by no more than this from the start."""
        if margin < self._least:
            self.margin -= self._least - margin
            self._least = margin

    def forget(self) -> None:
        """The limit is known anew: use all of it."""
        self.share: float = 1.0
        self._plateau: float = 1.0
        self._bottom: float = 1.0

    @property
    def stretch(self) -> float:
        """How many times longer than at the configured limit the time between two requests is."""
        return (1.0 + self.margin) / self.share

    def overloaded(self) -> None:
        """A request was refused while the pace was kept."""
        calm = self._work >= CALM
        self._work = 0.0
        if calm and self.share == 1.0 and self.margin < self._least + MOST:
            self.margin += STEP
        else:
            self._plateau = BELOW * self.share
            self._bottom = self.share = max(LEAST, self.share * (GENTLE if calm else STRONG))

    def succeeded(self, now: float) -> None:
        """A request was answered."""
        self._work += min(max(now - self._last, 0.0), self._idle)
        self._last = now
        self.margin -= (self.margin - self._least) * FORGET
        if self.share < 1.0:
            depth = max(self._plateau - self._bottom, 0.0)
            self.share = min(1.0, max(LEAST, self._plateau + depth * (self._work / PLATEAU - 1.0) ** 3))
