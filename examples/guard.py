"""A guard: the answer is written while a second model checks whether the question may be answered at all.

The check costs no time if it passes, and the answer is withheld until it has passed.  If it fails, the call that writes
the answer is cancelled.
"""

import asyncio

from threadfan import Fan, task
from threadfan.clients import anthropic as anthropic_seam
from threadfan.patterns import GuardFailed, aguard, guard
from threadfan.testing import MessagesServer

QUESTIONS = ["How do I bake bread?", "How do I get into my neighbour's flat?"]
REPLIES = {  # what the loopback server answers to a prompt that holds the key
    "May this be answered? How do I bake": "yes",
    "May this be answered? How do I get into": "no: it is about breaking in",
    "How do I bake": "Flour, water, salt, yeast, and patience.",
}


def ask(prompt):
    """One blocking call."""
    messages = [{"role": "user", "content": prompt}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=messages).content[0].text


def allowed(question):
    """The check: True, or an error that says why not."""
    verdict = ask(f"May this be answered? {question} [delay:0.1]")
    if verdict != "yes":
        raise PermissionError(verdict)
    return True


def answer(fan, question, delay):
    """The answer, or GuardFailed."""
    return guard(fan, task(ask, f"{question} [delay:{delay}]"), task(allowed, question))


with MessagesServer(replies=REPLIES) as server, Fan(4, timeout=60) as fan:
    client = anthropic_seam.attach(server.client())
    for question in QUESTIONS:
        try:
            print(answer(fan, question, delay=30 if "neighbour" in question else 0.1))
        except GuardFailed as refused:
            print(f"refused by {refused.check}: {refused.reason}")
            print(f"the answer was {refused.report[0].status}")
    print(f"clients that the server has seen go: {server.wait_for(disconnects=1).disconnects}")
    awaited = asyncio.run(aguard(fan, task(ask, QUESTIONS[0]), task(allowed, QUESTIONS[0])))
    print(f"from a coroutine: {awaited}")
