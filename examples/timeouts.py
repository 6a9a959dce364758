"""Every task has its own timeout: one that hangs loses its own answer, and no other task's.

The clock starts when a call starts to run.  At the timeout its outcome is decided, and another call may run in its
place.  Python cannot kill the stuck thread; the fan does not wait for it, and names it in a warning when it closes.
"""

import asyncio
import warnings

from threadfan import Fan, TaskTimeout, task
from threadfan.testing import MessagesServer


def ask(client, question):
    """One blocking call."""
    prompt = [{"role": "user", "content": question}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


async def ask_in_time(fan, client, question, seconds):
    """From a coroutine: the answer, or None if it does not come in time."""
    try:
        return await fan.with_options(timeout=seconds).call(ask, client, question)
    except TaskTimeout:
        return None


with MessagesServer(latency=0.05) as server, warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    client = server.client()
    with Fan(2, timeout=30) as fan:  # two at a time for four tasks: the stuck one must not keep its place
        report = fan.gather(
            stuck=task(ask, client, "Who is there? [fault:hang]").with_options(timeout=0.3),
            weather=task(ask, client, "Will it rain?"),
            news=task(ask, client, "What happened?"),
            calendar=task(ask, client, "What comes next?").with_options(timeout=None),
        )
        late = asyncio.run(ask_in_time(fan, client, "Who is there? [fault:hang]", 0.3))

for outcome in report:
    print(f"{outcome.name}: {outcome.status}")
try:
    report["stuck"].unwrap()
except TaskTimeout as error:
    print(f"unwrap raises TaskTimeout: {error}")
print(f"from a coroutine: {late}")
print(f"threads named at the end: {str(told[0].message).count('s after it was called')}, in {len(told)} warning")
