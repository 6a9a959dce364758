"""What came of a run of an agent."""

from __future__ import annotations

from .._core.base.outcome import Outcome, renamed
from .._core.base.portable import Portable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._core.base.usage import Usage
    from .shapes import Content, Json


class ToolCall(Portable):
    """One tool call that the model has asked for, and what it was told.

    ``repr`` shows neither the input nor the content: they may hold prompts and keys.

    Args:
        block: the ``tool_use`` block of the model's answer.
        turn: in which answer of the run it stood, from 1; 0 for one that a transcript handed in had left open.
        outcome: what became of it on the fan; its ``item`` is the input.
        content: what the model was told: a text or content blocks.
        is_error: whether it was told that as an error.
    """

    __slots__ = ("content", "id", "input", "is_error", "name", "outcome", "turn")

    def __init__(
        self,
        block: Json,
        turn: int,
        outcome: Outcome[object],
        content: Content,
        *,
        is_error: bool,
    ) -> None:
        self.id: str = block["id"]
        self.name: str = block["name"]
        self.input: Any = block["input"]
        self.turn: int = turn
        self.outcome: Outcome[Any] = renamed(outcome, self.name, self.input)
        self.content: Content = content
        self.is_error: bool = is_error

    def to_block(self) -> Json:
        """The ``tool_result`` block for the model."""
        block = {"type": "tool_result", "tool_use_id": self.id, "content": self.content}
        return {**block, "is_error": True} if self.is_error else block

    def __repr__(self) -> str:
        return f"<ToolCall {self.name} in turn {self.turn}: {self.outcome.status}>"


class AgentResult(Portable):
    """What an agent has answered; ``str`` of it is the text.

    Attributes:
        text: what the model said last.
        messages: the whole transcript; ``agent([*result.messages, {"role": "user", "content": …}])`` goes on from it.
        stop_reason: as the Messages API names it: ``"end_turn"`` after a whole answer; None before the first one.
        turns: how many answers of the model it took.
        usage: tokens, of all agents below this one too.
        tool_calls: in the order in which the model has asked for them, those of sub-agents not included.
    """

    __slots__ = ("messages", "stop_reason", "text", "tool_calls", "turns", "usage")

    def __init__(
        self,
        text: str,
        messages: list[Json],
        *,
        stop_reason: str | None,
        turns: int,
        usage: Usage,
        tool_calls: list[ToolCall],
    ) -> None:
        self.text: str = text
        self.messages: list[Json] = messages
        self.stop_reason: str | None = stop_reason
        self.turns: int = turns
        self.usage: Usage = usage
        self.tool_calls: list[ToolCall] = tool_calls

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        failed = sum(call.is_error for call in self.tool_calls)
        calls = f"{len(self.tool_calls)} tool calls{f' ({failed} failed)' if failed else ''}"
        return f"<AgentResult: {self.stop_reason}, {self.turns} turns, {calls}, {self.usage.total_tokens} tokens>"
