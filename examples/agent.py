"""An agent: the model asks for three tools in one turn, they run side by side, and it writes the briefing from them.

Tools are plain typed functions.  One fails: the model reads why, and writes the briefing without it.
"""

import time
from typing import Annotated, Literal

from threadfan import Fan
from threadfan.agents import Agent, ToolFailed
from threadfan.testing import MessagesServer

# What the loopback server answers, in place of a model: to the question, and to what the tools return.
ASKS = 'use tool weather with {"city": "Oslo"} use tool news with {"topic": "sea"} use tool calendar with {"days": 2}'
REPLIES = {"brief me": f"Let me look. {ASKS}", "snow": "Take a coat: it snows in Oslo, and you meet Ada at nine."}


def weather(city: str, unit: Literal["celsius", "kelvin"] = "celsius") -> dict:
    """Tell the weather of a city."""
    time.sleep(0.3)
    return {"city": city, "sky": "snow", "degrees": -3 if unit == "celsius" else 270}


def news(topic: str) -> list[str]:
    """Find the news about a topic."""
    time.sleep(0.3)
    raise ToolFailed(f"no connection to the news about the {topic}")


def calendar(days: Annotated[int, "how many, from today"]) -> str:
    """Read the calendar."""
    time.sleep(0.3)
    return f"in the next {days} days: Ada, 9:00"


with MessagesServer(replies=REPLIES) as server, Fan(8, timeout=30) as fan:
    tools = [weather, news, calendar]
    agent = Agent(server.client(), model="claude-haiku-4-5", fan=fan, tools=tools, tool_timeout=5)
    result = agent("Please brief me.")

for call in result.tool_calls:
    print(f"{call.name}: {call.outcome.status}, {call.content}")
outcomes = [call.outcome for call in result.tool_calls]
seconds = max(outcome.ended for outcome in outcomes) - min(outcome.started for outcome in outcomes)
print(f"at the same time: {seconds < sum(outcome.duration for outcome in outcomes)}")
print(f"{result.turns} turns, {result.usage.requests} requests, stopped by {result.stop_reason}")
print(result)
