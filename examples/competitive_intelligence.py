"""Competitive intelligence: twelve companies are researched, each is analysed, and one call compares them all.

The analysis of a company starts when its own research is done, not when all of it is: nobody waits for the slowest.
"""

import time
from functools import partial

from threadfan import Fan
from threadfan.testing import LogNormal, MessagesServer

COMPANIES = [
    "Acme",
    "Borealis",
    "Cobalt",
    "Dynamo",
    "Ember",
    "Fjord",
    "Gantry",
    "Halcyon",
    "Iris",
    "Juno",
    "Krill",
    "Lumen",
]
REPLIES = {
    "Compare": "Ember and Juno lead; Krill is the one to watch."
}  # what the loopback server answers to "Compare"


def ask(client, system, question):
    """One blocking call."""
    prompt = [{"role": "user", "content": question}]
    answer = client.messages.create(model="claude-haiku-4-5", max_tokens=300, system=system, messages=prompt)
    return answer.content[0].text


def research(client, company):
    """What the company has done."""
    return company, ask(client, "You research companies.", f"The recent moves of {company}")


def analyse(client, findings):
    """What it means."""
    company, text = findings
    return ask(client, "You analyse findings.", f"The strategy of {company}: {text}")


with MessagesServer(latency=LogNormal(median=0.1, p99=0.5), replies=REPLIES) as server, Fan(12, timeout=30) as fan:
    client = server.client()
    start = time.perf_counter()
    report = fan.pipeline(partial(research, client), partial(analyse, client)).run(COMPANIES)
    summary = ask(client, "You write for the board.", "Compare:\n" + "\n".join(report.values(default="unknown")))
    seconds = time.perf_counter() - start

for company, outcome in zip(COMPANIES, report, strict=True):
    print(f"{company}: {outcome.status} after {len(outcome.history)} calls")
print(report.stages)
print(f"25 calls in {seconds:.1f} s; one after another they take {report.stats.duration_sum + 0.1:.1f} s")
print(f"summary: {summary}")
