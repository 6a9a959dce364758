"""Fifty workers and one key: no item is lost, and the work runs at the limit instead of over it.

Without a rate most of the same calls are refused.  With one, calls wait for the limit without holding a thread, a 429
(Too Many Requests) pauses all of them, and the report says what to change.
"""

from functools import partial

from threadfan import Fan, RateLimit
from threadfan.clients import anthropic as anthropic_seam
from threadfan.testing import Limits, MessagesServer

QUESTIONS = [f"What is {number} squared?" for number in range(60)]
KEY = Limits(requests_per_minute=1500, burst=10)  # what the loopback server allows


def ask(client, question):
    """One blocking call."""
    prompt = [{"role": "user", "content": question}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=prompt).content[0].text


def ask_all(client, questions):
    """As fast as the key allows, and no faster."""
    limit = RateLimit(requests_per_minute=1500, burst=10, name="the key")
    with Fan(50, timeout=30, retry=3, rate=limit) as fan:
        return fan.run(partial(ask, client), questions)


with MessagesServer(latency=0.05, limits=KEY) as server:
    with Fan(50, timeout=30) as fan:
        storm = fan.run(partial(ask, server.client()), QUESTIONS)
        print(f"without a rate: {len(storm.succeeded)} of {len(storm)} answered, {server.stats().refused} refused")

    server.reset()
    report = ask_all(anthropic_seam.attach(server.client(), max_retries=0), QUESTIONS)
    print(f"with a rate: {len(report.succeeded)} of {len(report)} answered, {server.stats().refused} refused")

print(report)  # its last line says what to change; report.stats.advice is that line alone
stats = report.stats
print(f"waited on average: {stats.waited_limit / stats.total:.1f} s for the limit, {stats.pauses} pauses")
print(f"tokens: {stats.input_tokens} read, {stats.output_tokens} written")
