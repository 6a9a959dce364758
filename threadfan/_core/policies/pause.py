"""One pause for all that share a limit: who is refused stops everybody, one probe opens again.

Guarantees: the first refusal begins a pause; refusals of requests that were sent before it add their own Retry-After
and nothing else; after it one request at a time is let through, and only the success of one that was sent after the
refusal opens.  A probe that ends in another way makes room for the next.

A refusal that names no time to wait may be an exception: services refuse single requests for reasons of their own, and
with a second for each of them, one refusal in thirty would halve what 60 requests a second come to.  Where few of the
last requests were refused, the guess starts at 1/32 of a second, and opening is as much quicker; a probe that is
refused doubles it as ever.
"""

from __future__ import annotations

from .token_bucket import NOTHING

FIRST_GUESS, LONGEST_GUESS = 1.0, 30.0  # seconds of a pause without Retry-After: 1, 2, 4, 8, 16, 30, 30, ...
HOPELESS = 10  # fruitless probes in a row; without Retry-After that takes about 3.5 minutes
AT_LEAST = 60.0  # seconds that those have to last, where short times are named; arbitrary
PATIENCE = 2.0  # seconds; refusals come quickly: a probe not back by then, or in four times the last one, was let in
MEMORY = 50  # requests; the part of them that was refused follows about so many of the last ones
FEW = 0.15  # the part of them up to which a refusal may be an exception
EXCEPTION = -5  # the power of two by which the guess starts lower then
OPENING = 4.0  # seconds in which the gap between two starts shrinks ...
FIRST_GAP = 0.2  # ... from this, in seconds, ... (all four times the pause, where that was less than a second)
HALVED_IN = 0.5  # ... to half of it in each of these, down to 1 ms


class Pause:
    """Whether requests may go out at all."""

    __slots__ = (
        "_answered",
        "_known",
        "_level",
        "_next",
        "_opened",
        "_probe",
        "_refused",
        "_scale",
        "_since",
        "_until",
        "brief",
        "epoch",
        "fruitless",
        "openings",
        "patience",
        "paused",
    )  # fmt: skip

    def __init__(self) -> None:
        self.epoch: int = 0  # grows with each pause: tells requests sent before one from those sent after
        self.paused: bool = False
        self.brief: bool = False  # the last pause was for what may be an exception
        self.fruitless: int = 0  # probes refused in a row
        self.openings: int = 0  # pauses that a success has ended
        self.patience: float = PATIENCE
        self._answered = True  # a request of this epoch has succeeded
        self._level = 0  # how often the guess was doubled
        self._refused, self._known = 1.0, 1  # the part of the last requests that was refused; how many those are
        self._scale = 1.0  # of the times in which it opens
        self._until = self._next = self._opened = float("-inf")
        self._since = 0.0  # when the last request was refused before which one had succeeded
        self._probe: float | None = None  # when the probe that is under way was sent

    @property
    def hopeless(self) -> bool:
        """Whether so many probes were refused in a row that waiting on is no honest answer."""
        return self.fruitless >= HOPELESS and self._until - self._since >= AT_LEAST

    def wait(self, now: float) -> float:
        """Seconds until a request may start, as far as the pause is concerned."""
        if self.paused and self._probe is not None and now >= self._probe + self.patience - NOTHING:
            self._open(now)
        behind = self._until - now
        if not self.paused:
            behind = max(behind, self._next - now)
        elif self._probe is not None:
            behind = max(behind, self._probe + self.patience - now)
        return behind if behind > NOTHING else 0.0

    def started(self, now: float) -> int:
        """A request goes out; its epoch is to be told when it comes back."""
        if self.paused:
            self._probe = now
        elif self._opening(now):
            self._next = now + FIRST_GAP * self._scale * 0.5 ** ((now - self._opened) / (HALVED_IN * self._scale))
        return self.epoch

    def ended(self, epoch: int) -> None:
        """A request has come to an end that says nothing about the limit: if it was the probe, the next one is."""
        if self.paused and epoch == self.epoch:
            self._probe = None

    def succeeded(self, epoch: int, now: float) -> bool:
        """A request was answered; says whether that is news, or of one that was sent before the last refusal."""
        self._count(0.0)
        if epoch != self.epoch:
            return False
        self._answered, self.fruitless = True, 0
        if self.paused:
            self.openings += 1
            self._open(now)
        return True

    def overloaded(self, epoch: int, now: float, retry_after: float | None, took: float) -> bool:
        """A request that ``took`` so many seconds was refused; says whether a pause begins because of it."""
        exception = not retry_after and self._refused <= FEW
        self._count(1.0)
        if epoch != self.epoch:
            self.hold(now + (retry_after or 0.0))
            return False
        length = self._length(now, retry_after, exception)
        self.hold(now + length)
        self._scale = min(1.0, length)
        self.patience = min(60.0, max(PATIENCE * self._scale, 4.0 * took))
        self.epoch += 1
        self.paused, self._probe, self._answered = True, None, False
        return True

    def lift(self, now: float) -> None:
        """What was taken for an overload was none: go on as if there had been no pause."""
        if self.paused:
            self.fruitless, self._until = 0, now
            self._open(now)

    def left(self, now: float) -> float:
        """Seconds that nothing goes out for sure."""
        return max(0.0, self._until - now) if self.paused else 0.0

    def hold(self, until: float) -> None:
        """Let nothing out before ``until``, without the need of a probe."""
        self._until = max(self._until, until)

    def _length(self, now: float, retry_after: float | None, exception: bool) -> float:
        fruitless = not self._answered
        if fruitless or (self._opening(now) and not exception):
            self._level += 1
        else:
            self._level = EXCEPTION if exception else 0
        self.brief = self._level < 0
        self.fruitless = self.fruitless + 1 if fruitless and not self.brief else 0
        if not fruitless:
            self._since = now
        guess = min(LONGEST_GUESS, FIRST_GUESS * 2.0 ** min(self._level, 10))
        if retry_after is None or (fruitless and not retry_after):
            return guess
        # Whoever names 6 ms does not mean seconds, and one probe in each is no burden; but not for ever.
        doubled = retry_after * 2.0 ** min(max(0, self.fruitless - HOPELESS + 1), 20)
        return max(retry_after, min(LONGEST_GUESS, doubled))

    def _count(self, refused: float) -> None:
        self._known = min(self._known + 1, MEMORY)
        self._refused += (refused - self._refused) / self._known

    def _opening(self, now: float) -> bool:
        return now < self._opened + OPENING * self._scale

    def _open(self, now: float) -> None:
        self.paused, self._probe = False, None
        self._opened = self._next = now
