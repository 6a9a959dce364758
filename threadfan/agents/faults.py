"""A tool that has failed, as its programmer reads it: the model is told too, but nobody may ever read that.

What is expected is not told: arguments that do not fit, ``ToolFailed`` and the SDK's ``ToolError``, an agent that has
stopped, a call that ran out of time or was cancelled.  Arguments stay out of it, and so does the error's message, which
often repeats them, unless the agent says ``log_arguments=True``.
"""

from __future__ import annotations

import logging
from traceback import format_tb

from .._core.base.logs import say
from .._core.base.outcome import FAILED, SUCCEEDED
from .._core.base.texts import text_of
from .._core.events import log
from .._core.fan.front import behind
from .errors import AgentStopped, ToolFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from .result import ToolCall
    from .settings import Settings


def report_fault(agent: Settings, call: ToolCall) -> None:
    """Say it in an event, ``tool_failed``; in the log where nobody has configured structlog."""
    error = call.outcome.error
    if not _is_fault(call, error):
        return
    frames = "" if error is None else "".join(format_tb(_in_tool(error)))
    figures: dict[str, object] = {"agent": agent.name, "turn": call.turn, "traceback": frames}
    if agent.log_arguments:
        figures |= {"arguments": call.input, "error": call.content if error is None else text_of(error)}
    kind = "result without JSON" if error is None else type(error).__name__
    if log.tool_failed(behind(agent.fan)[0].name, call.name, kind, figures):
        return
    more = f": {figures['error']}\narguments: {figures['arguments']}" if agent.log_arguments else ""
    message = "the tool %s failed: %s%s\n%s"
    say(logging.getLogger("threadfan"), logging.WARNING, message, call.name, kind, more, frames.rstrip())


def _is_fault(call: ToolCall, error: BaseException | None) -> bool:
    if call.outcome.status == SUCCEEDED:
        return call.is_error  # what it has returned cannot be written
    if call.outcome.status != FAILED or type(error).__name__ == "ToolError":
        return False
    return not isinstance(error, ToolFailed | AgentStopped)


def _in_tool(error: BaseException) -> TracebackType | None:
    """The traceback from the tool on: what stands above is this library's, and says nothing of the fault."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None and _ours(step):
        step = step.tb_next
    return step


def _ours(step: TracebackType) -> bool:
    return str(step.tb_frame.f_globals.get("__name__")).partition(".")[0] == "threadfan"
