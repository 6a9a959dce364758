"""A pipeline over an endless input: fetch, summarise, store, each stage with its own limit, timeout and retries.

Items come out as they are ready.  No more of the input is read than the stages can take, and an item that fails in one
stage enters no further one.
"""

import itertools
from functools import partial

from threadfan import Fan, stage
from threadfan.testing import MessagesServer

WANTED = 30
read = []  # pages that were taken from the input
stored = {}


def pages():
    """Page numbers without end."""
    for number in itertools.count():
        read.append(number)
        yield number


def fetch(number):
    """The text of a page; one in ten is missing."""
    if number % 10 == 7:
        raise FileNotFoundError(f"page {number} is missing")
    return number, f"the text of page {number}"


def summarise(client, page):
    """One blocking call."""
    number, text = page
    prompt = [{"role": "user", "content": f"Summarise: {text}"}]
    return number, client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=prompt).content[0].text


def store(page):
    """One at a time, as the database wants it."""
    stored.update([page])
    return page[0]


with MessagesServer(latency=0.02) as server, Fan(8, timeout=30) as fan:
    pipeline = fan.pipeline(
        fetch,
        stage(partial(summarise, server.client()), max_concurrent=4, timeout=10, retry=2, buffer=8),
        stage(store, max_concurrent=1),
    )
    outcomes = list(itertools.islice(pipeline.stream(pages(), ordered=True), WANTED))
    most_at_once = server.stats().max_open

for outcome in [one for one in outcomes if not one.ok]:
    print(f"page {outcome.index}: {outcome.status} in {outcome.stage}, {outcome.error}")
print(
    f"{sum(outcome.ok for outcome in outcomes)} of {WANTED} pages went through all stages: {outcomes[0].attempts} each"
)
print(f"never more than four were summarised at once: {most_at_once <= 4}")
print(f"read no further than the window: {len(read) <= WANTED + 64}")
