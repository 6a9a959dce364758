"""What an agent is made of: whom it asks, with which tools, and how far it may go."""

from __future__ import annotations

from .._core.base import checks
from .._core.base.texts import brief
from .._core.policies.budget import Budget
from .client import model_client
from .tools import Toolbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Never

    from .._core.fan.front import Front
    from .client import ModelClient
    from .result import ToolCall
    from .shapes import Content

TURNS = 50
"""Answers of the model that a run may take by default.  Arbitrary: more than useful work needs, too few to ruin."""


class Settings:
    """The arguments of an ``Agent``, checked, and as attributes; they do not change."""

    def __init__(
        self,
        client: object,
        *,
        model: str,
        fan: Front,
        system: Content | None = None,
        tools: Iterable[object] = (),
        max_tokens: int = 4096,
        max_turns: int | None = TURNS,
        token_budget: int | None = None,
        budget: Budget | None = None,
        tool_timeout: float | None = None,
        on_text: Callable[[str], object] | None = None,
        on_tool: Callable[[ToolCall], object] | None = None,
        log_arguments: bool = False,
        name: str | None = None,
        description: str | None = None,
        **misplaced: Never,
    ) -> None:
        if misplaced:
            checks.refuse_misplaced("Agent", misplaced)
        if not callable(getattr(fan, "gather", None)):
            raise TypeError(f"fan must be a Fan, which runs the tools, not {brief(fan)}")
        self.client: ModelClient = model_client(client)
        if not isinstance(model, str):
            raise TypeError(f"model must be the name of a model, such as 'claude-haiku-4-5', not {brief(model)}")
        self.model: str = model
        self.fan: Front = fan
        self.system: Content | None = system
        self.toolbox: Toolbox = Toolbox(tools, checks.seconds("tool_timeout", tool_timeout))
        self.max_tokens: int = checks.count("max_tokens", max_tokens)
        self.max_turns: int | None = None if max_turns is None else checks.count("max_turns", max_turns)
        self.token_budget: int | None = None if token_budget is None else checks.count("token_budget", token_budget)
        if budget is not None and not isinstance(budget, Budget):
            raise TypeError(f"budget must be a Budget, such as Budget(usd=5), not {brief(budget)}")
        self.budget: Budget | None = budget
        self.on_text: Callable[[str], object] | None = None if on_text is None else checks.function("on_text", on_text)
        self.on_tool: Callable[[ToolCall], object] | None = (
            None if on_tool is None else checks.function("on_tool", on_tool)
        )
        self.log_arguments: bool = checks.flag("log_arguments", log_arguments)
        self.name: str | None = name
        self.__qualname__ = name or "Agent"  # how logs and messages of the fan call it
        self.description: str | None = description

    __init__.__qualname__ = "Agent"  # by which Python's own messages call it

    @property
    def title(self) -> str:
        """How messages call it."""
        return "the agent" if self.name is None else f"the agent {self.name!r}"
