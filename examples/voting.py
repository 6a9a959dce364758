"""Voting: nine readers classify the same ticket, and the vote ends as soon as its result is certain.

Once five of nine agree nothing can change the majority: the calls that still run are cancelled, and the server sees
their connections close.  A second vote, with one reader asked five times, ends in a tie.
"""

import asyncio

from threadfan import Fan, task
from threadfan.clients import anthropic as anthropic_seam
from threadfan.patterns import VoteTied, avote, vote
from threadfan.testing import MessagesServer

TICKET = "The invoice was paid twice, and nobody answers the phone."
READERS = ["billing", "support", "sales", "legal", "security"]
SLOW_READERS = ["research", "design", "hiring", "travel"]
REPLIES = {  # what the loopback server answers to a prompt that holds the key
    "Classify": ["Complaint", "complaint", "COMPLAINT"],
    "How urgent": ["urgent", "normal", "urgent", "normal", "unclear"],
}


def ask(question, delay=0.0):
    """One blocking call."""
    prompt = [{"role": "user", "content": f"{question} [delay:{delay}]"}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=20, messages=prompt).content[0].text


def classify(fan, readers):
    """What most readers say, in capitals or not, and how sure that is."""
    return vote(fan, *readers, key=str.casefold)


with MessagesServer(replies=REPLIES) as server, Fan(9, timeout=60) as fan:
    client = anthropic_seam.attach(server.client())
    delays = dict.fromkeys(READERS, 0.1) | dict.fromkeys(SLOW_READERS, 30)
    readers = [task(ask, f"You work in {one}. Classify: {TICKET}", delay=delay) for one, delay in delays.items()]
    result = classify(fan, readers)
    print(f"it is a {result.winner.lower()}: {result.confidence:.0%} of {result.votes} votes")
    print(f"cancelled: {len(result.left_out)}, could they have changed it: {not result.certain}")
    print(f"clients that the server has seen go: {server.wait_for(disconnects=4).disconnects}")

    urgency = task(ask, f"How urgent is this? {TICKET}")
    try:
        vote(fan, urgency, of=5)
    except VoteTied as tie:
        print(f"tied: {sorted(tie.counts.values(), reverse=True)}")
    cautious = vote(fan, urgency, of=5, tie=lambda answers: "urgent" if "urgent" in answers else answers[0])
    print(f"treated as {cautious.winner}, with {cautious.confidence:.0%} of the votes")
    sure = asyncio.run(avote(fan, *readers[:3], key=str.casefold))  # from a coroutine
    print(f"three of them: {sure.winner.lower()}, certain: {sure.certain}")
