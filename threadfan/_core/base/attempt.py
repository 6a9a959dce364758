"""One attempt of a call that may have several."""

from __future__ import annotations

from .portable import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    Status = Literal["succeeded", "failed", "timed_out", "cancelled", "skipped"]

    # An outcome: (index, item, queued since, status, value or error, start or None, end, name of the thread or None)
    Raw = tuple[Any, Any, float, Status, Any, float | None, float, str | None]


class Attempt(Record):
    """What became of one attempt; times in seconds.

    Args:
        started: since the call was handed in.
        waited_slot: waited before it for a slot.
        waited_limit: waited before it, and in it, for a rate limit.
        waited_backoff: waited before it because the attempt before had failed.
        worker: the name of the thread that made it.
        fallback: the name of the fallback function, if the attempt called one.
    """

    __slots__ = (
        "duration", "error", "fallback", "started", "status", "waited_backoff", "waited_limit", "waited_slot",
        "worker",
    )  # fmt: skip

    def __init__(
        self,
        status: Status,
        error: BaseException | None,
        *,
        started: float,
        duration: float,
        waited_slot: float = 0.0,
        waited_limit: float = 0.0,
        waited_backoff: float = 0.0,
        worker: str | None = None,
        fallback: str | None = None,
    ) -> None:
        self.status = status
        self.error: BaseException | None = error
        self.started: float = started
        self.duration: float = duration
        self.waited_slot: float = waited_slot
        self.waited_limit: float = waited_limit
        self.waited_backoff: float = waited_backoff
        self.worker: str | None = worker
        self.fallback: str | None = fallback

    def to_dict(self) -> dict[str, object]:
        """Plain data: all attributes by name, with the text of the error."""
        from .facts import facts_of

        return {**self.__getstate__(), "error": facts_of(self.error)["error"]}

    def __repr__(self) -> str:
        error = "" if self.error is None else f", {type(self.error).__name__}"
        return f"<Attempt at {self.started:.3f} s: {self.status}{error}, {self.duration:.3f} s>"
