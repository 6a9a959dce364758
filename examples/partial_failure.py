"""Some calls fail: keep what succeeded, see what failed and why, and run only those again.

`values(default)` always has one value per input, so pairing it with the inputs never goes wrong.
"""

import asyncio
from functools import partial

from threadfan import Fan
from threadfan.testing import MessagesServer

SOURCES = [f"source {number}" for number in range(10)]
SOURCES[3] += " [fault:529 x1]"  # the loopback server is overloaded once, then answers
SOURCES[7] += " [fault:500]"  # and here it fails every time


def fetch(client, source):
    """One blocking call."""
    prompt = [{"role": "user", "content": f"What does {source} say?"}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


def fetch_all(fan, client, sources):
    """What became of each, and of those that failed a second time."""
    report = fan.run(partial(fetch, client), sources)
    again = fan.run(partial(fetch, client), [outcome.item for outcome in report.failed])
    return report, again


async def fetch_all_from_a_coroutine(fan, client, sources):
    """The first round, while the event loop goes on."""
    return await fan.arun(partial(fetch, client), sources)


with MessagesServer(latency=0.02) as server, Fan(5, timeout=30) as fan:
    report, again = fetch_all(fan, server.client(), SOURCES)
    server.reset()
    awaited = asyncio.run(fetch_all_from_a_coroutine(fan, server.client(), SOURCES))

found = report.values(None)
print(f"first round: {len(report.succeeded)} of {len(report)} answered, {report.stats.success_rate:.0%}")
for before, after in zip(report.failed, again, strict=True):
    print(f"  {before.index} failed with status {before.error.status_code}, then {after.status}")
    found[before.index] = after.value
print(f"still missing: {[place for place, text in enumerate(found) if text is None]}")
print(f"the same from a coroutine: {awaited.values(None) == report.values(None)}")
