"""A line for every call as it ends, and the answers in input order at the end.

`stream` hands out outcomes in the order of completion; `outcome.index` says which input each belongs to.
"""

import asyncio
from functools import partial

from threadfan import Fan
from threadfan.testing import LogNormal, MessagesServer

TOPICS = ["retrieval", "memory", "planning", "evaluation", "caching", "routing", "guardrails", "tracing"]


def research(client, topic):
    """One blocking call."""
    prompt = [{"role": "user", "content": f"What is new in {topic}?"}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


def research_all(fan, client, topics):
    """The findings in input order; a line for each as it comes."""
    findings = [""] * len(topics)
    for done, outcome in enumerate(fan.stream(partial(research, client), topics), start=1):
        findings[outcome.index] = outcome.unwrap()
        print(f"[{done}/{len(topics)}] {outcome.item}, {1000 * outcome.duration:.0f} ms")
    return findings


async def research_all_from_a_coroutine(fan, client, topics):
    """The same, while the event loop goes on."""
    return {outcome.index: outcome.unwrap() async for outcome in fan.astream(partial(research, client), topics)}


# Most answers take 50 ms, one in a hundred takes 300 ms: the order of completion is not that of the topics.
with MessagesServer(latency=LogNormal(median=0.05, p99=0.3, seed=1)) as server, Fan(4, timeout=30) as fan:
    findings = research_all(fan, server.client(), TOPICS)
    again = asyncio.run(research_all_from_a_coroutine(fan, server.client(), TOPICS))

print("in input order:")
for topic, finding in zip(TOPICS, findings, strict=True):
    print(f"  {topic}: {finding[:50]}...")
print(f"the same from a coroutine: {[again[place] for place in range(len(TOPICS))] == findings}")
