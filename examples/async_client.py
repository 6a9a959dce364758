"""Coroutine functions over an async client, under the same limits as any call: three at once, each with a timeout.

`asyncio.gather` has no limit, and raises only the first failure.  A fan takes coroutine functions too: they run in your
event loop, while a thread of the fan waits for each.
"""

import asyncio
from functools import partial

from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

from threadfan import Fan
from threadfan.testing import MessagesServer

TOPICS = ["retrieval", "memory", "tool use [fault:500]", "coordination", "silence [fault:hang]", "planning"]


async def research(client, topic):
    """One call that does not block."""
    prompt = [{"role": "user", "content": f"What is new in {topic}?"}]
    return (await client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt)).content[0].text


async def research_all(client, topics):
    """All findings, three at a time."""
    async with Fan(3, timeout=1) as fan:
        return await fan.arun(partial(research, client), topics)


async def main(url):
    """The client lives in the loop that uses it."""
    past_proxies = DefaultAsyncHttpxClient(mounts={"all://127.0.0.1": None})
    async with AsyncAnthropic(base_url=url, api_key="test", max_retries=0, http_client=past_proxies) as client:
        return await research_all(client, TOPICS)


with MessagesServer(latency=0.05) as server:
    report = asyncio.run(main(server.url))
    most_at_once = server.stats().max_open

for topic, outcome in zip(TOPICS, report, strict=True):
    print(f"{topic.partition(' [')[0]}: {outcome.value[:40] if outcome.ok else outcome.status}")
print(f"never more than three at once: {most_at_once <= 3}")
