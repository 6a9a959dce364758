"""An agent: a model with tools, as a blocking function from a prompt to an answer."""

from __future__ import annotations

from .._core.base import checks
from .._core.base.texts import brief
from .client import model_client
from .loop import Loop
from .tools import Tool, Toolbox, tool
from .transcript import begun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .._core.fan.front import Front
    from .result import AgentResult, ToolCall

    Prompt = str | list[dict[str, Any]]

TURNS = 50
"""Answers of the model that a run may take by default.  Arbitrary: more than useful work needs, too few to ruin."""


class Agent:
    """A model that answers with the help of tools.  Immutable: any number of threads may call it at once.

    ``agent(prompt)`` and ``agent.run(prompt)`` are the same; ``fan.run(agent, prompts)`` runs many side by side, and
    among the tools of another agent it is a sub-agent.  All tool calls of one turn run at once on ``fan``, as calls of
    it under its options; the model is asked in the caller's own thread.  If that is a call of the fan it lends its slot
    while its tools run, so that agents in agents need no more slots than one.  The scope around it ends all of it:
    tools, and the request too if the client is attached (``threadfan.clients.anthropic.attach``).

    Each request is made under the ``rate`` and the ``retry`` of the call that the agent runs in, or else of ``fan``.
    It alone is made again: never the agent, whose tools may do what must not be done twice.  Once ``on_text`` has had
    some of an answer, that answer is not asked for again.

    Args:
        client: of the Anthropic SDK, sync; or any ``ModelClient``.
        model: its name.
        fan: a ``Fan``, or a view of one, that runs the tools.
        system: the system prompt.
        tools: typed functions, the SDK's ``@beta_tool`` objects, other agents, ``tool(…)`` of any of these; and dicts
            that define what the provider runs by itself.
        max_tokens: the longest single answer.
        max_turns: how many answers a run may take; None for any number.
        token_budget: tokens of all kinds that one run may use, with all agents below it.  No request is made once they
            are used up; those under way at that moment may go beyond it.
        tool_timeout: seconds for each call of a tool without a timeout of its own; None: the fan's timeout holds.
        on_text: called in the thread of the run with each piece of text as it comes; what it raises ends the run.
        on_tool: called in the thread of the run with each ``ToolCall``, in the order in which they were asked for, when
            those of a turn have ended; what it raises ends the run.
        log_arguments: let the event of a tool that has failed tell the arguments of the call and the error's message.
        name: as a tool, and in messages.
        description: as a tool, for the model that may call it.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a number is out of range, or two tools have the same name.
    """

    def __init__(
        self,
        client: Any,
        *,
        model: str,
        fan: Front,
        system: str | list[dict[str, Any]] | None = None,
        tools: Iterable[Any] = (),
        max_tokens: int = 4096,
        max_turns: int | None = TURNS,
        token_budget: int | None = None,
        tool_timeout: float | None = None,
        on_text: Callable[[str], object] | None = None,
        on_tool: Callable[[ToolCall], object] | None = None,
        log_arguments: bool = False,
        name: str | None = None,
        description: str | None = None,
    ) -> None:
        if not callable(getattr(fan, "gather", None)):
            raise TypeError(f"fan must be a Fan, which runs the tools, not {brief(fan)}")
        self.client = model_client(client)
        if not isinstance(model, str):
            raise TypeError(f"model must be the name of a model, such as 'claude-haiku-4-5', not {brief(model)}")
        self.model = model
        self.fan = fan
        self.system = system
        self.toolbox = Toolbox(tools, checks.seconds("tool_timeout", tool_timeout))
        self.max_tokens = checks.count("max_tokens", max_tokens)
        self.max_turns = None if max_turns is None else checks.count("max_turns", max_turns)
        self.token_budget = None if token_budget is None else checks.count("token_budget", token_budget)
        self.on_text = None if on_text is None else checks.function("on_text", on_text)
        self.on_tool = None if on_tool is None else checks.function("on_tool", on_tool)
        self.log_arguments = checks.flag("log_arguments", log_arguments)
        self.name = name
        self.__qualname__ = name or "Agent"  # how logs and messages of the fan call it
        self.description = description

    @property
    def title(self) -> str:
        """How messages call it."""
        return "the agent" if self.name is None else f"the agent {self.name!r}"

    def run(self, prompt: Prompt | AgentResult) -> AgentResult:
        """Have the model answer, and block until it has.

        Args:
            prompt: a text, a list of messages in the form of the Messages API, or an earlier result to go on from.
                Tool calls that such a transcript has left open are made first.

        Returns:
            A whole answer: the model has ended it (``end_turn``, ``stop_sequence``).

        Raises:
            TurnLimit: it wants more turns than ``max_turns``.
            TokenLimit: the budget, or that of an agent above, is used up.
            AnswerCut: the last answer was cut off; a tool call that it holds is not run.
            Refused: the model refused.
            AnswerBroken: what came is no answer.
            AgentStopped: it stopped for a reason that is not known here.
            BaseException: what the client, ``on_text``, ``on_tool`` or the scope around it raise.

        Whatever is raised has an attribute ``result``: an ``AgentResult`` with all that was said and done until then.
        What goes wrong in a tool is told to the model, and never raised.
        """
        return Loop(self, begun(prompt)).run()

    __call__ = run

    async def arun(self, prompt: Prompt | AgentResult) -> AgentResult:
        """``run`` for coroutines: in a thread of the fan, without the fan's timeout, as ``run`` has none.

        Cancelling whoever awaits it cancels the run.
        """
        fan = self.fan.with_options(timeout=None, hedge=None)
        return await fan.call(self.run, prompt)

    def as_tool(self, name: str | None = None, description: str | None = None) -> Tool:
        """The agent as a tool, which takes one text: what to do.

        Raises:
            ValueError: it has no name.
        """
        name, description = name or self.name, description or self.description
        if name is None:
            raise ValueError("an agent that is a tool needs a name: Agent(…, name='researcher', description='…')")

        def delegate(task: str) -> AgentResult:
            """Hand a task to an assistant, and get its report.

            Args:
                task: what to do, with everything that must be known for it
            """
            return self.run(task)

        return tool(delegate, name=name, description=description)

    def __repr__(self) -> str:
        return f"<Agent {self.name or self.model}, {len(self.toolbox.definitions)} tools>"
