"""Some answers come late by chance: a second attempt starts beside the first, and the first of the two to answer wins.

Only for calls that may be made twice: both attempts may be worked on, and billed.  `Hedge`'s budget bounds how many.
"""

from functools import partial

from threadfan import Fan, Hedge
from threadfan.clients import anthropic as anthropic_seam
from threadfan.testing import MessagesServer

QUESTIONS = [f"What is {number} cubed?" for number in range(100)]
STRAGGLERS = {30, 50, 70, 90}


def ask(client, question):
    """One blocking call; its first attempt takes 20 times as long if it is a straggler."""
    number = int(question.split()[2])
    if number in slow:
        slow.remove(number)
        question = f"[delay:1] {question}"
    prompt = [{"role": "user", "content": question}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=prompt).content[0].text


with MessagesServer(latency=0.05) as server, Fan(10, timeout=30) as fan:
    ask_it = partial(ask, anthropic_seam.attach(server.client()))
    for name, view in (("plain", fan), ("hedged", fan.with_options(hedge=Hedge(after="p95", budget=0.05)))):
        slow = set(STRAGGLERS)
        server.reset()
        report = view.run(ask_it, QUESTIONS)
        stats = report.stats
        print(
            f"{name}: p50 {stats.duration_p50:.2f} s, p99 {stats.duration_p99:.2f} s, {server.stats().requests} asked"
        )

print(f"all answered: {report.ok}")
for outcome in report:
    if outcome.attempts > 1 and outcome.index in STRAGGLERS:
        print(f"  {outcome.index}: {', '.join(attempt.status for attempt in outcome.history)}")
