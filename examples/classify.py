"""One classifier for twenty messages, five at a time: the labels, their counts, and what is missing.

A failure is an outcome like any other: the counts are those of the labels there are, and the report says how many calls
succeeded.  From a coroutine the same is `await fan.arun(…)`.
"""

import asyncio
from collections import Counter
from functools import partial

from threadfan import Fan
from threadfan.testing import MessagesServer

MESSAGES = [f"Message {number}: {'a gift' if number % 3 else 'a fault'} has come." for number in range(20)]
MESSAGES[4] += " [fault:500]"  # the loopback server fails here every time
REPLIES = {"gift": "positive", "fault": "negative"}  # what it answers to a prompt that holds the key


def label(client, message):
    """One blocking call."""
    prompt = [{"role": "user", "content": f"Is this positive or negative? {message}"}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=5, messages=prompt).content[0].text


def classify(fan, client, messages):
    """All outcomes, and how often each label was given."""
    report = fan.run(partial(label, client), messages)
    return report, Counter(outcome.value for outcome in report.succeeded)


async def classify_from_a_coroutine(client, messages):
    """The same, while the event loop goes on."""
    async with Fan(5, timeout=30) as fan:
        report = await fan.arun(partial(label, client), messages)
    return report, Counter(outcome.value for outcome in report.succeeded)


with MessagesServer(latency=0.02, replies=REPLIES) as server:
    client = server.client()
    with Fan(5, timeout=30) as fan:
        report, counts = classify(fan, client, MESSAGES)
    again, _ = asyncio.run(classify_from_a_coroutine(client, MESSAGES))

print(f"{report.stats.succeeded} of {report.stats.total} classified: {dict(counts)}")
for outcome in report.failed:
    print(f"number {outcome.index} has no label: {type(outcome.error).__name__}")
print(f"the first five: {', '.join(report.values('none')[:5])}")
print(f"the same from a coroutine: {again.values('none') == report.values('none')}")
