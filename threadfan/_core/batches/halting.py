"""When a batch is to stop before all of its calls are done: ``halt="soon,fail=5"``, ``max_errors=5``, ``budget=``.

The grammar is that of GNU parallel's ``--halt`` (https://www.gnu.org/software/parallel/parallel.html): ``now`` or
``soon``, a comma, and ``fail``, ``success`` or ``done`` with a number or a percentage.
"""

from __future__ import annotations

import re
from math import inf

from ..base import checks
from ..base.texts import brief

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ..base.generic import OneInput
    from ..policies.budget import Budget
    from .spending import Spending

    class Tally(Protocol):
        """How many calls of a batch have ended in which way by now."""

        unit: str
        """What is counted."""

        def failed(self) -> int:
            """Those that have failed or timed out."""

        def without(self) -> int:
            """All that have ended without a value."""

        def ended(self) -> int:
            """All that have ended; of those that just end, maybe one more than are counted elsewhere."""

        def succeeded(self) -> int:
            """Those that have a value, exactly."""


LEAST = 3  # calls that must have ended so before a percentage counts; GNU parallel's number: one of one is no sign
_GRAMMAR = re.compile(r"(now|soon),(fail|success|done)=(\d+)(%?)")
_DONE = {"fail": "failed", "success": "succeeded", "done": "ended"}


class Halt:
    """A condition on which a batch stops, and how.

    Args:
        text: as users write it.

    Raises:
        TypeError: it is no text.
        ValueError: it is no condition.
    """

    __slots__ = ("_number", "_percent", "_said", "now", "what")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"halt must be a text such as 'soon,fail=5', not {brief(text)}")
        found = _GRAMMAR.fullmatch(text)
        if found is None or not int(found[3]) > 0 or (found[4] and int(found[3]) > 100):
            raise ValueError(
                f"halt must be 'now' or 'soon', a comma, and fail=N, success=N or done=N, where N may be a percentage: "
                f"'soon,fail=5', 'now,fail=5%', 'now,success=1'; not {brief(text)}"
            )
        self._said = f"halt={text!r}"
        self.now: bool = found[1] == "now"
        """Whether calls that run are ended, too."""
        self.what: str = found[2]
        self._number = int(found[3])
        self._percent = bool(found[4])

    @classmethod
    def at_errors(cls, number: int) -> Halt:
        """Soon, when so many calls have failed."""
        halt = cls(f"soon,fail={checks.count('max_errors', number)}")
        halt._said = f"max_errors={number}"
        return halt

    @property
    def failures(self) -> int | None:
        """How many failed calls are enough, if that alone decides."""
        return self._number if self.what == "fail" and not self._percent else None

    def reached(self, tally: Tally) -> str | None:
        """Why the batch stops now; None if it goes on."""
        done = tally.ended()
        count = {"fail": tally.failed(), "success": done - tally.without(), "done": done}[self.what]
        if self.what == "success" and count >= (LEAST if self._percent else self._number):
            count = tally.succeeded()  # a call is counted as failed a moment after it has its outcome
        if self._percent:
            if count < LEAST or 100 * count < self._number * done:
                return None
        elif count < self._number:
            return None
        of = f" of {done}" if self._percent else ""
        units = tally.unit if count == 1 and not of else f"{tally.unit}s"
        return f"{count}{of} {units} had {_DONE[self.what]} ({self._said})"


class Stops:
    """What stops one batch before all of its calls are done, whichever comes first.

    Args:
        halt: a condition, as users write it.
        max_errors: after how many failures to start no further call.
        budget: of tokens or money.

    Raises:
        TypeError, ValueError: something else was given.
    """

    __slots__ = ("conditions", "spending")

    def __init__(self, halt: str | None, max_errors: int | None = None, budget: Budget | None = None) -> None:
        self.conditions: list[Halt] = [] if halt is None else [Halt(halt)]
        if max_errors is not None:
            self.conditions.append(Halt.at_errors(max_errors))
        self.spending: Spending | None = None
        if budget is not None:
            from ..policies.budget import Budget as Right  # on first use
            from .spending import Spending

            if not isinstance(budget, Right):
                raise TypeError(f"budget must be a Budget, such as Budget(tokens=1_000_000), not {brief(budget)}")
            self.spending = Spending(budget)

    def around(self) -> Callable[[OneInput], OneInput] | None:
        """What makes of the batch's function what is called in its place."""
        return None if self.spending is None else self.spending.counting

    def around_steps(self, fn: Callable[..., object]) -> Callable[..., object]:
        """What is called in the place of a function of a graph or a pipeline."""
        return fn if self.spending is None else self.spending.counting_steps(fn)

    def why(self, tally: Tally) -> str | None:
        """Why the batch stops now; None if it goes on."""
        reached = self.reached(tally)
        return None if reached is None else reached[0]

    def kinds(self) -> set[str]:
        """What the conditions count."""
        return {condition.what for condition in self.conditions}

    def failures(self) -> float:
        """How many failed calls are enough."""
        return min([inf, *(halt.failures for halt in self.conditions if halt.failures is not None)])

    def reached(self, tally: Tally) -> tuple[str, bool] | None:
        """Why the batch stops now, and whether calls that run are ended, too; None if it goes on."""
        for halt in self.conditions:
            message = halt.reached(tally)
            if message is not None:
                return message, halt.now
        message = None if self.spending is None else self.spending.budget.used_up()
        return None if message is None else (message, False)


def stops(given: str | Stops | None) -> Stops | None:
    """What users gave for ``halt=``, or what was made of it with the rest; checked."""
    return given if given is None or isinstance(given, Stops) else Stops(given)
