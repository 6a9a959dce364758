"""The one line of advice: the change that would help a batch most.

What stops calls comes first, then what keeps them from starting, each of which a figure tells (``advice_on_limits``).
The rest is found by running the batch again in thought (``advice_on_time``, with ``replay``): a change is named if it
would spare more than a quarter of the time, and of several the one that spares most.  Each rule is held by a test in
which the change is made and helps.

Here is what counts as much.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..base.outcome import Outcome

    Outcomes = Sequence[Outcome[object]]
    Label = Callable[[int], int | str]
    """What the call at a place is called."""
    Found = tuple[float, str]
    """What a change spares, in seconds, and the advice."""

LONG = 60.0
"""Seconds; an answer that asks to wait for so long is said.  Arbitrary: more than limits per minute ask for."""

HALF = 0.5
"""Of the time; what took less does not decide.  Arbitrary."""

QUARTER = 0.25
"""Of the time; a change that spares less is not worth a line.  Arbitrary."""

BUSY = 0.8
"""Of the processors' time; what uses more of it computes.  Arbitrary."""

REFUSED = 0.01
"""Of the calls; fewer that were refused are not worth a line.  Arbitrary."""

TINY = 0.001
"""Seconds; of shorter calls the threads cost as much as the calls, and more of them gain nothing."""

FEW = 8
"""Calls; among fewer it cannot be said which are slow.  Arbitrary."""

SLOW = 0.1
"""Seconds; no shorter call is slow, whatever the others take: nobody gives a timeout of less.  Arbitrary."""

CLEAR, FAR = 2.0, 4.0
"""Medians after which a second attempt is worth its price, and from which a call is slow: as ``Hedge`` has it."""

SAMPLE = 1000
"""Errors that are looked at, of as many as there are: each costs some ten microseconds."""


def best(found: list[Found], wall: float) -> str | None:
    """The advice that spares most, if it is worth a line."""
    seconds, line = max(found, key=lambda one: one[0], default=(0.0, ""))
    return line if seconds > QUARTER * wall else None
