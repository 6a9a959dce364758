"""The outcomes of one batch, in input order, with figures."""

from __future__ import annotations

from contextlib import suppress

from ..base.generic import TYPE_CHECKING, T, T_co
from ..base.moments import EPOCH
from ..base.outcome import INDEX, ITEM, PAYLOAD, START, STATUS, SUCCEEDED, Outcome, restored, twin_of
from ..base.portable import let_travel
from ..base.unset import Unset
from .failures import failures
from .looking_back import LookingBack
from .stats import Stats
from .tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from os import PathLike
    from typing import Any, Protocol, overload

    from ..base.attempt import Attempt
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..journal.values import Codec
    from .columns import Columns
    from .figures import Conditions

    class Runner(Protocol):
        """A fan, or a view of one."""

        def run(self, fn: Callable[..., Any], /, *iterables: Iterable[object]) -> Report[Any]:
            """Call ``fn`` on every input."""

        def gather(self, /, *tasks: Callable[[], Any]) -> Report[Any]:
            """Call different functions."""


_MISSING: Any = Unset("not given")


class Report(LookingBack[T_co]):
    """What became of every call of a batch, one outcome per input, in input order.

    An index gives the outcome at that place, a name the task of that name in ``gather``.

    Args:
        raws: the outcomes, in input order.
        names: the names given in ``gather``, by place in ``raws``.
        wall: seconds from the start of the batch to its end.
        slots: how many calls could run at once.
        usages: tokens noted while calls ran, by index.
        attempts: those of calls that may have several, by index.
        limited: seconds in which no call could start because of a rate limit.
        pauses: how often an overload had all calls of the limit pause.
        conditions: under what the calls have run.
        fn: what was called on each item, for ``retry``; it does not travel in a pickle.
        stopped: why the batch was ended early.
    """

    __slots__ = (
        "_attempts", "_cause", "_conditions", "_fn", "_limits", "_names", "_outcomes", "_raws", "_slots", "_stats",
        "_usages", "_wall", "late", "stopped",
    )  # fmt: skip

    late: dict[int, Future[Any]]
    """With ``late="keep"``: futures of the calls that were unfinished at the deadline and go on, by place."""

    stopped: str | None
    """Why calls were left out, by ``deadline``, ``fail_fast``, ``halt``, ``max_errors``, ``budget`` or a breaker; else
    None."""

    def __init__(
        self,
        raws: list[Raw],
        *,
        names: dict[int, str] | None = None,
        wall: float = 0.0,
        slots: int = 1,
        usages: dict[int, Usage] | None = None,
        attempts: dict[int, list[Attempt]] | None = None,
        limited: float = 0.0,
        pauses: int = 0,
        conditions: Conditions | None = None,
        fn: Callable[..., Any] | None = None,
        stopped: str | None = None,
    ) -> None:
        self._raws = raws
        self._fn = fn
        self.stopped = stopped
        self._conditions = conditions or {}
        self._cause: int | None = None  # the place of the call that has ended the batch
        self.late = {}
        self._usages = usages or {}
        self._attempts = attempts or {}
        self._limits = limited, pauses
        self._names = names or {}
        self._wall = wall
        self._slots = slots
        self._outcomes: list[Outcome[T_co]] | None = None
        self._stats: Stats | None = None

    # -- a sequence of outcomes --------------------------------------------------------------------------------------

    def _all(self) -> list[Outcome[T_co]]:
        if self._outcomes is None:
            names, usages, attempts = self._names, self._usages, self._attempts
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
        return all(raw[STATUS] is SUCCEEDED for raw in self._raws)

    def unwrap(self) -> list[T_co]:
        """All values, in input order.

        Raises:
            BaseExceptionGroup: the errors of all calls that have no value (an ``ExceptionGroup`` if all are
            ``Exception``s).  Its text and its ``indices`` say whose they are, in the same order.
        """
        places = [place for place, raw in enumerate(self._raws) if raw[STATUS] is not SUCCEEDED]
        if places:
            failed = [self._raws[place] for place in places]
            errors, indices = [raw[PAYLOAD] for raw in failed], [raw[INDEX] for raw in failed]
            said = f"{len(errors)} of {len(self)} calls have no value"
            try:
                raise failures(said, errors, indices, list(map(self._label, places)))
            finally:
                del errors, failed, self  # the traceback holds this frame: leave no cycle
        return [raw[PAYLOAD] for raw in self._raws]

    if TYPE_CHECKING:

        @overload
        def values(self) -> list[T_co]: ...
        @overload
        def values(self, default: T) -> list[T_co | T]: ...

    def values(self, default: object = _MISSING) -> list[Any]:
        """One value per input, in input order, so that ``zip(items, report.values(None))`` pairs each with its own.

        Args:
            default: stands in for the value of a call that has none.

        Raises:
            BaseExceptionGroup: a value is missing and no ``default`` was given.
        """
        if default is _MISSING:
            return list(self.unwrap())
        return [raw[PAYLOAD] if raw[STATUS] is SUCCEEDED else default for raw in self._raws]

    def retry(self, fan: Runner, fn: Callable[..., Any] | None = None) -> Report[T_co]:
        """Make the calls without a value again, on any fan; the report of all calls has the new outcomes in place.

        Attempts and times of a call that was called again are those of its last time, and its tokens those of both.
        This report does not change.

        Args:
            fn: called on each item in place of the function that the batch had; needed for a report that was read from
                a pickle.  A report of ``gather`` calls its tasks.

        Raises:
            BaseException: what ended the second batch early, with the report of all calls in its attribute ``report``.
        """
        if self.ok:
            return self
        places = [place for place, raw in enumerate(self._raws) if raw[STATUS] is not SUCCEEDED]
        try:
            again = _called_again(fan, [self._raws[place][ITEM] for place in places], self._fn if fn is None else fn)
        except BaseException as error:
            if isinstance(part := getattr(error, "report", None), Report):
                put_on(error, _merged(self, places, part))
            raise
        return _merged(self, places, again)

    # -- figures -----------------------------------------------------------------------------------------------------

    @property
    def stats(self) -> Stats:
        """Counts, times, tokens, and what to change."""
        return self._stats or self._measured()[0]

    def _measured(self) -> tuple[Stats, Columns]:
        """The figures, and what they are made of."""
        from .columns import Columns

        columns = Columns(self._raws, self._attempts, self._usages)
        if self._stats is None:
            stats = Stats(columns, self._wall, self._slots, *self._limits)
            self._complete(stats)
            self._stats = stats
        return self._stats, columns

    def _complete(self, stats: Stats) -> None:
        """What a report adds to its figures."""
        from .advice_on_limits import held, refused
        from .advice_on_time import slow

        about = stats, self._conditions, self._label
        stats.advice = refused(self._raws, self, *about) or held(self, *about) or slow(self, *about)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, which ``json.dumps`` takes: the figures, and each outcome without its item.

        Errors are told as in a pickle: without requests, headers and secrets in URLs.
        """
        outcomes = [{**outcome.to_dict(), "index": place} for place, outcome in enumerate(self._all())]
        return {"stats": self.stats.to_dict(), "outcomes": outcomes}

    def save(self, path: str | PathLike[str], *, codec: Codec | None = None) -> None:
        """Write the report to a file that only its owner may read, for ``Report.load``; it replaces one that is there.

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
        """Read a report from a file: one that was saved, or the outcomes that a journal has.

        A journal has no items, and only calls that have ended.

        Args:
            returns: the type of the values, such as a pydantic model or a dataclass; without it they are plain data.
            codec: the one with which they were stored.

        Raises:
            JournalError: the file cannot be read, or is neither a saved report nor a journal.
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

    def __getstate__(self) -> tuple[object, ...]:
        figures = self._wall, self._slots, self._limits, self._conditions
        return self._raws, self._names, self._usages, self._attempts, figures, self._cause, EPOCH, self.stopped

    def __setstate__(self, state: Any) -> None:
        raws, self._names, self._usages, self._attempts, figures, self._cause, epoch, self.stopped = state
        self._wall, self._slots, self._limits, self._conditions = figures
        self.late, self._fn = {}, None  # those are of the process that had it
        self._raws = [restored(raw, epoch) for raw in raws]
        self._outcomes = self._stats = None

    def __repr__(self) -> str:
        from .summary import summary

        stats, columns = self._measured()
        tried = self._tried(columns)
        return summary(
            self._raws, columns.durations(), tried, stats, self._label, self._ended_in, self._cause, self.stopped
        )


def _merged(first: Report[T], places: list[int], again: Report[T]) -> Report[T]:
    """Both as one.

    Args:
        places: in the first, of the outcomes of the other.
    """
    raws, usages, attempts = list(first._raws), dict(first._usages), dict(first._attempts)
    for place, raw in zip(places, again._raws, strict=False):  # it may have ended early
        index, new = raws[place][INDEX], raw[INDEX]
        raws[place] = (index, *raw[ITEM:])
        attempts.pop(index, None)
        if new in again._attempts:
            attempts[index] = again._attempts[new]
        if new in again._usages:
            usages[index] = usages[index] + again._usages[new] if index in usages else again._usages[new]
    return Report(
        raws,
        names=first._names,
        wall=first._wall + again._wall,
        slots=again._slots,
        usages=usages,
        attempts=attempts,
        limited=first._limits[0] + again._limits[0],
        pauses=first._limits[1] + again._limits[1],
        conditions=again._conditions,
        fn=first._fn,
    )


def _called_again(fan: Runner, items: list[Any], fn: Callable[..., Any] | None) -> Report[Any]:
    if fn is None or isinstance(items[0], Task):
        if not all(isinstance(item, Task) for item in items):
            raise ValueError(
                "this report does not know what was called, as it was read from a file or is of a graph or a pipeline; "
                "right is: report.retry(fan, fn)"
            )
        return fan.gather(*items)
    return fan.run(fn, items)


def put_on(error: BaseException, report: Report[object]) -> None:
    """Let an error that ends a batch carry what was done: its attribute ``report``.

    If it is the error of one of the batch's calls, the outcome of that call in this report has one just like it.
    """
    report._disown(error)
    with suppress(AttributeError):  # a class of the user's may take no attributes
        object.__setattr__(error, "report", report)  # even if it is frozen
        let_travel(error)
