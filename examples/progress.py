"""A line for every call as it ends, and the answers in input order at the end.

`stream` hands out outcomes in the order of completion; `outcome.index` says which input each belongs to.
"""

from functools import partial

from threadfan import Fan
from threadfan.testing import LogNormal, MessagesServer

TOPICS = ["retrieval", "memory", "planning", "evaluation", "caching", "routing", "guardrails", "tracing"]


def research(client, topic):
    """One blocking call."""
    prompt = [{"role": "user", "content": f"What is new in {topic}?"}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


# Most answers take 50 ms, one in a hundred takes 300 ms: the order of completion is not that of the topics.
with MessagesServer(latency=LogNormal(median=0.05, p99=0.3, seed=1)) as server, Fan(4, timeout=30) as fan:
    findings = [""] * len(TOPICS)
    for done, outcome in enumerate(fan.stream(partial(research, server.client()), TOPICS), start=1):
        findings[outcome.index] = outcome.unwrap()
        print(f"[{done}/{len(TOPICS)}] {outcome.item}, {1000 * outcome.duration:.0f} ms")

print("in input order:")
for topic, finding in zip(TOPICS, findings, strict=True):
    print(f"  {topic}: {finding[:50]}...")
