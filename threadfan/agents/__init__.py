"""Agents: a model and its tools, run as one blocking call.

    shapes    of messages, blocks and tools, as the Messages API has them
    client    what is asked of a model's client: ModelClient, and the adapter for the Anthropic SDK
    schema    from typed functions to what a model is told of them
    tools     what can be called: functions, the SDK's tools, other agents
    content   what a call has come to, as the model reads it
    transcript  conversations in the form that the API takes back
    faults    a tool that has failed, as its programmer reads it
    ledger    tokens, up the tree of agents
    settings  what an agent is made of
    loop      one run: ask, run the tools side by side, hand the results back
    agent     what users hold

For example::

    with Fan(8, timeout=30) as fan:
        agent = Agent(anthropic.Anthropic(), model="claude-haiku-4-5", fan=fan, tools=[weather, news])
        print(agent("What is going on in Oslo?"))
"""

from __future__ import annotations

from .agent import Agent
from .client import Answer, MessagesClient, ModelClient
from .errors import AgentStopped, AnswerBroken, AnswerCut, Refused, TokenLimit, ToolFailed, TurnLimit
from .result import AgentResult, ToolCall
from .tools import Tool, tool

__all__ = [
    "Agent",
    "AgentResult",
    "AgentStopped",
    "Answer",
    "AnswerBroken",
    "AnswerCut",
    "MessagesClient",
    "ModelClient",
    "Refused",
    "TokenLimit",
    "Tool",
    "ToolCall",
    "ToolFailed",
    "TurnLimit",
    "tool",
]
