"""A race and a quorum: the same question to several models, for the first answer, or for the first two.

Calls that fail are passed over.  Those that lose are cancelled: their connections are closed, and their threads are
free long before the slow model would have answered.
"""

import asyncio

from threadfan import Fan, task
from threadfan.clients import anthropic as anthropic_seam
from threadfan.patterns import arace, quorum, race
from threadfan.testing import MessagesServer

QUESTION = "Which year was the first transatlantic cable laid?"
BEHAVIOUR = {  # how the loopback server treats each of the models
    "broken": "[fault:500]",
    "quick": "[delay:0.1]",
    "steady": "[delay:1]",
    "slow": "[delay:30]",
}


def ask(model):
    """One blocking call."""
    prompt = [{"role": "user", "content": f"{QUESTION} {BEHAVIOUR[model]}"}]
    return client.messages.create(model=f"claude-{model}", max_tokens=100, messages=prompt).content[0].text


with MessagesServer(replies={QUESTION: "1858"}) as server, Fan(4, timeout=60) as fan:
    client = anthropic_seam.attach(server.client())
    models = {model: task(ask, model) for model in BEHAVIOUR}

    winner = race(fan, **models)
    print(f"first: {winner.name} says {winner.value}")
    print(f"clients that the server has seen go: {server.wait_for(disconnects=2).disconnects}")

    report = quorum(fan, 2, **models)
    print(f"first two: {', '.join(outcome.name for outcome in report.succeeded)}")
    print(f"do they agree: {len({outcome.value for outcome in report.succeeded}) == 1}")

    try:
        race(fan, task(ask, "broken"), task(ask, "broken"))
    except* Exception as group:
        print(f"nobody answered: {', '.join(type(error).__name__ for error in group.exceptions)}")
    print(f"from a coroutine: {asyncio.run(arace(fan, **models)).name}")
