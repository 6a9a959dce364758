"""What became of one item of a pipeline, over all its stages."""

from __future__ import annotations

from ..base.attempt import Attempt
from ..base.generic import TYPE_CHECKING, T_co
from ..base.outcome import SUCCEEDED, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from ..base.outcome import Raw
    from ..base.usage import Usage


class StageAttempt(Attempt):
    """What became of one attempt of a call in a stage; ``started`` counts from when its item was read."""

    __slots__ = ("stage",)

    stage: str

    @classmethod
    def of_each(cls, stage: str, attempts: Sequence[Attempt], later: float) -> Iterator[StageAttempt]:
        """The attempts of a call that was handed in so much ``later`` than its item was read, in seconds."""
        for one in attempts:
            figures = {name: getattr(one, name) for name in Attempt.__slots__ if name not in ("started", "status")}
            yield cls(one.status, started=later + one.started, **figures)._in(stage)

    @classmethod
    def of_one(cls, stage: str, raw: Raw, later: float) -> StageAttempt | None:
        """The only attempt of such a call, if it was started."""
        _, _, since, status, payload, start, end, worker = raw
        if start is None:
            return None
        error, waited = None if status is SUCCEEDED else payload, start - since
        attempt = cls(status, error, started=later + waited, duration=end - start, waited_slot=waited, worker=worker)
        attempt.stage = stage
        return attempt

    def _in(self, stage: str) -> StageAttempt:
        self.stage = stage
        return self

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, in {self.stage!r}>"


def retries_in(attempts: Sequence[StageAttempt]) -> int:
    """How many attempts were not the first of their stage."""
    return len(attempts) - len({attempt.stage for attempt in attempts})


class PipelineOutcome(Outcome[T_co]):
    """What became of one item, over all its stages.

    ``attempts``, ``usage``, ``waited_slot``, ``waited_limit``, ``waited_backoff`` and ``duration`` are sums over the
    stages, so the ``duration`` is the time in which the item was worked on; ``history`` has each attempt with its
    ``stage``.
    """

    __slots__ = ("_stage",)

    def __init__(
        self, raw: Raw, usage: Usage | None, history: list[StageAttempt], stage: str | None, name: str | None = None
    ) -> None:
        super().__init__(raw, name, usage, history)  # type: ignore[arg-type]
        self._stage = stage

    @property
    def stage(self) -> str | None:
        """The name of the stage that it failed in, or waited for when it was cancelled; None if it succeeded."""
        return self._stage

    @property
    def retries(self) -> int:
        """How many attempts were not the first of their stage."""
        return retries_in(self.history)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as of any outcome, with the stage."""
        return {**super().to_dict(), "stage": self._stage}

    def __getstate__(self) -> Any:
        return super().__getstate__(), self._stage

    def __setstate__(self, state: Any) -> None:
        inner, self._stage = state
        super().__setstate__(inner)

    def __repr__(self) -> str:
        where = "" if self.ok else f" in {self._stage!r}, {type(self.error).__name__}"
        retries = f", {self.retries} retries" if self.retries else ""
        return f"<Outcome {self.index}: {self.status}{where}, {self.duration:.3f} s{retries}>"
