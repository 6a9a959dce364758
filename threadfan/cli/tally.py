"""What became of the calls of a run, in numbers and in a line."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from threadfan import Report
from threadfan._core.base.outcome import raw_of
from threadfan._core.base.texts import one_line

if TYPE_CHECKING:
    from threadfan import Budget, Outcome, Usage
    from threadfan._core.base.attempt import Status

    from .rows import Result

_REMEMBERED = 1000  # failures of which the causes are told; arbitrary: memory stays flat
_CAUSES = 3  # that are told


def say(text: str) -> None:
    """Write a line to the standard error."""
    print(f"threadfan: {one_line(text)}", file=sys.stderr, flush=True)


def dollars(number: float) -> str:
    """An amount of money, small ones too."""
    return f"${number:,.2f}" if number >= 1 else f"${number:.4f}"


def _spent(usage: Usage, budget: Budget | None) -> str:
    """Tokens, and what they cost if the budget has counted that."""
    cost = "" if budget is None or budget.unpriced is not None else f", {dollars(budget.spent_usd)}"
    return f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out{cost}"


class Tally:
    """Counts outcomes; a condition of ``--halt`` may ask it as it asks a batch.

    Args:
        budget: dollars that this run may spend, counted here; what tokens cost is known by it.
        total: the same of all that has been spent on the results, in runs before too; nothing ends by it.
        model: whose tokens they are.
    """

    def __init__(self, budget: Budget | None, total: Budget | None, model: str | None) -> None:
        self.kept = 0
        """Succeeded, in a run before: the journal has them."""
        self.unreadable = 0
        """Lines that were no inputs."""
        self.not_written = 0
        """Results that did not fit into the output."""
        self.failures: dict[Status, int] = {}
        """Calls without a result, by their status."""
        self.retries = 0
        """Attempts beyond one per call."""
        self.usage: Usage | None = None
        """Tokens of this run."""
        self._kept_usage: Usage | None = None  # of runs before
        self._succeeded = 0
        self._began = time.monotonic()
        self._budget, self._total, self._model = budget, total, model
        self._remembered: list[Outcome[Result]] = []

    def add(self, outcome: Outcome[Result]) -> None:
        """One more."""
        self.retries += max(0, outcome.attempts - 1)
        if outcome.ok:
            if outcome.attempts:
                self._succeeded += 1
            else:
                self.kept += 1
        else:
            self.failures[outcome.status] = self.failures.get(outcome.status, 0) + 1
            if len(self._remembered) < _REMEMBERED and outcome.status != "cancelled":
                self._remembered.append(outcome)
        used = outcome.usage
        if used is None:
            return
        if self._total is not None:
            self._total.add(used, self._model)
        if not outcome.attempts:  # by a run before, which has paid for it
            self._kept_usage = used if self._kept_usage is None else self._kept_usage + used
            return
        self.usage = used if self.usage is None else self.usage + used
        if self._budget is not None:
            self._budget.add(used, self._model)

    # -- what a condition asks ---------------------------------------------------------------------------------------

    unit: str = "call"

    def without(self) -> int:
        """Calls of this run that have ended without a result."""
        return sum(self.failures.values())

    def ended(self) -> int:
        """Calls of this run that have ended."""
        return self._succeeded + sum(self.failures.values())

    def failed(self) -> int:
        """Those that have failed."""
        return self.failures.get("failed", 0) + self.failures.get("timed_out", 0)

    def succeeded(self) -> int:
        """Those that have succeeded."""
        return self._succeeded

    # -- what is said ------------------------------------------------------------------------------------------------

    def done(self) -> int:
        """All that have succeeded, before or now."""
        return self.kept + self._succeeded - self.not_written

    @property
    def bad(self) -> int:
        """Inputs without a result in the output."""
        return self.failed() + self.unreadable + self.not_written

    def summary(self) -> str:
        """All in a line."""
        seconds = time.monotonic() - self._began
        before = f" ({self.kept:,} of them before)" if self.kept else ""
        parts = [f"{self.done():,} succeeded{before}", f"{self.bad:,} failed"]
        if cancelled := self.failures.get("cancelled", 0):
            parts.append(f"{cancelled:,} not called")
        text = f"{', '.join(parts)}, in {seconds:,.1f} s"
        if self.retries:
            text += f"; {self.retries:,} {'retry' if self.retries == 1 else 'retries'}"
        if self.usage is not None:
            text += f"; {_spent(self.usage, self._budget)}"
        if self._kept_usage is not None:
            total = self._kept_usage if self.usage is None else self._kept_usage + self.usage
            text += f"; in all {_spent(total, self._total)}"
        return text

    def causes(self) -> str:
        """Why some have failed."""
        report: Report[Result] = Report(list(map(raw_of, self._remembered)))
        found = [(text, len(outcomes)) for text, outcomes in report.by_error().items()]
        if self.unreadable:
            found.append(("lines that cannot be read", self.unreadable))
        if self.not_written:
            found.append(("results that do not fit into the output", self.not_written))
        found = [(text.removeprefix("failed, "), number) for text, number in found]
        told = [text if number == 1 else f"{text} ({number:,} times)" for text, number in found[:_CAUSES]]
        rest = sum(number for _, number in found[_CAUSES:])
        return f"{self.bad:,} failed: {'; '.join(told)}{f'; and {rest:,} more' if rest else ''}"
