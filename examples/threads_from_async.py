"""Blocking calls from async code, side by side, while the event loop goes on.

`loop.run_in_executor` takes a fan as it takes any pool.  `arun` says the same in one line, and reports failures,
timeouts and figures as well.
"""

import asyncio
from functools import partial

from threadfan import Fan
from threadfan.testing import MessagesServer

CITIES = ["Lisbon", "Nairobi", "Osaka", "Quito", "Tallinn", "Hobart"]


def describe(client, city):
    """A call of the synchronous client: in a coroutine it would stop everything else."""
    prompt = [{"role": "user", "content": f"How is life in {city}?"}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


async def heartbeat(beats):
    """Something else that the loop has to do."""
    while True:
        await asyncio.sleep(0.01)
        beats.append(True)


async def describe_all(fan, client, cities):
    """All descriptions, in the order of the cities."""
    return (await fan.arun(partial(describe, client), cities)).unwrap()


async def main(client):
    """The familiar way, then the short one."""
    beats = []
    heart = asyncio.create_task(heartbeat(beats))
    async with Fan(6, timeout=30) as fan:
        loop = asyncio.get_running_loop()
        gathered = await asyncio.gather(*(loop.run_in_executor(fan, describe, client, city) for city in CITIES))
        described = await describe_all(fan, client, CITIES)
    heart.cancel()

    for city, text in zip(CITIES, gathered, strict=True):
        print(f"{city}: {text[:60]}...")
    print(f"arun gives the same in the same order: {described == gathered}")
    print(f"the loop went on meanwhile: {len(beats) > 1}")


with MessagesServer(latency=0.1) as server:
    asyncio.run(main(server.client()))
