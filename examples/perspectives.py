"""Sectioning: four experts read the same text side by side, then one call merges what they found.

Each task has a name, by which its outcome is found in the report.
"""

import asyncio

from threadfan import Fan, task
from threadfan.testing import MessagesServer

PROPOSAL = "We plan to keep every customer's questions for ten years, unencrypted, on one server in the office."
EXPERTS = {
    "legal": "You advise on data protection law.",
    "technical": "You run large systems.",
    "financial": "You look at costs and risks.",
    "security": "You look for ways to break in.",
}
REPLIES = {"Merge": "Keep it for one year, encrypted, in two places."}  # what the loopback server answers to "Merge"


def ask(client, system, question):
    """One blocking call."""
    prompt = [{"role": "user", "content": question}]
    answer = client.messages.create(model="claude-haiku-4-5", max_tokens=300, system=system, messages=prompt)
    return answer.content[0].text


def tasks(client, text):
    """One for each expert."""
    return {name: task(ask, client, system, text) for name, system in EXPERTS.items()}


def analyse(fan, client, text):
    """All opinions, by the names of the experts."""
    return fan.gather(**tasks(client, text))


async def analyse_from_a_coroutine(fan, client, text):
    """The same, while the event loop goes on."""
    return await fan.agather(**tasks(client, text))


with MessagesServer(latency=0.1, replies=REPLIES) as server, Fan(4, timeout=30) as fan:
    client = server.client()
    report = analyse(fan, client, PROPOSAL)
    again = asyncio.run(analyse_from_a_coroutine(fan, client, PROPOSAL))
    opinions = "\n".join(f"{outcome.name}: {outcome.unwrap()}" for outcome in report)
    verdict = ask(client, "You write for the board.", f"Merge these opinions:\n{opinions}")

for outcome in report:
    print(f"{outcome.name}: {outcome.value[:70]}...")
print(f"on average {report.stats.concurrency:.1f} were asked at once")
print(f"the legal opinion alone has {len(report['legal'].unwrap().split())} words")
print(f"verdict: {verdict}")
print(f"the same from a coroutine: {again.values() == report.values()}")
