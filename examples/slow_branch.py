"""One slow branch does not hold the others up: they are used at the deadline, and the slow one when it is there.

With `late="keep"` a call that is unfinished at the deadline is not cancelled.  It goes on, and `report.late` has its
future, so you can use the other results first.  The outcomes say which branch is the slow one.
"""

import asyncio
from functools import partial

from threadfan import Fan
from threadfan.testing import MessagesServer

BRANCHES = ["prices", "weather", "a study of forty pages [delay:1.5]", "news"]


def ask(client, subject):
    """One blocking call."""
    prompt = [{"role": "user", "content": f"Report on {subject}."}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=300, messages=prompt).content[0].text


def brief(fan, client):
    """The texts that are there after 0.8 s, and the report, which has futures of the others."""
    report = fan.run(partial(ask, client), BRANCHES, deadline=0.8, late="keep")
    return report.values(None), report


async def brief_from_a_coroutine(fan, client):
    """The same; the slow branch is awaited like anything else."""
    report = await fan.arun(partial(ask, client), BRANCHES, deadline=0.8, late="keep")
    return {place: await asyncio.wrap_future(future) for place, future in report.late.items()}


with MessagesServer(latency=0.05) as server, Fan(4, timeout=30) as fan:
    client = server.client()
    texts, report = brief(fan, client)
    print(f"at the deadline: {sum(text is not None for text in texts)} of {len(texts)}")
    for outcome in report:
        took = f"in {outcome.duration:.1f} s" if outcome.ok else "goes on"
        print(f"  {outcome.item.partition(' [')[0]}: {outcome.status}, {took}")
    for place, future in report.late.items():
        texts[place] = future.result()
        print(f"later: number {place} after all, {len(texts[place].split())} words")
    print(f"nothing is missing: {None not in texts}")
    print(f"the same from a coroutine: {list(asyncio.run(brief_from_a_coroutine(fan, client))) == list(report.late)}")
