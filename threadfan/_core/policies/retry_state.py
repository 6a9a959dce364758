"""The attempts of one call, and what a policy says after each of them.

A policy is immutable and shared by all calls and threads.  A state belongs to one call and is used by one thread at a
time, not always the same one.  Neither waits, and neither reads a clock: ``now`` is in seconds of one monotonic clock.
"""

from __future__ import annotations

from .reading import Reading
from .retryable import never

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    Payload: TypeAlias = Any
    """What a call returned, if it did, else what it raised."""
    Verdict: TypeAlias = tuple[float | None, bool, Payload]
    """(seconds until the next attempt, whether this one succeeded, its value or error): try again; or
    (None, whether the call succeeded, its value or error): that is the end, and the value or error may be another."""
    Draw: TypeAlias = Callable[[], float]
    """A random number from 0 to 1, as ``random.random``."""

BASE = 0.5  # seconds that the first wait is at most
CAP = 30.0  # seconds that any wait is at most, unless the answer asks for more
_DOUBLINGS = 10  # enough to reach the cap, few enough for any number of retries


def backoff(retries: int, draw: Draw) -> float:
    """Seconds to wait after so many retries: anything from 0 to ``BASE``, doubled for each retry up to ``CAP``.

    Exponential backoff with full jitter, which needs the fewest calls of the variants compared in
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return draw() * min(CAP, BASE * 2.0 ** min(retries, _DOUBLINGS))


def not_before(asked: float | None, draw: Draw) -> float:
    """The least wait when an answer asks for ``asked`` seconds: up to a tenth more, or up to ``BASE``, or twice that.

    So that calls which were told the same do not come back in the same moment.
    """
    return 0.0 if asked is None else asked + draw() * max(min(BASE, asked), asked / 10)


def pause_before(retries: int, asked: float | None, draw: Draw) -> float:
    """Seconds to wait after so many retries, the last of which was answered with a demand for ``asked`` seconds.

    Whoever names a short time means it: the backoff is then at most that, doubled for each retry.
    """
    wait = backoff(retries, draw)
    if asked:
        wait = min(wait, asked * 2.0 ** min(retries, _DOUBLINGS))
    return max(wait, not_before(asked, draw))


class Policy:
    """Which errors of a call are followed by another attempt, how often, and when."""

    __slots__ = ("draw",)

    plain = True
    """Whether no code of the user's takes part, so that its states may be asked in any thread and never take long."""

    silent = True
    """Whether no code of the user's takes part before the first attempt of a call."""

    def __init__(self, draw: Draw) -> None:
        self.draw: Draw = draw

    def new_state(
        self, now: float, fn: Callable[..., object] | None, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> RetryState:
        """What decides about one call.

        Args:
            now: when its first attempt begins.
            fn: what is called, for hooks of the user's, as ``args`` and ``kwargs``.
        """
        raise NotImplementedError

    def text(self) -> str:
        """The policy as its user wrote it, or nearly."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<retry={self.text()}>"


class RetryState:
    """The attempts of one call: ``begin`` before each, ``decide`` after each."""

    __slots__ = ("attempts",)

    attempts: int
    """How many have been begun."""

    def __init__(self) -> None:
        self.attempts = 0

    def begin(self, now: float) -> Verdict | None:
        """Note that an attempt begins; a verdict instead of None if a hook of the user's has ended the call."""
        self.attempts += 1
        return None

    def decide(
        self,
        now: float,
        ok: bool,
        payload: Payload,
        *,
        counted: bool = True,
        wall: float | None = None,
        said: Reading | None = None,
    ) -> Verdict:
        """What is to follow the attempt that has just ended.

        Args:
            now: when it ended.
            ok: whether it returned.
            payload: what it returned or raised.
            counted: False for an overload that the call's rate limit sees to: if it is worth retrying, the attempt is
                repeated at once, and neither a retry is used up nor a policy of the user's asked.
            wall: seconds since 1970, for answers that give a date to come back at (see ``retry_after``).
            said: what the error says, if that was found out before.
        """
        if not ok:
            if never(payload):
                return None, ok, payload
            said = said or Reading(payload, wall)
            if not counted and said.worth_retrying():
                return 0.0, ok, payload
        return self.judge(now, ok, payload, said)

    def judge(self, now: float, ok: bool, payload: Payload, said: Reading | None) -> Verdict:
        """``decide``, for a success or for an error that counts and may be tried again.

        Args:
            said: what the error says; None for a success.
        """
        raise NotImplementedError


class Times(Policy):
    """So many retries of whatever is worth it.

    Args:
        retries: at most, after the first attempt.
        draw: for the jitter of waits.
        any_error: count every error as worth it; for errors that the user has named.
    """

    __slots__ = ("any_error", "retries")

    def __init__(self, retries: int, draw: Draw, *, any_error: bool = False) -> None:
        super().__init__(draw)
        self.retries = retries
        self.any_error = any_error

    def new_state(
        self, now: float, fn: Callable[..., object] | None, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> RetryState:
        """What decides about one call; none of the arguments matters."""
        return _TimesState(self)

    def text(self) -> str:
        """The number."""
        return str(self.retries)


class _TimesState(RetryState):
    __slots__ = ("_policy", "_used")

    def __init__(self, policy: Times) -> None:
        super().__init__()
        self._policy = policy
        self._used = 0

    def judge(self, now: float, ok: bool, payload: Payload, said: Reading | None) -> Verdict:
        policy = self._policy
        if ok or said is None or self._used >= policy.retries or not (policy.any_error or said.worth_retrying()):
            return None, ok, payload
        wait = pause_before(self._used, said.asked, policy.draw)
        self._used += 1
        return wait, ok, payload
