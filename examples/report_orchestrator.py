"""A plan says how many sections there are, one call writes each, and their results are folded into one list.

`each` makes a call for every element of the plan, however many there are; `reduce` joins what they return, in the order
of the plan.  `polish` takes each section the moment it is written, while others are still being written.
"""

import operator

from threadfan import Fan
from threadfan.testing import MessagesServer

REPLIES = {"Plan": "Introduction, Core concepts, Practical applications"}  # the loopback server's answer to "Plan"


def ask(question):
    """One blocking call."""
    prompt = [{"role": "user", "content": question}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=300, messages=prompt).content[0].text


with MessagesServer(latency=0.1, replies=REPLIES) as server, Fan(8, timeout=30) as fan:
    client = server.client()
    graph = fan.graph(name="report")

    @graph.task
    def plan(topic):
        """The orchestrator: only this call knows how many there will be."""
        return ask(f"Plan a report on {topic}").split(", ")

    @graph.task(each={"section": "plan"}, retry=2)
    def draft(section, topic):
        """A worker: one call for each section."""
        return ask(f"Write '{section}' of a report on {topic}")

    @graph.task(each={"section": "plan", "text": "draft"}, reduce=operator.add)
    def polish(section, text):
        """Another: each draft comes with the section that it is of."""
        return [f"## {section}\n{text.strip()}"]

    @graph.task
    def report(topic, polish):
        """All sections, in the order of the plan."""
        return "\n\n".join([f"# {topic}", *polish])

    found = graph.run(topic="parallel agents")

print(found.value("report"))
print(f"calls: {', '.join(outcome.name for outcome in found)}")
print(f"on average {found.stats.concurrency:.1f} ran at once")
