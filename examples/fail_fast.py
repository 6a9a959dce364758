"""All or nothing: the first failure cancels the rest and is raised, but what was paid for is not lost.

The error carries the report so far.  A call that runs in a plain client cannot be stopped, so its thread is abandoned:
the batch does not wait for it, and the fan names it in a warning when it closes.
"""

import asyncio
import warnings
from functools import partial

from anthropic import InternalServerError

from threadfan import Fan
from threadfan.testing import MessagesServer

CHAPTERS = [
    "the opening",
    "the plot [delay:0.3] [fault:500]",
    "the cast [delay:20]",
    "the score",
    "the sets",
    "the end",
]


def critique(client, chapter):
    """One blocking call."""
    prompt = [{"role": "user", "content": f"What do you think of {chapter}?"}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


def critique_all(fan, client, chapters):
    """All of them, or the error of the first that fails."""
    return fan.run(partial(critique, client), chapters, fail_fast=True).unwrap()


async def critique_all_from_a_coroutine(fan, client, chapters):
    """The same, while the event loop goes on."""
    return (await fan.arun(partial(critique, client), chapters, fail_fast=True)).unwrap()


with MessagesServer(latency=0.1) as server, warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    with Fan(2) as fan:
        texts = asyncio.run(critique_all_from_a_coroutine(fan, server.client(), CHAPTERS[3:]))
        try:
            critique_all(fan, server.client(), CHAPTERS)
        except InternalServerError as error:
            print(f"raised: {type(error).__name__}")
            for outcome in error.report:
                print(f"  {outcome.index}: {outcome.status}, {'started' if outcome.attempts else 'never started'}")

for warning in told:
    print(f"warned: {str(warning.message).partition(', at ')[0]}")
print(f"the last three, from a coroutine: {len(texts)}")
