"""Blocking calls as tasks of a `TaskGroup`: structured concurrency around a synchronous client.

`fan.call` can be awaited, wrapped in a task, or bounded by `asyncio.timeout`; cancelling the awaiter cancels the call.
`asyncify` turns a blocking function into one to await.
"""

import asyncio
from functools import partial

from threadfan import Fan
from threadfan.testing import MessagesServer

REPLIES = {"Weigh up": "Go ahead, in small steps."}  # what the loopback server answers to "Weigh up"


def ask(client, question):
    """One blocking call."""
    prompt = [{"role": "user", "content": question}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


async def main(client):
    """Two calls side by side, then a third that needs both, then a stream."""
    async with Fan(4, timeout=30) as fan:
        async with asyncio.TaskGroup() as group:
            pros = group.create_task(fan.call(ask, client, "What speaks for the plan?"))
            cons = group.create_task(fan.call(ask, client, "What speaks against the plan?"))

        ask_it = fan.asyncify(partial(ask, client))
        verdict = await ask_it(f"Weigh up: {pros.result()} {cons.result()}")
        print(f"for: {pros.result()[:60]}...")
        print(f"against: {cons.result()[:60]}...")
        print(f"verdict: {verdict}")

        questions = [f"What is step {number}?" for number in range(1, 6)]
        async for outcome in fan.astream(partial(ask, client), questions, ordered=True):
            print(f"step {outcome.index + 1}: {outcome.status}")


with MessagesServer(latency=0.05, replies=REPLIES) as server:
    asyncio.run(main(server.client()))
