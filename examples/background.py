"""A batch in the background: watched while it runs, paused and resumed, and one call of it cancelled.

`start` returns a `Run` at once.  It says how far the batch is and where each call stands, yields outcomes as they come,
and makes a report at any time.
"""

import asyncio
from functools import partial

from threadfan import Fan
from threadfan.testing import MessagesServer

TOPICS = ["retrieval", "memory", "planning", "evaluation", "caching", "routing", "guardrails", "tracing"]


def research(client, topic):
    """One blocking call."""
    prompt = [{"role": "user", "content": f"What is new in {topic}?"}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


async def research_from_a_coroutine(fan, client, topics):
    """The same, while the event loop goes on."""
    return await fan.start(partial(research, client), topics)


with MessagesServer(latency=0.05) as server, Fan(2, timeout=30) as fan:
    run = fan.start(partial(research, server.client()), TOPICS)
    for outcome in run:
        print(f"the first answer is on {outcome.item}")
        break

    run.pause()
    while run.progress().running:  # calls that run are not interrupted
        run.wait(0.01)
    print(f"paused: {run.paused}, and nothing runs: {not run.running()}")
    print(f"so far: {run.report().ok}")

    run.cancel(TOPICS.index("tracing"))
    run.resume()
    report = run.result()
    again = asyncio.run(research_from_a_coroutine(fan, server.client(), TOPICS))

print(f"{report.stats.succeeded} succeeded, and {report.stats.cancelled} was cancelled: {report[-1].item}")
print(f"the same from a coroutine: {again.values()[:-1] == report.values(None)[:-1]}")
