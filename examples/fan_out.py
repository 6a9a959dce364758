"""Fan-out and fan-in: a model splits a question, each part is worked on by itself, a model makes one answer of them.

All three steps run on the fan, under its timeout and limits.  If a part fails, there is no synthesis, unless
you give `partial=True`; the result then says that it is not complete.
"""

import asyncio
import json

from threadfan import Fan
from threadfan.patterns import afan_out, fan_out
from threadfan.testing import MessagesServer

QUESTION = "Shall we sail to Madeira in March?"
REPLIES = {  # what the loopback server answers to a prompt that holds the key
    "JSON list": '["the winds", "the harbours", "the papers", "the crew"]',
    "Answer": "Go, but in the last week.",
    "What of the winds": "They turn after the equinox.",
}


def ask(prompt):
    """One blocking call."""
    messages = [{"role": "user", "content": prompt}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=500, messages=messages).content[0].text


def decompose(question):
    """The parts of a question."""
    return json.loads(ask(f"Take this apart, as a JSON list of four: {question}"))


def work(part):
    """What is found out about a part."""
    return ask(f"What of {part}?")


def synthesise(report):
    """One answer from what was found out."""
    found = "\n".join(f"{outcome.item}: {outcome.value}" for outcome in report)
    return ask(f"Answer the question {QUESTION}\n{found}")


def answer(fan, question):
    """All three steps."""
    return fan_out(fan, question, decompose=decompose, work=work, synthesise=synthesise)


with MessagesServer(latency=0.05, replies=REPLIES) as server, Fan(8, timeout=30) as fan:
    client = server.client()
    result = answer(fan, QUESTION)
    same = asyncio.run(afan_out(fan, QUESTION, decompose=decompose, work=work, synthesise=synthesise))

for outcome in result.report:
    print(f"{outcome.item}: {outcome.value[:50]}")
print(f"on average {result.report.stats.concurrency:.1f} were worked on at once")
print(f"{result.value} Complete: {result.complete}")
print(f"the same from a coroutine: {same.value == result.value}")
