"""Twenty documents, ten at a time: `run` gives one outcome per document, in the order of the documents.

There is no dictionary of futures to keep and nothing to sort afterwards.
"""

import asyncio
from functools import partial

from threadfan import Fan
from threadfan.testing import MessagesServer

DOCUMENTS = [f"Field report {number}. The survey of section {number} is complete." for number in range(1, 21)]


def summarise(client, document):
    """A blocking call of the real client; the whole message comes back, so that the report can count its tokens."""
    prompt = [{"role": "user", "content": f"Summarise in one sentence: {document}"}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt)


def summarise_all(client, documents):
    """One outcome per document."""
    with Fan(10, timeout=30) as fan:
        return fan.run(partial(summarise, client), documents)


async def summarise_all_from_a_coroutine(client, documents):
    """The same, while the event loop goes on."""
    async with Fan(10, timeout=30) as fan:
        return await fan.arun(partial(summarise, client), documents)


with MessagesServer(latency=0.05) as server:
    report = summarise_all(server.client(), DOCUMENTS)
    again = asyncio.run(summarise_all_from_a_coroutine(server.client(), DOCUMENTS))

for document, message in zip(DOCUMENTS, report.unwrap(), strict=True):
    print(f"{document[:15]} -> {message.content[0].text[:60]}...")
print(f"{report.stats.succeeded} of {report.stats.total} summarised, {report.stats.output_tokens} tokens written")
print(f"the same from a coroutine: {[one.value.content for one in again] == [one.value.content for one in report]}")
