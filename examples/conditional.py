"""Branches: only the one whose condition holds is taken, and the task that joins them takes its result.

A parameter with a default stands for a branch that may not be taken; a task with `outcomes=` gets the outcome of the
one that it needs, also if that failed.
"""

from threadfan import Fan
from threadfan.testing import MessagesServer

REPLIES = {"Is this urgent?": "yes", "Answer now": "We are on it."}
TICKETS = ["Is this urgent? The server is down.", "Nice colours [fault:500]"]  # the second cannot be classified


def ask(question):
    """One blocking call."""
    prompt = [{"role": "user", "content": question}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


with MessagesServer(latency=0.05, replies=REPLIES) as server, Fan(4, timeout=30) as fan:
    client = server.client()
    graph = fan.graph(name="ticket")

    @graph.task
    def urgency(ticket):
        """The conditions of both branches look at its result."""
        return ask(ticket)

    @graph.task(when=lambda urgency: urgency == "yes")
    def reply(ticket):
        """One branch."""
        return ask(f"Answer now: {ticket.partition('? ')[2]}")

    @graph.task(when=lambda urgency: urgency != "yes")
    def shelve(ticket):
        """The other."""
        return f"shelved: {ticket}"

    @graph.task
    def closing(reply=None, shelve=None):
        """Whichever was taken."""
        return reply or shelve

    @graph.task(outcomes=["urgency"])
    def note(urgency):
        """Gets the outcome of `urgency`, not its value."""
        return f"urgency {urgency.status}"

    for ticket in TICKETS:
        report = graph.run(ticket=ticket)
        print(f"closing: {report.value('closing', 'nothing')}; note: {report.value('note')}")
        for outcome in report.failed:
            print(f"  {outcome.name} {outcome.status}: {type(outcome.error).__name__}: {str(outcome.error)[:50]}")
