"""The report of a batch with a journal: of what it had from runs before, values are read when somebody asks."""

from __future__ import annotations

from ..base.generic import TYPE_CHECKING, T_co
from ..base.outcome import INDEX
from ..base.unset import Unset
from ..journal.kept import KeptOutcomes, KeptRaws
from .columns import Columns
from .report import Report
from .stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..base.outcome import Outcome
    from ..base.usage import Usage

_MISSING: Any = Unset("not given")


class JournaledReport(Report[T_co]):
    """A report in which figures, causes and advice are those of the calls of this run.

    Args:
        raws: the outcomes, those that stand in the file among them.
        figures: as of any report.
    """

    __slots__ = ("_kept",)

    def __init__(self, raws: KeptRaws, **figures: Any) -> None:
        super().__init__(raws, **figures)  # type: ignore[arg-type]  # which goes for a list in all that is not here
        self._kept = raws

    def _all(self) -> KeptOutcomes[T_co]:  # type: ignore[override]  # the same
        found: Any = self._outcomes
        if found is None:
            found = self._outcomes = KeptOutcomes(self._kept, self._usages, self._attempts)  # type: ignore[assignment]
        return found  # type: ignore[no-any-return]

    def _plain(self) -> Report[T_co]:
        """The same with all values."""
        return Report(
            self._kept.loaded(),
            wall=self._wall,
            slots=self._slots,
            usages=self._usages,
            attempts=self._attempts,
            limited=self._limits[0],
            pauses=self._limits[1],
            conditions=self._conditions,
            fn=self._fn,
        )

    # -- values and failures -----------------------------------------------------------------------------------------

    @property
    def ok(self) -> bool:
        """Whether every call succeeded, in this run or one before."""
        return not self._kept.without_value()

    @property
    def failed(self) -> list[Outcome[T_co]]:
        """As of any report."""
        return [self._all()[place] for place in self._kept.without_value()]

    def unwrap(self) -> list[T_co]:
        """As of any report."""
        return self._kept.payloads() if self.ok else super().unwrap()

    def values(self, default: Any = _MISSING) -> list[Any]:
        """As of any report."""
        if default is _MISSING:
            return self.unwrap()
        found = self._kept.payloads()
        for place in self._kept.without_value():
            found[place] = default
        return found

    def retry(self, fan: Any, fn: Callable[..., Any] | None = None) -> Report[T_co]:
        """As of any report; what is called again is not in the journal."""
        return self if self.ok else self._plain().retry(fan, fn)

    # -- figures -----------------------------------------------------------------------------------------------------

    @property
    def usage(self) -> Usage | None:
        """The tokens of the calls of this run."""
        from ..base.usage import added

        return added(outcome.usage for outcome in self._all().called.values())

    def _measured(self) -> tuple[Stats, Columns]:
        called = self._kept.called
        columns = Columns([called[place] for place in sorted(called)], self._attempts, self._usages)
        if self._stats is None:
            self._stats = Stats(columns, self._wall, self._slots, *self._limits, kept=len(self) - len(called))
            self._complete(self._stats)
        return self._stats, columns

    def _complete(self, stats: Stats) -> None:
        from .advice_on_limits import held, refused
        from .advice_on_time import slow

        outcomes = list(self._all().called.values())
        raws = [self._kept.called[outcome.index] for outcome in outcomes]

        def label(place: int) -> int:
            return outcomes[place].index

        about = stats, self._conditions, label
        stats.advice = refused(raws, outcomes, *about) or held(outcomes, *about) or slow(outcomes, *about)

    def __repr__(self) -> str:
        from .summary import summary

        stats, columns = self._measured()
        places = sorted(self._kept.called)
        raws = [self._kept.called[place] for place in places]
        cause = None if self._cause is None else places.index(self._cause)
        return summary(
            raws, columns.durations(), self._tried(columns), stats, lambda place: raws[place][INDEX], lambda _: None,
            cause, self.stopped,
        )  # fmt: skip

    def __getstate__(self) -> tuple[object, ...]:
        """With all values, for a pickle goes where the file is not."""
        return self._kept.loaded(), *super().__getstate__()[1:]

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self._kept = KeptRaws.loaded_again(self._raws)
        self._raws = self._kept  # type: ignore[assignment]  # as at first
