"""When a batch is to stop before all of its calls are done: ``halt="soon,fail=5"``.

The grammar is that of GNU parallel's ``--halt`` (https://www.gnu.org/software/parallel/parallel.html): ``now`` or
``soon``, a comma, and ``fail``, ``success`` or ``done`` with a number or a percentage.
"""

from __future__ import annotations

import re

from ..base.texts import brief

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..calls.collector import Collector

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

    __slots__ = ("_number", "_percent", "_text", "now", "what")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"halt must be a text such as 'soon,fail=5', not {brief(text)}")
        found = _GRAMMAR.fullmatch(text)
        if found is None or not int(found[3]) > 0 or (found[4] and int(found[3]) > 100):
            raise ValueError(
                f"halt must be 'now' or 'soon', a comma, and fail=N, success=N or done=N, where N may be a percentage: "
                f"'soon,fail=5', 'now,fail=5%', 'now,success=1'; not {brief(text)}"
            )
        self._text = text
        self.now: bool = found[1] == "now"
        """Whether calls that run are ended, too."""
        self.what: str = found[2]
        self._number = int(found[3])
        self._percent = bool(found[4])

    @property
    def failures(self) -> int | None:
        """How many failed calls are enough, if that alone decides."""
        return self._number if self.what == "fail" and not self._percent else None

    def reached(self, collector: Collector) -> str | None:
        """Why the batch stops now; None if it goes on."""
        done = collector.ended()
        without = sum(collector.failures.values())
        count = {"fail": collector.failed(), "success": done - without, "done": done}[self.what]
        if self._percent:
            if count < LEAST or 100 * count < self._number * done:
                return None
        elif count < self._number:
            return None
        of = f" of {done}" if self._percent else ""
        calls = "call" if count == 1 and not of else "calls"
        return f"{count}{of} {calls} had {_DONE[self.what]} (halt={self._text!r})"
