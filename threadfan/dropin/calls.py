"""What has become of the calls of executors that others have made: figures without arguments and results.

Guarantee: noting a call takes no lock and runs no code of users' but the text of the error that it has failed with,
and that in its own thread.
"""

from __future__ import annotations

from collections import deque
from contextvars import Context
from functools import partial
from types import BuiltinMethodType

from .._core.base.attempt import Attempt
from .._core.base.errors import TaskCancelled, TaskTimeout
from .._core.base.facts import facts
from .._core.base.outcome import END, PAYLOAD, SINCE, START, STATUS, SUCCEEDED, WORKER
from .._core.base.static import describe, is_a
from .._core.base.texts import text_of
from .._core.base.times import time_covered
from .._core.batches.report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core.base.outcome import Raw
    from .._core.batches.figures import Conditions

    Pool = tuple[str, int]
    """The name of an executor, and how many of its calls run at once."""

KEPT = 100_000
"""Calls that are told of one by one.  Arbitrary: some 40 MB; more are only counted."""


class Calls:
    """The calls of all executors that stand on one installation."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, Raw, Sequence[Attempt], Pool]] = []
        self._more: deque[None] = deque()

    def note(
        self,
        fn: object,
        args: tuple[object, ...],
        raw: Raw,
        pool: Pool,
        attempts: Sequence[Attempt] = (),
        *,
        apart: bool = False,
    ) -> None:
        """A call has ended.

        Args:
            fn: what was called.
            args: with what; they are looked at if the first is the real function.
            pool: where.
            attempts: all of them, if there may be several.
            apart: this is no thread of its own; see above.
        """
        if len(self._kept) >= KEPT:
            self._more.append(None)  # one operation, whoever else does it
            return
        error = None if raw[STATUS] is SUCCEEDED else _shadow(raw[PAYLOAD], apart=apart)
        kept = (0, None, raw[SINCE], raw[STATUS], error, raw[START], raw[END], raw[WORKER])
        self._kept.append((name_of(fn, args), kept, [_without_frames(one, apart=apart) for one in attempts], pool))

    def uncounted(self) -> int:
        """How many calls the report leaves out."""
        return len(self._more)

    def report(self, timeout: float | None = None) -> Report[object]:
        """All calls that have ended, in the order in which they were handed in; their items are their functions.

        Args:
            timeout: seconds that each attempt could take.
        """
        kept = sorted(self._kept, key=lambda one: one[1][SINCE])
        raws: list[Raw] = [(place, name, *raw[2:]) for place, (name, raw, _, _) in enumerate(kept)]
        wall = max((raw[END] for raw in raws), default=0.0) - min((raw[SINCE] for raw in raws), default=0.0)
        held = [
            (raw[SINCE] + one.started - one.waited_limit, raw[SINCE] + one.started)
            for _, raw, attempts, _ in kept
            for one in attempts
            if one.waited_limit
        ]
        conditions: Conditions = {"taken": True}  # when a program hands in its calls is its own affair
        if timeout is not None:
            conditions["timeout"] = timeout
        return Report(
            raws,
            names={place: f"{name} {place}" for place, (name, *_) in enumerate(kept)},
            wall=wall,
            slots=_slots([(pool, raw) for _, raw, _, pool in kept]),
            attempts={place: list(attempts) for place, (_, _, attempts, _) in enumerate(kept) if attempts},
            limited=time_covered(held),
            conditions=conditions,
        )


def name_of(fn: object, args: tuple[object, ...]) -> str:
    """What a function is called, in short; of one that is to run in a context, what runs there."""
    while True:
        if is_a(fn, partial):
            args = (*fn.args, *args)
            fn = fn.func
        elif type(fn) is BuiltinMethodType and fn.__name__ == "run" and type(fn.__self__) is Context and args:
            fn, args = args[0], args[1:]
        else:
            return describe(fn).rpartition("<locals>.")[2]


def _slots(calls: list[tuple[Pool, Raw]]) -> int:
    """How many calls could run at once: of all executors that were in use at the same time."""
    spans: dict[Pool, tuple[float, float]] = {}
    for pool, raw in calls:
        begin, end = spans.get(pool, (raw[SINCE], raw[END]))
        spans[pool] = min(begin, raw[SINCE]), max(end, raw[END])
    changes = [(begin, slots) for (_, slots), (begin, _) in spans.items()]
    changes += [(end, -slots) for (_, slots), (_, end) in spans.items()]
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most or 1


def _without_frames(attempt: Attempt, *, apart: bool) -> Attempt:
    """The same, but of the error only what it said."""
    if attempt.error is None:
        return attempt
    return Attempt(
        attempt.status,
        _shadow(attempt.error, apart=apart),
        started=attempt.started,
        duration=attempt.duration,
        waited_slot=attempt.waited_slot,
        waited_limit=attempt.waited_limit,
        waited_backoff=attempt.waited_backoff,
        worker=attempt.worker,
    )


class _Shadow(Exception):
    """What is kept of an error: its class's name, its text, and the HTTP status; it leads to no frame and no object."""

    status_code: int | None = None


_shadows: dict[str, type[_Shadow]] = {}


def _shadow(error: BaseException, *, apart: bool) -> BaseException:
    ours = is_a(error, (TaskTimeout, TaskCancelled))
    name = type(error).__name__
    kind = _shadows.get(name) or _shadows.setdefault(name, type(name, (_Shadow,), {"__module__": __name__}))
    made = kind("" if apart and not ours else text_of(error))
    if not apart and not ours:
        made.status_code = facts(error).status_code
    return made
