"""An agent: a model with tools, as a blocking function from a prompt to an answer."""

from __future__ import annotations

from .loop import Loop
from .settings import Settings
from .tools import Tool, of_agent
from .transcript import begun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .result import AgentResult
    from .shapes import Content


class Agent(Settings):
    """A model that answers with the help of tools.  Immutable: any number of threads may call it at once.

    ``agent(prompt)`` and ``agent.run(prompt)`` are the same; ``fan.run(agent, prompts)`` runs many side by side, and
    among the tools of another agent it is a sub-agent.  All tool calls of one turn run at once on ``fan``, each of them
    once, in the time that calls of the fan have; the model is asked in the caller's own thread.  If that is a call of
    the fan it lends its slot while its tools run, so that agents in agents need no more slots than one.  The scope
    around it ends all of it: tools, and the request too if the client is attached, that is, one that
    ``threadfan.clients.anthropic.attach`` has returned.

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
        budget: a ``Budget`` of tokens or of money, which any number of agents and runs may share, and batches too: what
            each request has used is taken from it, and no request is made once it is used up; those under way at that
            moment may go beyond it.
        tool_timeout: seconds for each call of a tool without a timeout of its own; None: the fan's timeout holds.
        on_text: called in the thread of the run with each piece of text as it comes; what it raises ends the run.
        on_tool: called in the thread of the run with each ``ToolCall``, in the order in which they were asked for, when
            those of a turn have ended; what it raises ends the run.
        log_arguments: whether the log event of a failed tool has the arguments of the call and the error's message.
        name: as a tool, and in messages.
        description: as a tool, for the model that may call it.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a number is out of range, or two tools have the same name.
    """

    def run(self, prompt: Content | AgentResult, *, on_text: Callable[[str], object] | None = None) -> AgentResult:
        """Have the model answer, and block until it has.

        Args:
            prompt: a text, a list of messages in the form of the Messages API, or an earlier result to go on from.
                Tool calls that such a transcript has left open are made first.
            on_text: called with the pieces of this run's text, and then the agent's own; for runs side by side,
                ``fan.stream_text(agent, prompts)`` tells which text is whose.

        Returns:
            A whole answer: the model has ended it (``end_turn``, ``stop_sequence``).

        Raises:
            TurnLimit: it wants more turns than ``max_turns``.
            TokenLimit: ``token_budget`` or ``budget``, or that of an agent above, is used up.
            AnswerCut: the last answer was cut off; a tool call that it holds is not run.
            Refused: the model refused.
            AnswerBroken: the response is no answer of a model.
            AgentStopped: it stopped for a reason that this version does not know.
            BaseException: what the client, ``on_text``, ``on_tool`` or the scope around it raise.

        Whatever is raised has an attribute ``result``: an ``AgentResult`` with all that was said and done until then.
        What goes wrong in a tool is told to the model, and never raised.
        """
        return Loop(self, begun(prompt), on_text).run()

    __call__ = run

    async def arun(
        self, prompt: Content | AgentResult, *, on_text: Callable[[str], object] | None = None
    ) -> AgentResult:
        """``run`` for coroutines: in a thread of the fan, without the fan's timeout, as ``run`` has none.

        Cancelling whoever awaits it cancels the run.
        """
        fan = self.fan.with_options(timeout=None, hedge=None)
        return await fan.call(self.run, prompt, on_text=on_text)

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

        return of_agent(delegate, name, description)

    def __repr__(self) -> str:
        return f"<Agent {self.name or self.model}, {len(self.toolbox.definitions)} tools>"
