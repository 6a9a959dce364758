"""A graph of research tasks: each starts the moment the tasks that it depends on have ended.

A parameter that is named like a task takes that task's value.  The outlook needs the trends alone and does not wait for
the market figures; the summary needs all.  A task that depends on a failed one is skipped, and the rest goes on.
"""

import asyncio

from threadfan import Fan
from threadfan.testing import MessagesServer

REPLIES = {"one page": "Kites: a small market that grows."}  # what the loopback server answers to "one page"
ended = []  # the tasks, as they end


def ask(name, prompt):
    """One blocking call."""
    messages = [{"role": "user", "content": prompt}]
    reply = client.messages.create(model="claude-haiku-4-5", max_tokens=300, messages=messages)
    ended.append(name)
    return reply.content[0].text


def markets(field):
    """Depends on no task: `field` is an input."""
    return ask("markets", f"How big is the market for {field}? [delay:1]")


def trends(field, source="the press"):
    """The same, with an optional input."""
    return ask("trends", f"What changes for {field}, says {source}? [delay:0.1]")


def outlook(trends):
    """Starts when the trends are there."""
    return ask("outlook", f"Where does this lead? {trends} [delay:0.1]")


def summary(markets, trends, outlook):
    """Starts when all the rest has ended."""
    return ask("summary", f"Make one page of this: {markets} {trends} {outlook}")


def research(fan):
    """The graph; the order of the functions does not matter."""
    return fan.graph(markets, trends, outlook, summary)


with MessagesServer(replies=REPLIES) as server, Fan(8, timeout=30) as fan:
    client = server.client()
    graph = research(fan)
    report = graph.run(field="kites")
    early = ended.index("outlook") < ended.index("markets")
    again = asyncio.run(graph.arun(field="kites"))
    broken = graph.run(field="kites", source="nobody [fault:500]")

print(f"{report['summary'].value} All there: {report.ok}, early outlook: {early}")
print(f"the same from a coroutine: {again.values() == report.values()}")
for outcome in broken:
    print(f"{outcome.name}: {outcome.status}{f', {outcome.error}' if outcome.status == 'skipped' else ''}")
