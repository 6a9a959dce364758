"""What a request is expected to cost in tokens before it is made."""

from __future__ import annotations

from ..base.texts import brief

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..base.usage import Usage

    Estimate = Callable[..., tuple[float, float]]

MEMORY = 32  # requests; the mean follows about so many of the last ones


class Cost:
    """Tokens of one request; immutable by convention."""

    __slots__ = ("input", "output")

    def __init__(self, tokens_in: float = 0.0, tokens_out: float = 0.0) -> None:
        self.input: float = tokens_in
        self.output: float = tokens_out

    @classmethod
    def of(cls, usage: Usage) -> Cost:
        """What a usage counts against the limits."""
        return cls(usage.limited_input_tokens, usage.output_tokens)

    def of_unit(self, unit: str) -> float:
        """What it is in requests, input_tokens, output_tokens or (both together) tokens."""
        if unit == "requests":
            return 1.0
        if unit == "tokens":
            return self.input + self.output
        return self.input if unit == "input_tokens" else self.output

    def __repr__(self) -> str:
        return f"Cost(input={self.input:g}, output={self.output:g})"


FREE = Cost()
"""Of a request of which no tokens are expected."""


class Permit:
    """A request that may be made, from ``take`` until it is told how the request ended."""

    __slots__ = ("at", "cost", "epoch", "levels")

    def __init__(self, at: float, cost: Cost, epoch: int, levels: dict[str, float]) -> None:
        self.at: float = at
        self.cost: Cost = cost
        self.epoch: int = epoch
        self.levels: dict[str, float] = levels  # what each bucket held once this was taken from it


class Costs:
    """What the next request will cost: what the user's function says, or the mean of the last ones.

    Args:
        estimate: called with a call's arguments; answers (input tokens, output tokens).
    """

    __slots__ = ("_estimate", "_known", "mean", "untold")

    def __init__(self, estimate: Estimate | None = None) -> None:
        self._estimate = estimate
        self.untold: bool = False  # requests were answered, and none has said what it used
        self._known = 0
        self.mean: Cost | None = None

    def of(self, args: tuple[object, ...], kwargs: Mapping[str, object], first: Callable[[], Cost]) -> Cost:
        """The cost of a call with these arguments; ``first()`` before any answer, nothing if answers tell nothing."""
        if self._estimate is None:
            return self.mean or (FREE if self.untold else first())
        answer = self._estimate(*args, **kwargs)
        try:
            tokens_in, tokens_out = answer
            cost = Cost(float(tokens_in), float(tokens_out))
            if 0 <= cost.input < float("inf") and 0 <= cost.output < float("inf"):
                return cost
        except (TypeError, ValueError):
            pass
        raise ValueError(
            f"estimate answered {brief(answer)}; it must answer (input tokens, output tokens), e.g. (1200, 300)"
        )

    def guessed(self, cost: Cost) -> bool:
        """Whether tokens were reserved by a guess that nothing has confirmed yet."""
        return bool(cost.input or cost.output) and self._estimate is None and self.mean is None

    def learn(self, true: Cost) -> None:
        """A request has cost this much."""
        self.untold = False
        self._known = min(self._known + 1, MEMORY)
        mean = self.mean or true
        self.mean = Cost(
            mean.input + (true.input - mean.input) / self._known,
            mean.output + (true.output - mean.output) / self._known,
        )
