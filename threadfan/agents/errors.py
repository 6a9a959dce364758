"""Why an agent ended without a whole answer.  Each error has what was reached, as its attribute ``result``."""

from __future__ import annotations

from .._core.base.portable import Portable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .result import AgentResult


class AgentStopped(Portable, RuntimeError):
    """The model did not end its answer; ``result`` has all that was said, done and paid for until then.

    Raised itself for a stop reason that is not known here.
    """

    result: AgentResult


class TurnLimit(AgentStopped):
    """The model wanted more turns than ``max_turns``.  ``agent(error.result.messages)`` goes on from there."""


class TokenLimit(AgentStopped):
    """The agent and its sub-agents have used up a ``token_budget``, or a ``budget`` is used up."""


class AnswerCut(AgentStopped):
    """The answer was cut off, at ``max_tokens`` or because the context window was full."""


class Refused(AgentStopped):
    """The model refused to answer."""


class AnswerBroken(AgentStopped):
    """The response is no answer of a model: a stream that ends in the middle, a proxy's page, a block without text."""


class ToolFailed(Portable, Exception):
    """Raised by a tool for a failure that is to be expected; the model gets the text, and nobody is warned."""


class UnknownTool(ToolFailed):
    """The model asked for a tool that it was not offered."""


class WrongArguments(ToolFailed):
    """The model's arguments are not what the tool's schema asks for."""
