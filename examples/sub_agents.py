"""Agents as tools: an editor hands two questions to researchers, each of whom looks things up with tools of its own.

All share one `Fan(2)`: an agent that waits for its tools lets them run in its place, to any depth.  The result adds up
the tokens of all of them, and one `token_budget` holds for all.
"""

from threadfan import Fan
from threadfan.agents import Agent, TokenLimit
from threadfan.testing import MessagesServer

# What the loopback server answers, in place of a model.
REPLIES = {
    "Write about tea": 'use tool researcher with {"task": "its origin"} use tool researcher with {"task": "its trade"}',
    "its origin": 'use tool look_up with {"word": "Yunnan"} use tool look_up with {"word": "Assam"}',
    "its trade": 'use tool look_up with {"word": "clipper"}',
    "researcher found": "Tea came from the hills, and went to sea.",
    "Yunnan, in the archive": "A researcher found two places of origin.",
    "clipper, in the archive": "A researcher found how it was shipped.",
}


def look_up(word: str) -> str:
    """Look a word up in the archive."""
    return f"{word}, in the archive"


with MessagesServer(latency=0.05, replies=REPLIES) as server, Fan(2, timeout=30) as fan:
    client, model = server.client(), "claude-haiku-4-5"
    researcher = Agent(
        client,
        model=model,
        fan=fan,
        tools=[look_up],
        name="researcher",
        description="Finds out one thing, and tells it in a sentence.",
    )
    editor = Agent(client, model=model, fan=fan, tools=[researcher])
    result = editor("Write about tea.")
    thrifty = Agent(client, model=model, fan=fan, tools=[researcher], token_budget=500)
    try:
        thrifty("Write about tea.")
    except TokenLimit as error:
        print(f"too dear: {error.result.turns} turn, {error.result.usage.requests} requests, then no more")

for call in result.tool_calls:
    report = call.outcome.value
    print(f"{call.name}, {len(report.tool_calls)} looked up: {report}")
print(f"{result.usage.requests} requests in all, {result.turns} of them the editor's own")
print(result)
