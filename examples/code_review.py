"""Four reviewers look at the same code, at most two at a time; one fails, and the time saved is measured.

`with_options(max_concurrent=2)` makes a view of the fan: the same threads, with a limit for the calls made through it.
"""

import asyncio
import json
import time

from threadfan import Fan, task
from threadfan.testing import MessagesServer

CODE = "def total(rows):\n    return eval('+'.join(row['price'] for row in rows))"
REPLIES = {  # what the loopback server answers to a prompt that holds the key
    "security": '{"score": 2, "finding": "eval runs whatever a row holds"}',
    "performance": '{"score": 6, "finding": "one long string is built first"}',
    "style": '{"score": 7, "finding": "no type hints"}',
    "documentation": '{"score": 3, "finding": "no docstring"}',
}


def review(client, dimension):
    """One reviewer: a score from 1 to 10 and a finding."""
    prompt = [{"role": "user", "content": f"Review the {dimension} of this code, as JSON:\n{CODE}"}]
    return json.loads(client.messages.create(model="claude-haiku-4-5", max_tokens=300, messages=prompt).content[0].text)


def review_all(view, reviewers):
    """All reviews; one that fails leaves the others alone."""
    return view.gather(**reviewers)


async def review_all_from_a_coroutine(view, reviewers):
    """The same, while the event loop goes on."""
    return await view.agather(**reviewers)


def timed(run):
    """What `run()` returns, and the seconds that it took."""
    start = time.perf_counter()
    return run(), time.perf_counter() - start


with MessagesServer(latency=0.08, replies=REPLIES) as server, Fan(8, timeout=30) as fan:
    client = server.client()
    reviewers = {dimension: task(review, client, dimension) for dimension in REPLIES}
    one_by_one, slow = timed(lambda: [reviewer() for reviewer in reviewers.values()])
    server.reset()
    two_at_a_time = fan.with_options(max_concurrent=2)
    report, fast = timed(lambda: review_all(two_at_a_time, reviewers))
    most_at_once = server.stats().max_open
    broken = reviewers | {"style": task(review, client, "style [fault:500]")}
    partly = asyncio.run(review_all_from_a_coroutine(two_at_a_time, broken))

for outcome in report:
    print(f"{outcome.name}: {outcome.value['score']}/10, {outcome.value['finding']} ({outcome.duration:.2f} s)")
print(f"never more than two at once: {most_at_once <= 2}")
print(f"the same reviews as one by one: {one_by_one == report.values()}")
print(f"speed-up: {slow / fast:.1f} ({slow:.2f} s one by one, {fast:.2f} s two at a time)")
print(f"without a reviewer, from a coroutine: {[one.name for one in partly.succeeded]}, {partly['style'].status}")
