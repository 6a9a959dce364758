"""A pool of five workers for thirty tasks, and its figures.

`max_workers` is the only limit that is needed: further calls wait in the queue.  The report says how long each call
waited, which were slow, and how many tokens they used.
"""

import asyncio
from functools import partial

from threadfan import Fan
from threadfan.testing import LogNormal, MessagesServer

TASKS = [f"Classify complaint {number} by its urgency." for number in range(30)]


def work(client, task):
    """One blocking call."""
    prompt = [{"role": "user", "content": task}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt)


def work_off(fan, client, tasks):
    """All of them; the fan's `max_workers` says how many at once."""
    return fan.run(partial(work, client), tasks)


async def work_off_from_a_coroutine(fan, client, tasks):
    """The same, with a look at the queue whenever a call has ended."""
    queues = []
    async for outcome in fan.astream(partial(work, client), tasks):
        outcome.unwrap()
        queues.append(fan.snapshot()["queued"])
    return queues


with MessagesServer(latency=LogNormal(median=0.04, p99=0.2)) as server, Fan(5, timeout=30) as fan:
    report = work_off(fan, server.client(), TASKS)
    queues = asyncio.run(work_off_from_a_coroutine(fan, server.client(), TASKS))
    most_at_once = server.stats().max_open

stats = report.stats
print(f"total {stats.total}, succeeded {stats.succeeded}, failed {stats.total - stats.succeeded}")
print(f"never more than five at once: {most_at_once <= 5}")
print(f"wall {stats.wall:.2f} s for {stats.duration_sum:.2f} s of work: {stats.concurrency:.1f} calls at once")
print(f"half took less than {stats.duration_p50:.3f} s, the slowest {stats.duration_max:.3f} s")
print(f"longest wait in the queue: {max(outcome.waited_slot for outcome in report):.2f} s")
print(f"tokens: {stats.input_tokens} read, {stats.output_tokens} written")
print(f"from a coroutine: {len(queues)} done, with up to {max(queues)} in the queue")
