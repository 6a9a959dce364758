"""What a fan has done so far, in numbers."""

from __future__ import annotations

from ..base.usage import is_again

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.usage import Usage


class Figures:
    """Of one scheduler.  Guarded by its lock: everything."""

    __slots__ = ("accepted", "failed", "input_tokens", "output_tokens", "retries")

    def __init__(self) -> None:
        self.accepted: int = 0  # calls of queues that are done
        self.failed: int = 0  # those of them without a value
        self.retries: int = 0  # attempts after the first
        self.input_tokens: int = 0  # as attached clients have noted them
        self.output_tokens: int = 0

    def count_tokens(self, usage: Usage) -> None:
        """A call has used tokens.  With the lock held."""
        if is_again(usage):
            return
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens

    def count_retry(self) -> None:
        """A call is tried again.  With the lock held."""
        self.retries += 1

    def count_settled(self, accepted: int, failed: int) -> None:
        """The calls of a queue will not change any more.  With the lock held."""
        self.accepted += accepted
        self.failed += failed
