"""The outcomes of one batch, in input order, with figures."""

from __future__ import annotations

from contextlib import suppress
from math import ceil, inf
from time import time

from ..base.errors import shortened, text_of
from ..base.generic import TYPE_CHECKING, Generic, T, T_co
from ..base.outcome import CANCELLED, FAILED, SKIPPED, STATUSES, SUCCEEDED, TIMED_OUT, Outcome, restored, twin_of
from ..base.portable import Portable, let_travel
from .failures import failures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from typing import Any, overload

    from ..base.attempt import Attempt
    from ..base.outcome import Raw
    from ..base.usage import Usage

    SequenceOfOutcomes = Sequence[Outcome[T_co]]
else:
    from collections.abc import Sequence

    class SequenceOfOutcomes(Generic, Sequence):
        """``Sequence``, with parameters that are forgotten."""


_MISSING: Any = object()


class Report(Portable, SequenceOfOutcomes[T_co]):
    """What became of every call of a batch, one outcome per input, in input order.

    An index gives the outcome at that place, a name the task of that name in ``gather``.

    Args:
        raws: the outcomes, in input order.
        names: the names given in ``gather``, by place.
        wall: seconds from the start of the batch to its end.
        slots: how many calls could run at once.
        usages: tokens noted while calls ran, by place.
        notes: the attempts of calls that may have several, by place.
        limited: seconds in which no call could start because of a rate limit.
        pauses: how often an overload had all calls of the limit pause.
    """

    __slots__ = ("_limits", "_names", "_notes", "_outcomes", "_raws", "_slots", "_stats", "_usages", "_wall", "late")

    late: dict[int, Future[Any]]
    """With ``late="keep"``: futures of the calls that were unfinished at the deadline and go on, by place."""

    def __init__(
        self,
        raws: list[Raw],
        *,
        names: dict[int, str] | None = None,
        wall: float = 0.0,
        slots: int = 1,
        usages: dict[int, Usage] | None = None,
        notes: dict[int, list[Attempt]] | None = None,
        limited: float = 0.0,
        pauses: int = 0,
    ) -> None:
        self._raws = raws
        self.late = {}
        self._usages = usages or {}
        self._notes = notes or {}
        self._limits = limited, pauses
        self._names = names or {}
        self._wall = wall
        self._slots = slots
        self._outcomes: list[Outcome[T_co]] | None = None
        self._stats: Stats | None = None

    # -- a sequence of outcomes --------------------------------------------------------------------------------------

    def _all(self) -> list[Outcome[T_co]]:
        if self._outcomes is None:
            names, usages, notes = self._names, self._usages, self._notes
            self._outcomes = [
                Outcome(raw, names.get(place), usages.get(raw[0]), notes.get(raw[0]))
                for place, raw in enumerate(self._raws)
            ]
        return self._outcomes

    def __len__(self) -> int:
        return len(self._raws)

    def __iter__(self) -> Iterator[Outcome[T_co]]:
        return iter(self._all())

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, place: int | str) -> Outcome[T_co]: ...
        @overload
        def __getitem__(self, place: slice) -> list[Outcome[T_co]]: ...

    def __getitem__(self, place: int | str | slice) -> Outcome[T_co] | list[Outcome[T_co]]:
        """An outcome by its place or its name, or several by a slice."""
        if not isinstance(place, str):
            return self._all()[place]
        for number, name in self._names.items():
            if name == place:
                return self._all()[number]
        known = ", ".join(map(repr, self._names.values())) or "none (names come from fan.gather(name=task))"
        raise KeyError(f"no task named {place!r}; the names are: {known}")

    # -- values and failures -----------------------------------------------------------------------------------------

    @property
    def ok(self) -> bool:
        """Whether every call succeeded."""
        return all(raw[3] is SUCCEEDED for raw in self._raws)

    @property
    def succeeded(self) -> list[Outcome[T_co]]:
        """The outcomes that have a value."""
        return [outcome for outcome in self._all() if outcome.ok]

    @property
    def failed(self) -> list[Outcome[T_co]]:
        """The outcomes that have none: failed, timed out, cancelled or skipped."""
        return [outcome for outcome in self._all() if not outcome.ok]

    def unwrap(self) -> list[T_co]:
        """All values, in input order.

        Raises:
            BaseExceptionGroup: the errors of all calls that have no value (an ``ExceptionGroup`` if all are
            ``Exception``s).
        """
        errors = [raw[4] for raw in self._raws if raw[3] is not SUCCEEDED]
        if errors:
            raise failures(f"{len(errors)} of {len(self)} calls have no value", errors)
        return [raw[4] for raw in self._raws]

    if TYPE_CHECKING:

        @overload
        def values(self) -> list[T_co]: ...
        @overload
        def values(self, default: T) -> list[T_co | T]: ...

    def values(self, default: Any = _MISSING) -> list[Any]:
        """One value per input, in input order, so that ``zip(items, report.values(None))`` always pairs rightly.

        Args:
            default: stands in for the value of a call that has none.

        Raises:
            BaseExceptionGroup: a value is missing and no ``default`` was given.
        """
        if default is _MISSING:
            return list(self.unwrap())
        return [raw[4] if raw[3] is SUCCEEDED else default for raw in self._raws]

    # -- figures -----------------------------------------------------------------------------------------------------

    @property
    def stats(self) -> Stats:
        """Counts, times and tokens."""
        if self._stats is None:
            self._stats = Stats(self._all(), self._wall, self._slots, *self._limits)
        return self._stats

    def to_dict(self) -> dict[str, Any]:
        """Plain data, which ``json.dumps`` takes: the figures, and each outcome without its item.

        Errors are told as in a pickle: without requests, headers and secrets in URLs.
        """
        outcomes = [{**outcome.to_dict(), "index": place} for place, outcome in enumerate(self._all())]
        return {"stats": self.stats.to_dict(), "outcomes": outcomes}

    def _disown(self, error: BaseException) -> None:
        """Have a twin of an error in its place: the error is to hold this report, and would hold itself by it."""
        if not any(raw[4] is error for raw in self._raws):
            return
        twin = twin_of(error)
        for place, raw in enumerate(self._raws):
            if raw[4] is error:
                self._raws[place] = (*raw[:4], twin, *raw[5:])
            elif raw[3] is not SUCCEEDED and raw[4].__cause__ is error:  # of what was skipped or given up because of it
                object.__setattr__(raw[4], "__cause__", twin)  # even if its class is frozen
        for attempts in self._notes.values():
            for attempt in attempts:
                if attempt.error is error:
                    attempt.error = twin
        self._outcomes = None

    def _where(self, outcome: Outcome[T_co]) -> str:
        return f"{outcome.index if outcome.name is None else outcome.name}: {outcome.status}"

    def __getstate__(self) -> tuple[Any, ...]:
        return self._raws, self._names, self._wall, self._slots, self._usages, self._notes, self._limits

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        raws, self._names, self._wall, self._slots, self._usages, self._notes, self._limits = state
        self.late = {}  # those are of the process that had it
        self._raws = [restored(raw) for raw in raws]
        self._outcomes = self._stats = None

    def __repr__(self) -> str:
        stats = self.stats
        counts = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in stats.counts.items() if number)
        lines = [f"<Report of {len(self)} calls: {counts or 'nothing to do'}; {stats.wall:.3f} s>"]
        failed = self.failed
        for outcome in failed[:5]:
            error = outcome.error
            lines.append(f"  {self._where(outcome)}, {type(error).__name__}: {shortened(text_of(error))}")
        if len(failed) > 5:
            lines.append(f"  … and {len(failed) - 5} more")
        if stats.advice:
            lines.append(f"  {stats.advice}")
        return "\n".join(lines)


def put_on(error: BaseException, report: Report[Any]) -> None:
    """Let an error that ends a batch carry what was done: its attribute ``report``.

    If it is the error of one of the batch's calls, the outcome of that call in this report has one just like it.
    """
    report._disown(error)
    with suppress(AttributeError):  # a class of the user's may take no attributes
        object.__setattr__(error, "report", report)  # even if it is frozen
        let_travel(error)


class Stats:
    """The figures of one batch; durations in seconds.

    ``concurrency`` is the sum of durations over the wall time: how many calls ran at once on average.
    ``utilisation`` is that over the slots, at most about 1.  Percentiles are nearest-rank, over the calls that were
    started.

    ``waited_slot``, ``waited_limit`` and ``waited_backoff`` are what all calls waited for a slot, for a rate limit and
    after failed attempts.  ``limited`` is for how long nothing could start because of a rate limit, ``pauses`` how
    often an overload has stopped all, and ``asked`` the longest time that an answer has asked to wait.
    """

    __slots__ = (
        "asked", "cancelled", "duration_max", "duration_p50", "duration_p90", "duration_p99", "duration_sum", "failed",
        "input_tokens", "limited", "output_tokens", "pauses", "retries", "skipped", "slots", "succeeded", "timed_out",
        "total", "waited_backoff", "waited_limit", "waited_slot", "wall",
    )  # fmt: skip

    def __init__(
        self, outcomes: Sequence[Outcome[Any]], wall: float, slots: int, limited: float = 0.0, pauses: int = 0
    ) -> None:
        counts = dict.fromkeys(STATUSES, 0)
        for outcome in outcomes:
            counts[outcome.status] += 1
        self.total = len(outcomes)
        self.succeeded = counts[SUCCEEDED]
        self.failed = counts[FAILED]
        self.timed_out = counts[TIMED_OUT]
        self.cancelled = counts[CANCELLED]
        self.skipped = counts[SKIPPED]
        self.wall = wall
        self.slots = slots
        durations = sorted(outcome.duration for outcome in outcomes if outcome.attempts)
        self.duration_sum = sum(durations)
        self.duration_p50 = percentile(durations, 50)
        self.duration_p90 = percentile(durations, 90)
        self.duration_p99 = percentile(durations, 99)
        self.duration_max = durations[-1] if durations else 0.0
        self.retries = sum(max(0, outcome.attempts - 1) for outcome in outcomes)
        self.waited_slot = sum(outcome.queued for outcome in outcomes)
        self.waited_limit = sum(outcome.limited for outcome in outcomes)
        self.waited_backoff = sum(outcome.backoff for outcome in outcomes)
        self.asked = max((_asked(outcome) for outcome in outcomes), default=0.0)
        self.limited = limited
        self.pauses = pauses
        usages = [usage for outcome in outcomes if (usage := outcome.usage) is not None]
        self.input_tokens = sum(usage.input_tokens for usage in usages)
        self.output_tokens = sum(usage.output_tokens for usage in usages)

    @property
    def counts(self) -> dict[str, int]:
        """How many calls ended with each status."""
        return {status: getattr(self, status) for status in STATUSES}

    @property
    def success_rate(self) -> float:
        """The share of calls that have a value, from 0 to 1; 1 for an empty batch."""
        return self.succeeded / self.total if self.total else 1.0

    @property
    def concurrency(self) -> float:
        """Sum of durations over wall time."""
        return self.duration_sum / self.wall if self.wall else 0.0

    @property
    def utilisation(self) -> float:
        """Concurrency over slots."""
        return self.concurrency / self.slots

    @property
    def advice(self) -> str | None:
        """What held the batch up more than the calls themselves, and what to do about it, in one line; or None."""
        if not self.wall:
            return None
        if self.asked >= LONG:
            return f"an answer has asked to wait for {self.asked:g} s: look at your account, or come back later"
        share = min(1.0, self.limited / self.wall)
        if share >= HALF:
            enough = max(1, ceil(1.25 * self.concurrency))
            lower = f" or lower max_workers to {enough}" if enough < self.slots else ""
            return f"{share:.0%} of the time went to the rate limit: raise it{lower}"
        waits = self.waited_backoff / (self.waited_backoff + self.duration_sum) if self.waited_backoff else 0.0
        if waits >= HALF:
            return (
                f"{waits:.0%} of the calls' time went to waiting after failed attempts ({self.retries} retries): look "
                f"at their errors in outcome.history, or give the fan a rate"
            )
        return None

    def to_dict(self) -> dict[str, float]:
        """All figures by name."""
        names = (*self.__slots__, "success_rate", "concurrency", "utilisation")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        return "Stats(" + ", ".join(f"{name}={value:.4g}" for name, value in self.to_dict().items()) + ")"


def _asked(outcome: Outcome[Any]) -> float:
    """The longest time that answers to a call have asked to wait."""
    if outcome.attempts < (1 if outcome.status is CANCELLED else 2):  # nobody has waited
        return 0.0
    from ..control.answers import retry_after_of

    errors = (attempt.error for attempt in outcome.history if attempt.error is not None)
    return max((retry_after_of(error, time(), inf) or 0.0 for error in errors), default=0.0)


LONG = 60.0
"""Seconds; an answer that asks to wait for so long is said.  Arbitrary: more than limits per minute ask for."""

HALF = 0.5
"""Of the time; what took less does not decide.  Arbitrary."""


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of values in ascending order; 0 of none."""
    if not ordered:
        return 0.0
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(0, int(rank) - 1)]
