"""What has become of calls that are waited for together, as far as it is known.

A batch has one, and so has a group of tasks.  Threads put outcomes into their places without a lock, each into that of
its own call; ``failures``, ``first_failure`` and ``on_first_failure`` are guarded by the scheduler's lock.
"""

from __future__ import annotations

from ..base.outcome import SKIPPED, STATUS, SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.attempt import Attempt, Status
    from ..base.outcome import Raw
    from ..base.usage import Usage

    Actions = list[Callable[[], object]]
    """What to do once the scheduler's lock is released."""
    Results = dict[int, Raw] | list[Raw | None]
    """Outcomes by the index of their call: in the order in which calls end, or in that of their inputs."""


class Collector:
    """Outcomes, what is known of calls besides, and how many have failed in which way.

    Args:
        number: of the calls, if all are known; then outcomes stand in the order of the inputs from the start.
    """

    __slots__ = ("attempts", "fail_fast", "failures", "first_failure", "names", "on_first_failure", "results", "usages")

    def __init__(self, number: int | None = None) -> None:
        self.results: Results = {} if number is None else [None] * number
        self.names: dict[int, str] = {}  # of those calls that have one
        self.usages: dict[int, Usage] = {}  # of those that have used tokens
        self.attempts: dict[int, list[Attempt]] = {}  # of those that may have several
        self.failures: dict[Status, int] = {}  # how many calls have no value, by status
        self.fail_fast = False  # start no call after the first failure
        self.first_failure: Raw | None = None  # with fail_fast; else nobody asks, and it may be long until all is done
        self.on_first_failure: Actions = []  # called once, at the first failure

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
        if self.fail_fast and self.first_failure is None:
            self.first_failure = raw
            ended.append(True)  # here and now: the next call would be paid for
        listeners, self.on_first_failure = self.on_first_failure, []
        after.extend(listeners)

    # -- what there is -----------------------------------------------------------------------------------------------

    def get(self, index: int) -> Raw | None:
        """The outcome of a call, if it has one."""
        results = self.results
        return results[index] if isinstance(results, list) else results.get(index)

    def ended(self) -> int:
        """How many outcomes there are that nobody has taken out."""
        results = self.results
        return len(results) - results.count(None) if isinstance(results, list) else len(results)

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

    def retries(self) -> int:
        """How many attempts were not the first of their call."""
        return sum(max(0, len(attempts) - 1) for attempts in self.attempts.values())

    def forget(self) -> None:
        """A report has taken over what is here: nothing that still leads here may keep results alive.

        That is a thread that is stuck in a call that is over, and the frames of an error that ends the batch.
        """
        self.results.clear()  # and not another one in its place: a thread at work has this
        self.names, self.usages, self.attempts, self.first_failure = {}, {}, {}, None
