"""Eight companies, two stages, five calls at a time, a rate, retries, statistics and fail-fast in one program.

A company enters the second stage when its own research is there; none waits for the slowest.  A failure keeps its
company out of the next stage and leaves the others alone, unless `fail_fast=True` is given.
"""

import asyncio

from threadfan import Fan, RateLimit, task
from threadfan.clients import anthropic as anthropic_seam
from threadfan.testing import MessagesServer

COMPANIES = ["Acme", "Borel [fault:500 x1]", "Corvo", "Dunn", "Eibe [fault:500]", "Fjord", "Gant", "Hale"]


def ask(client, prompt):
    """One blocking call."""
    messages = [{"role": "user", "content": prompt}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=300, messages=messages).content[0].text


def research(company, client):
    """The first stage."""
    return ask(client, f"What is new at {company}?")


def analyse(news, client):
    """The second stage, of what the first has found."""
    return ask(client, f"What does this mean? {news}")


def execute(client, companies, fail_fast=False):
    """The report of all companies, with the figures of the whole and of each stage."""
    with Fan(5, timeout=30, retry={500: 1}, rate=RateLimit(requests_per_minute=6000, burst=5)) as fan:
        stages = fan.pipeline(task(research, client=client), task(analyse, client=client))
        return stages.run(companies, fail_fast=fail_fast)


async def execute_from_a_coroutine(client, companies):
    """The same."""
    async with Fan(5, timeout=30, retry={500: 1}, rate=RateLimit(requests_per_minute=6000, burst=5)) as fan:
        return await fan.pipeline(task(research, client=client), task(analyse, client=client)).arun(companies)


with MessagesServer(latency=0.05) as server:
    client = anthropic_seam.attach(server.client(), max_retries=0)  # counts tokens too
    report, again = execute(client, COMPANIES), asyncio.run(execute_from_a_coroutine(client, COMPANIES))
    stats = report.stats
    print(f"{stats.succeeded} of {stats.total} done, {stats.retries} retries, {stats.concurrency:.1f} calls at once")
    for outcome in report.failed:
        print(f"{outcome.item.split()[0]} failed in {outcome.stage}: {type(outcome.error).__name__}")
    print(f"tokens: {stats.input_tokens} read, {stats.output_tokens} written")
    print(f"the same from a coroutine: {again.values(None) == report.values(None)}")
    print(report.stages)
    try:
        execute(client, COMPANIES, fail_fast=True)
    except Exception as error:
        print(f"all or none: {type(error).__name__}, and a report of {len(error.report)}")
