"""What a user may give for ``retry=``, and policies per kind of error."""

from __future__ import annotations

import sys

from ..base.given import whole
from ..base.static import derives, describe
from ..base.texts import brief
from .retry_state import Policy, RetryState, Times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol, TypeAlias, TypeVar

    from .reading import Reading
    from .retry_state import Draw, Payload, Verdict

    Question = Callable[[BaseException], object]
    T = TypeVar("T")

    class Retrying(Protocol):
        """A ``tenacity.Retrying``, which need not be installed; not an ``AsyncRetrying``, whose calls are awaited."""

        @property
        def statistics(self) -> dict[str, object]: ...
        def __call__(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T: ...

    Retry: TypeAlias = int | Retrying | Mapping[Any, Any] | None
    """What a mapping holds is not checked: of one with keys and policies of several kinds mypy only sees objects."""

TRANSIENT = "transient"
"""As a key: what a number alone would try again."""

_RIGHT = (
    "right is a number of retries, a tenacity.Retrying(…), or a mapping from errors to those, such as "
    '{(429, MyError): 10, "transient": 3}'
)


def retry_policy(value: object, draw: Draw | None = None) -> Policy | None:
    """The policy for what a user gave for ``retry=``; None if nothing is to be tried again.

    Args:
        value: None or 0; a number of retries after the first attempt, for errors that are ``worth_retrying``; a
            ``tenacity.Retrying``; or a mapping to those.  A key is an exception class, an HTTP status, ``"transient"``
            for the errors that are ``worth_retrying``, a function that is asked of an error, or a tuple of those.  Of
            a mapping the first entry that matches decides, and it alone: a number there holds for every error that
            matches.  Each entry counts for itself, and what matches none is not tried again.
        draw: makes random numbers from 0 to 1 for the jitter of waits; ``random.random`` by default.

    Raises:
        TypeError: it is something else.
        ValueError: a number is negative, or no HTTP status.
    """
    if value is None or whole(value) == 0:
        return None
    draw = draw or _random()
    if not hasattr(type(value), "keys"):
        return _simple("retry", value, draw)
    pairs = value.items()  # type: ignore[attr-defined]  # whatever has keys is taken for a mapping
    entries = [(Matcher(key), _simple(f"retry[{brief(key)}]", of, draw, any_error=True)) for key, of in pairs]
    return Entries(entries, draw) if entries else None


def _random() -> Draw:
    from random import random  # the module's own generator, which every forked child seeds anew

    return random


def _simple(where: str, value: object, draw: Draw, *, any_error: bool = False) -> Policy:
    """A policy that is no mapping."""
    tenacity = sys.modules.get("tenacity")  # without an import of it, no value is one of its objects
    if tenacity is not None and isinstance(value, tenacity.Retrying):
        from .tenacity import Tenacious

        return Tenacious(value, draw)
    times = whole(value)
    if times is None:
        raise TypeError(f"{where} got {brief(value)}; {_remedy(value)}")
    if times < 0:
        raise ValueError(f"{where} must be at least 0 retries, not {value!r}")
    return Times(times, draw, any_error=any_error)


def _remedy(value: object) -> str:
    """What would be right instead of ``value``, which is nothing that ``retry`` takes."""
    tenacity = sys.modules.get("tenacity")
    if tenacity is not None:
        if isinstance(value, tenacity.BaseRetrying):
            return "calls block in threads: right is tenacity.Retrying(…) with the same arguments"
        if isinstance(getattr(value, "retry", None), tenacity.BaseRetrying):
            name = describe(value)
            return f"{name} tries again by itself: right is retry={name}.retry, and {name}.__wrapped__ to be called"
        if str(getattr(value, "__module__", "")).partition(".")[0] == "tenacity":
            return "right is tenacity.Retrying(stop=…, wait=…, retry=…)"
    if isinstance(value, type) and issubclass(value, BaseException):
        return f"right is a mapping that says how often: {{{value.__name__}: 3}}"
    return _RIGHT


class Matcher:
    """A key of a mapping: which errors it is for.

    Raises:
        TypeError, ValueError: it can be for none.
    """

    __slots__ = ("classes", "questions", "statuses", "transient")

    def __init__(self, key: object) -> None:
        parts = key if isinstance(key, tuple) else (key,)
        self.transient = any(isinstance(part, str) and part == TRANSIENT for part in parts)
        self.classes = tuple(part for part in parts if isinstance(part, type) and issubclass(part, Exception))
        self.questions: tuple[Question, ...] = tuple(
            part for part in parts if callable(part) and not isinstance(part, type)
        )
        statuses = [part for part in parts if isinstance(part, int) and not isinstance(part, bool)]
        known = len(self.classes) + len(self.questions) + len(statuses) + parts.count(TRANSIENT)
        if not parts or known < len(parts):
            raise TypeError(
                f"retry got a mapping with the key {brief(key)}; right is a subclass of Exception, "
                f'such as TaskTimeout, an HTTP status, "{TRANSIENT}", a function of the error, or a tuple of those'
            )
        if wrong := [status for status in statuses if not 100 <= status <= 599]:
            raise ValueError(f"retry got a mapping with the key {wrong[0]}; right is an HTTP status from 100 to 599")
        self.statuses = frozenset(map(int, statuses))

    def matches(self, said: Reading) -> bool:
        """Whether it is for this error."""
        return (
            any(derives(kind, type(said.error)) for kind in self.classes)  # as `except` tells it
            or (said.status in self.statuses and said.final_word is None)  # no number of attempts brings money
            or (self.transient and said.worth_retrying())
            or any(question(said.error) for question in self.questions)
        )

    def text(self) -> str:
        """As it is written."""
        parts = [f'"{TRANSIENT}"'] if self.transient else []
        parts += [*(kind.__name__ for kind in self.classes), *map(str, sorted(self.statuses))]
        parts += map(describe, self.questions)
        return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


class Entries(Policy):
    """A policy for each kind of error; the first that matches decides."""

    __slots__ = ("entries", "plain")

    def __init__(self, entries: list[tuple[Matcher, Policy]], draw: Draw) -> None:
        super().__init__(draw)
        self.entries = tuple(entries)
        self.plain = all(policy.plain and not matcher.questions for matcher, policy in entries)

    def matching(self, said: Reading) -> Policy | None:
        """The policy of the first entry that matches an error."""
        return next((policy for matcher, policy in self.entries if matcher.matches(said)), None)

    def new_state(
        self, now: float, fn: Callable[..., object] | None, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> RetryState:
        """What decides about one call."""
        return _EntriesState(self, lambda policy: policy.new_state(now, fn, args, kwargs))

    def text(self) -> str:
        """As a mapping is written."""
        return "{" + ", ".join(f"{matcher.text()}: {policy.text()}" for matcher, policy in self.entries) + "}"


class _EntriesState(RetryState):
    """A state for each entry that has come up.

    The ``before`` hook of an entry runs ahead of the attempts that the entry asked for, not of the first.
    """

    __slots__ = ("_latest", "_make", "_policy", "_states")

    def __init__(self, policy: Entries, make: Callable[[Policy], RetryState]) -> None:
        super().__init__()
        self._policy = policy
        self._make = make
        self._states: dict[Policy, RetryState] = {}
        self._latest: RetryState | None = None  # the one that asked for another attempt

    def begin(self, now: float) -> Verdict | None:
        ended = None if self._latest is None else self._latest.begin(now)
        if ended is None:
            self.attempts += 1
        return ended

    def judge(self, now: float, ok: bool, payload: Payload, said: Reading | None) -> Verdict:
        policy = None if said is None else self._policy.matching(said)
        if policy is None:
            return None, ok, payload
        if policy not in self._states:
            self._states[policy] = self._make(policy)
        self._latest = self._states[policy]
        return self._latest.judge(now, ok, payload, said)
