"""What has become of calls that are waited for together, as far as it is known.

A batch has one, and so has a group of tasks.  Threads put outcomes into their places without a lock, each into that of
its own call; ``failures``, ``first_failure`` and ``on_first_failure`` are guarded by the scheduler's lock.
"""

from __future__ import annotations

from math import inf

from ..base.errors import BreakerOpen
from ..base.outcome import FAILED, INDEX, PAYLOAD, SKIPPED, START, STATUS, SUCCEEDED, TIMED_OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ..base.attempt import Attempt, Status
    from ..base.outcome import Raw
    from ..base.usage import Usage

    Actions = list[Callable[[], object]]
    """What to do once the scheduler's lock is released."""

    class Spending(Protocol):
        """What the calls of a batch spend of its budget."""

        def note(self, usage: Usage) -> None:
            """A call has used these."""

        def uncounted(self, fn: Callable[..., object]) -> Callable[..., object]:
            """What the user has given to be called, of what is called."""

    Results = dict[int, Raw] | list[Raw | None]
    """Outcomes by the index of their call: in the order in which calls end, or in that of their inputs."""


class Collector:
    """Outcomes, what is known of calls besides, and how many have failed in which way.

    Args:
        number: of the calls, if all are known; then outcomes stand in the order of the inputs from the start.
    """

    __slots__ = (
        "attempts", "fail_fast", "failures", "first_failure", "judged", "most_failures", "names", "not_made",
        "on_first_failure", "results", "retries_told", "retrying", "spending", "usage_told", "usages",
    )  # fmt: skip

    def __init__(self, number: int | None = None) -> None:
        self.results: Results = {} if number is None else [None] * number
        self.names: dict[int, str] = {}  # of those calls that have one
        self.usages: dict[int, Usage] = {}  # of those that have used tokens
        self.attempts: dict[int, list[Attempt]] = {}  # of those that may have several
        self.judged: bool = False  # any of them is under policies
        self.retrying: bool = False  # under one of retries
        self.retries_told: int = 0  # of calls whose attempts were taken out
        self.usage_told: Usage | None = None  # the same, of tokens
        self.failures: dict[Status, int] = {}  # how many calls have no value, by status
        self.fail_fast: bool = False  # start no call after the first failure
        self.most_failures: float = inf  # start no call after so many
        self.first_failure: Raw | None = None  # with fail_fast; else nobody asks, and it may be long until all is done
        self.not_made: dict[str, int] = {}  # how many calls were shut out, by breaker
        self.spending: Spending | None = None  # of a budget
        self.on_first_failure: Actions = []  # called once, at the next failure

    # -- as calls end ------------------------------------------------------------------------------------------------

    def in_order_of_ends(self) -> dict[int, Raw]:
        """Keep outcomes in the order in which calls end.  To be called before any call can."""
        if isinstance(self.results, list):
            self.results = {}
        return self.results

    def in_order_of_inputs(self) -> list[Raw | None]:
        """The outcomes of calls that are all known; None where there is none yet."""
        results = self.results
        if not isinstance(results, list):
            raise TypeError("these outcomes are kept in the order in which calls end")
        return results

    def add_usage(self, index: int, usage: Usage) -> None:
        """Note tokens that a call has used; only its own thread does."""
        earlier = self.usages.get(index)
        self.usages[index] = usage if earlier is None else earlier + usage
        if self.spending is not None:
            self.spending.note(usage)

    def keep_failure(self, raw: Raw) -> None:
        """Put the outcome of a call that its own thread has found to have no value into its place."""
        self.results[raw[INDEX]] = raw

    def count(self, status: Status) -> None:
        """Count a call without a value.  With the scheduler's lock held."""
        self.failures[status] = self.failures.get(status, 0) + 1

    def note_failure(self, raw: Raw, ended: list[bool], after: Actions) -> None:
        """Count it; if it is the first one and ends the rest, mark that in ``ended``.  With the scheduler's lock held.

        A call that was skipped never is the first: it was so because of another, or by a condition.
        """
        self.count(raw[STATUS])
        if raw[STATUS] is SKIPPED:
            return
        if type(raw[PAYLOAD]) is BreakerOpen and raw[START] is None:
            breaker = raw[PAYLOAD].called()
            self.not_made[breaker] = self.not_made.get(breaker, 0) + 1
        if self.fail_fast and self.first_failure is None:
            self.first_failure = raw
            ended.append(True)  # here and now: the next call would be paid for
        if self.failed() >= self.most_failures:
            ended.append(True)
        listeners, self.on_first_failure = self.on_first_failure, []
        after.extend(listeners)

    def failed(self) -> int:
        """How many calls have failed or timed out; those that were cancelled or skipped have not been tried."""
        return self.failures.get(FAILED, 0) + self.failures.get(TIMED_OUT, 0)

    def without(self) -> int:
        """How many calls have ended without a value."""
        return sum(list(self.failures.values()))

    # -- what there is -----------------------------------------------------------------------------------------------

    unit: str = "call"
    """What is counted."""

    def get(self, index: int) -> Raw | None:
        """The outcome of a call, if it has one."""
        results = self.results
        return results[index] if isinstance(results, list) else results.get(index)

    def ended(self) -> int:
        """How many outcomes there are that nobody has taken out."""
        results = self.results
        return len(results) - results.count(None) if isinstance(results, list) else len(results)

    def succeeded(self) -> int:
        """How many of them have a value; goes through all of them."""
        raws = self.results.copy()
        return sum(
            raw is not None and raw[STATUS] is SUCCEEDED for raw in (raws if isinstance(raws, list) else raws.values())
        )

    def so_far(self) -> list[Raw]:
        """All outcomes that there are and that nobody has taken out."""
        results = self.results
        return [raw for raw in (results if isinstance(results, list) else results.values()) if raw is not None]

    def in_order(self, number: int, missing: Callable[[int], Raw]) -> list[Raw]:
        """The outcomes of so many calls in the order of their inputs.

        Args:
            missing: makes the outcome of a call that has none, by its index.
        """
        results = self.results
        if isinstance(results, list):
            return list(results)  # type: ignore[arg-type]  # it is done, so each place is filled
        return [results.get(index) or missing(index) for index in range(number)]

    def counts(self, number: int) -> dict[Status, int]:
        """How many of so many calls have ended with each status."""
        return {**self.failures, SUCCEEDED: number - sum(self.failures.values())}

    def take_usage(self, index: int) -> Usage | None:
        """Take out what a call has used, which is handed out."""
        usage = self.usages.pop(index, None)
        if usage is not None:
            self.usage_told = usage if self.usage_told is None else self.usage_told + usage
        return usage

    def take_attempts(self, index: int) -> list[Attempt] | None:
        """Take out the attempts of a call that is handed out; None if it has none of its own."""
        attempts = self.attempts.pop(index, None)
        if attempts is not None:
            self.retries_told += max(0, len(attempts) - 1)
        return attempts

    def retries(self) -> int:
        """How many attempts were not the first of their call."""
        return self.retries_told + sum(max(0, len(attempts) - 1) for attempts in list(self.attempts.values()))

    def usage(self) -> Usage | None:
        """Tokens of all calls; None if nothing is known of any."""
        found = self.usage_told
        for usage in list(self.usages.values()):
            found = usage if found is None else found + usage
        return found

    def forget(self) -> None:
        """A report has taken over what is here: nothing that still leads here may keep results alive.

        That is a thread that is stuck in a call that is over, and the frames of an error that ends the batch.
        """
        self.retries_told, self.usage_told = self.retries(), self.usage()
        self.results.clear()  # and not another one in its place: a thread at work has this
        self.names, self.usages, self.attempts, self.first_failure, self.not_made = {}, {}, {}, None, {}
