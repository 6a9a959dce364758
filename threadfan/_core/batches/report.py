"""The outcomes of one batch, in input order, with figures."""

from __future__ import annotations

from contextlib import suppress

from ..base.checks import Unset
from ..base.generic import TYPE_CHECKING, Generic, T, T_co
from ..base.outcome import INDEX, PAYLOAD, START, STATUS, SUCCEEDED, Outcome, restored, twin_of
from ..base.portable import Portable, let_travel
from .failures import failures
from .stats import Stats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from os import PathLike
    from typing import Any, overload

    from ..base.attempt import Attempt
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..journal.kept import KeptRaws
    from ..journal.values import Codec
    from .figures import Conditions

    SequenceOfOutcomes = Sequence[Outcome[T_co]]
else:
    from collections.abc import Sequence

    class SequenceOfOutcomes(Generic, Sequence):
        """``Sequence``, with parameters that are forgotten."""


_MISSING: Any = Unset("not given")


class Report(Portable, SequenceOfOutcomes[T_co]):
    """What became of every call of a batch, one outcome per input, in input order.

    An index gives the outcome at that place, a name the task of that name in ``gather``.

    Args:
        raws: the outcomes, in input order; those that stand in a journal are made when they are looked at.
        names: the names given in ``gather``, by place in ``raws``.
        wall: seconds from the start of the batch to its end.
        slots: how many calls could run at once.
        usages: tokens noted while calls ran, by index.
        attempts: those of calls that may have several, by index.
        limited: seconds in which no call could start because of a rate limit.
        pauses: how often an overload had all calls of the limit pause.
        conditions: under what the calls have run.
    """

    __slots__ = (
        "_attempts", "_cause", "_conditions", "_limits", "_names", "_outcomes", "_raws", "_slots", "_stats", "_usages",
        "_wall", "late",
    )  # fmt: skip

    late: dict[int, Future[Any]]
    """With ``late="keep"``: futures of the calls that were unfinished at the deadline and go on, by place."""

    def __init__(
        self,
        raws: list[Raw] | KeptRaws,
        *,
        names: dict[int, str] | None = None,
        wall: float = 0.0,
        slots: int = 1,
        usages: dict[int, Usage] | None = None,
        attempts: dict[int, list[Attempt]] | None = None,
        limited: float = 0.0,
        pauses: int = 0,
        conditions: Conditions | None = None,
    ) -> None:
        self._raws = raws
        self._conditions = conditions or {}
        self._cause: int | None = None  # the place of the call that has ended the batch
        self.late = {}
        self._usages = usages or {}
        self._attempts = attempts or {}
        self._limits = limited, pauses
        self._names = names or {}
        self._wall = wall
        self._slots = slots
        self._outcomes: Sequence[Outcome[T_co]] | None = None
        self._stats: Stats | None = None

    # -- a sequence of outcomes --------------------------------------------------------------------------------------

    def _all(self) -> Sequence[Outcome[T_co]]:
        if self._outcomes is None:
            names, usages, attempts = self._names, self._usages, self._attempts
            if not isinstance(self._raws, list):
                kept: Sequence[Outcome[T_co]] = self._raws.outcomes(usages, attempts)
                self._outcomes = kept
                return kept
            self._outcomes = [
                Outcome(raw, names.get(place), usages.get(raw[INDEX]), attempts.get(raw[INDEX]))
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
        if isinstance(place, slice):
            return list(self._all()[place])
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
        if isinstance(self._raws, list):
            return all(raw[STATUS] is SUCCEEDED for raw in self._raws)
        return not self._raws.without_value()

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
            ``Exception``s).  Its text and its ``indices`` say whose they are, in the same order.
        """
        places = self._without_value()
        if places:
            failed = [self._raws[place] for place in places]
            errors, indices = [raw[PAYLOAD] for raw in failed], [raw[INDEX] for raw in failed]
            said = f"{len(errors)} of {len(self)} calls have no value"
            try:
                raise failures(said, errors, indices, list(map(self._label, places)))
            finally:
                del errors, failed, self  # the traceback holds this frame: leave no cycle
        return self._payloads()

    def _without_value(self) -> list[int]:
        """The places of the calls that have none."""
        if isinstance(self._raws, list):
            return [place for place, raw in enumerate(self._raws) if raw[STATUS] is not SUCCEEDED]
        return self._raws.without_value()

    def _payloads(self) -> list[Any]:
        """The value or the error of each call."""
        return [raw[PAYLOAD] for raw in self._raws] if isinstance(self._raws, list) else self._raws.payloads()

    if TYPE_CHECKING:

        @overload
        def values(self) -> list[T_co]: ...
        @overload
        def values(self, default: T) -> list[T_co | T]: ...

    def values(self, default: object = _MISSING) -> list[Any]:
        """One value per input, in input order, so that ``zip(items, report.values(None))`` always pairs rightly.

        Args:
            default: stands in for the value of a call that has none.

        Raises:
            BaseExceptionGroup: a value is missing and no ``default`` was given.
        """
        if default is _MISSING:
            return list(self.unwrap())
        found = self._payloads()
        for place in self._without_value():
            found[place] = default
        return found

    # -- figures -----------------------------------------------------------------------------------------------------

    @property
    def stats(self) -> Stats:
        """Counts, times, tokens, and what to change."""
        if self._stats is None:
            called = self._called()
            stats = Stats(called, self._wall, self._slots, *self._limits, kept=len(self) - len(called))
            self._complete(stats)
            self._stats = stats
        return self._stats

    def _complete(self, stats: Stats) -> None:
        """What a report adds to its figures."""
        from .advice_on_limits import held, refused
        from .advice_on_time import slow

        about = self._called(), stats, self._conditions
        stats.advice = refused(*about) or held(*about) or slow(*about, self._labels())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, which ``json.dumps`` takes: the figures, and each outcome without its item.

        Errors are told as in a pickle: without requests, headers and secrets in URLs.
        """
        outcomes = [{**outcome.to_dict(), "index": place} for place, outcome in enumerate(self._all())]
        return {"stats": self.stats.to_dict(), "outcomes": outcomes}

    def save(self, path: str | PathLike[str], *, codec: Codec | None = None) -> None:
        """Write it to a file, for ``Report.load``: its own alone, in place of a report that may be there.

        Values and items are stored as JSON; errors as in a pickle, without requests, headers and secrets in URLs.

        Args:
            codec: for values that JSON cannot hold, as for ``Fan.run``.

        Raises:
            NotStored: a value cannot be stored; nothing was written.
            JournalError: the file cannot be written, or is the journal of a run.
        """
        from .saving import save

        limited, pauses = self._limits
        figures = {"wall": self._wall, "slots": self._slots, "limited": limited, "pauses": pauses}
        save(self, {**figures, "conditions": self._conditions}, path, codec)

    @staticmethod
    def load(path: str | PathLike[str], *, returns: Any = None, codec: Codec | None = None) -> Report[Any]:
        """A report from a file: one that was saved, or what a journal knows of its last run and those before.

        A journal has no items, and what it knows is what has ended.

        Args:
            returns: what the values are, such as a pydantic model or a dataclass; else they are plain data.
            codec: with which they were stored.

        Raises:
            JournalError: the file cannot be read, or is none of the two.
        """
        from .saving import load

        return load(path, returns, codec, Report)

    def _disown(self, error: BaseException) -> None:
        """Have a copy of an error in its place: the error is to hold this report, and would hold itself by it."""
        if not any(raw[PAYLOAD] is error for raw in self._raws):
            return
        copy = twin_of(error)
        for place, raw in enumerate(self._raws):
            payload = raw[PAYLOAD]
            if payload is error:
                self._raws[place] = (*raw[:PAYLOAD], copy, *raw[START:])
                self._cause = place if self._cause is None else self._cause
            elif raw[STATUS] is not SUCCEEDED and payload.__cause__ is error:  # was skipped or given up because of it
                object.__setattr__(payload, "__cause__", copy)  # even if its class is frozen
        for attempts in self._attempts.values():
            for attempt in attempts:
                if attempt.error is error:
                    attempt.error = copy
        self._outcomes = None

    def _label(self, place: int) -> int | str:
        """What the call at that place is called: its name or its index."""
        index: int = self._raws[place][INDEX]
        return self._names.get(place) or index

    def _labels(self) -> list[int | str]:
        return [self._label(place) for place in self._places()]

    def _places(self) -> Sequence[int]:
        """Those of the calls of this run: all, but for what a journal has of runs before."""
        return range(len(self._raws)) if isinstance(self._raws, list) else sorted(self._raws.called)

    def _called(self) -> Sequence[Outcome[T_co]]:
        """The outcomes of the calls of this run."""
        outcomes = self._all()
        return outcomes if isinstance(self._raws, list) else [outcomes[place] for place in self._places()]

    def _stage(self, outcome: Outcome[T_co]) -> str | None:
        """Where in a pipeline it has ended."""
        return None

    def __getstate__(self) -> tuple[object, ...]:
        figures = self._wall, self._slots, self._limits, self._conditions
        return self._raws, self._names, self._usages, self._attempts, figures, self._cause

    def __setstate__(self, state: Any) -> None:
        raws, self._names, self._usages, self._attempts, figures, self._cause = state
        self._wall, self._slots, self._limits, self._conditions = figures
        self.late = {}  # those are of the process that had it
        self._raws = [restored(raw) for raw in raws]
        self._outcomes = self._stats = None

    def __repr__(self) -> str:
        from .summary import summary

        outcomes = self._called()
        cause = None if self._cause is None else self._places().index(self._cause)
        return summary(outcomes, self.stats, self._labels(), list(map(self._stage, outcomes)), cause)


def put_on(error: BaseException, report: Report[object]) -> None:
    """Let an error that ends a batch carry what was done: its attribute ``report``.

    If it is the error of one of the batch's calls, the outcome of that call in this report has one just like it.
    """
    report._disown(error)
    with suppress(AttributeError):  # a class of the user's may take no attributes
        object.__setattr__(error, "report", report)  # even if it is frozen
        let_travel(error)
